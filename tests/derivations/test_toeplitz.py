"""The matrix against torch and against its definition; gradients against autograd; what one free step does."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from coursework.derivations import toeplitz_evidence as evidence
from coursework.derivations.conv_matrix import conv_matrix, kernel_gradient, tied_gradient
from coursework.derivations.toeplitz import small_matrix


def instance(seed):
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.randint(3, 15, (2,), generator=generator).tolist()
    height, width = (int(torch.randint(1, size + 1, (), generator=generator)) for size in (rows, columns))
    return (
        torch.randn(height, width, generator=generator, dtype=torch.float64),
        torch.randn(rows, columns, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize("seed", range(50))
def test_matrix_product_is_conv2d(seed):
    kernel, x = instance(seed)
    expected = conv2d(x[None, None], kernel[None, None]).flatten()
    torch.testing.assert_close(conv_matrix(kernel, *x.shape) @ x.flatten(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_circular_matrix_is_the_layer_with_circular_padding(seed):
    x = instance(seed)[1]
    kernel = torch.randn(3, 3, dtype=torch.float64)
    layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False, dtype=torch.float64)
    layer.weight = nn.Parameter(kernel[None, None])
    centred = layer(x[None, None])[0, 0].roll((-1, -1), (0, 1)).flatten()
    torch.testing.assert_close(conv_matrix(kernel, *x.shape, circular=True) @ x.flatten(), centred.detach())


def test_blocks_repeat_and_so_do_their_entries():
    kernel = torch.arange(1.0, 7).reshape(2, 3)
    blocks = conv_matrix(kernel, 5, 6).reshape(4, 4, 5, 6)
    for i in range(3):
        assert torch.equal(blocks[i + 1, :, 1:], blocks[i, :, :-1])
        assert torch.equal(blocks[:, i + 1, :, 1:], blocks[:, i, :, :-1])
    numbers = [[int(entry.base.label == "w" or 1) if entry else 0 for entry in row] for row in small_matrix().tolist()]
    assert torch.equal(torch.tensor(numbers) > 0, conv_matrix(torch.ones(2, 2), 3, 3) > 0)


@pytest.mark.parametrize("seed", range(50))
def test_gradient_is_the_sum_over_tied_entries(seed):
    kernel, x = instance(seed)
    weight = kernel[None, None].clone().requires_grad_()
    output = conv2d(x[None, None], weight)
    outer = torch.randn(output.shape[2:], dtype=torch.float64)
    expected = torch.autograd.grad(output, weight, outer[None, None])[0][0, 0]
    for found in (kernel_gradient(outer, x), tied_gradient(outer, x)):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_steps_of_kernel_and_matrix_are_gradient_steps():
    """By autograd through a circular layer and through a linear one."""
    kernel, x, y = evidence.example()
    start, with_kernel, free = evidence.stepped_matrices(rate=2.0**-10).values()
    matrix = start.clone().requires_grad_()
    ((matrix @ x.flatten() - y.flatten()) ** 2).sum().backward()
    assert torch.equal(free, start - 2.0**-10 * matrix.grad)
    weight = kernel.clone().requires_grad_()
    ((conv_matrix_by_loops(weight, 8) @ x.flatten() - y.flatten()) ** 2).sum().backward()
    assert torch.equal(with_kernel, conv_matrix(kernel - 2.0**-10 * weight.grad, 8, 8, circular=True))


def conv_matrix_by_loops(weight, side):
    rows = []
    for i in range(side):
        for j in range(side):
            row = [torch.zeros((), dtype=weight.dtype)] * side**2
            for k in range(3):
                for ell in range(3):
                    row[(i + k) % side * side + (j + ell) % side] = weight[k, ell]
            rows.append(torch.stack(row))
    return torch.stack(rows)


def test_table_of_the_step():
    table = evidence.step_table().set_index("matrix")
    assert list(table["different numbers in the bands"][:2]) == ["9", "9"]
    assert list(table["non-zero outside"][:2]) == ["0", "0"]
    assert list(table["shift error"][:2]) == ["0", "0"]
    assert float(table["shift error"].iloc[2]) > 1e-3
    losses = table["loss"].astype(float)
    assert losses.iloc[1] < losses.iloc[0]
    assert losses.iloc[2] < losses.iloc[0]


def test_parameter_counts_of_real_layers():
    table = evidence.parameter_table()
    assert list(table["convolution"]) == ["160", "1,792"]
    assert table["linear layer"][0] == f"{sum(p.numel() for p in nn.Linear(784, 16 * 784).parameters()):,}"
    assert evidence.formulas_hold()


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (2, 4)])
def test_only_convolutions_commute_with_shifts(size):
    assert evidence.commuting_dimension(*size) == size[0] * size[1]
    assert evidence.circulant_is_general(*size)


def test_instances_agree_and_a_flipped_kernel_would_not(monkeypatch):
    assert evidence.largest_discrepancy(6) < evidence.TOLERANCE
    monkeypatch.setattr(evidence, "conv_matrix", lambda kernel, *a, **b: conv_matrix(kernel.flip(0, 1), *a, **b))
    assert evidence.largest_discrepancy(6) > 1e-3
