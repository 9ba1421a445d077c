"""LayerNorm's Jacobian and the products of residual layers against autograd; gradients at initialisation."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from coursework.derivations import initial_gradients as start
from coursework.derivations import layer_norm_evidence as evidence
from coursework.derivations.layer_norm import layer_norm_backward, layer_norm_jacobian
from coursework.derivations.residual_depth import local_exponent
from coursework.derivations.residual_norm import post_ln, pre_ln, product_backward, product_by_autograd
from coursework.derivations.slips import SLIPS


def double(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("width", [2, 3, 17])
def test_jacobian_is_that_of_torchs_module(width):
    module = nn.LayerNorm(width, eps=1e-5, dtype=torch.float64)
    nn.init.normal_(module.weight)
    nn.init.normal_(module.bias)
    x = double(width, seed=width)
    exact = torch.autograd.functional.jacobian(module, x)
    ours = layer_norm_jacobian(x, module.weight.detach(), torch.tensor(1e-5, dtype=torch.float64))
    assert float((ours - exact).abs().max()) < 1e-9 * max(1.0, float(exact.abs().max()))


def test_singular_values_are_one_over_the_deviation_and_two_zeros():
    x, eps = double(9), torch.tensor(1e-12, dtype=torch.float64)
    singular = torch.linalg.svdvals(layer_norm_jacobian(x, torch.ones_like(x), eps))
    deviation = float(np.std(x.numpy()))
    torch.testing.assert_close(singular[:7], torch.full((7,), 1 / deviation, dtype=torch.float64), rtol=1e-6, atol=0)
    assert float(singular[7:].max()) < 1e-8


def test_the_way_back_is_the_transposed_jacobian():
    x, gain, g = double(3, 6)
    eps = torch.tensor(0.1, dtype=torch.float64)
    whole = layer_norm_jacobian(x, gain, eps)
    torch.testing.assert_close(layer_norm_backward(x, gain, eps, g), whole.T @ g)


def test_both_orders_are_the_printed_ones():
    x, weight = double(5), double(5, 5, seed=1)

    def norm(v):
        return (v - v.mean()) / torch.sqrt(((v - v.mean()) ** 2).mean() + 1e-5)

    torch.testing.assert_close(post_ln(x, weight, 1e-5), norm(x + torch.tanh(weight @ x)))
    torch.testing.assert_close(pre_ln(x, weight, 1e-5), x + torch.tanh(weight @ norm(x)))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("depth", [1, 7])
def test_products_are_the_gradient(norm, depth):
    x, g = double(2, 6)
    weights = list(double(depth, 6, 6, seed=3))
    exact = product_by_autograd(norm, x, weights, g)
    torch.testing.assert_close(product_backward(norm, x, weights, g), exact)
    other = "pre" if norm == "post" else "post"
    assert float((product_backward(other, x, weights, g) - exact).norm() / exact.norm()) > 1e-2


def test_products_of_the_blocks_are_the_gradient_to_the_bar():
    gaps = evidence.product_gaps((1, 3), dim=8).set_index("layers")
    assert gaps.shape == (2, 4)
    assert float(gaps.to_numpy().max()) < 1e-9


@pytest.mark.parametrize("key", ["norm-of-branch", "layer-norm-as-division"])
def test_slips_are_refuted_with_a_witness(key):
    report = SLIPS[key].check()
    assert report.passed
    assert report.wrong.witness is not None


def test_local_exponent_is_the_slope_of_the_curve():
    depth, growth, step = 7.0, 1.3, 1e-5
    high, low = ((1 + growth * depth * np.exp(move)) ** -0.5 for move in (step, -step))
    ours = local_exponent(torch.tensor(depth, dtype=torch.float64), torch.tensor(growth, dtype=torch.float64))
    assert float(ours) == pytest.approx(np.log(high / low) / (2 * step), rel=1e-6)


def by_hand(norm, dim, depth, seed):
    """Gradient norms of the second feed-forward matrices, a backward pass for each sentence or position."""
    stack = start.theory_stack(norm, dim, depth, 1_000 * seed + depth)
    generator = torch.Generator().manual_seed(1_000 * seed + depth)
    x = torch.randn(start.SENTENCES, start.POSITIONS, dim, generator=generator)
    words = torch.randn(dim, dim, generator=generator) / dim**0.5
    targets = torch.randint(0, dim, (start.SENTENCES, start.POSITIONS), generator=generator)
    matrices = [block.feed_forward.outer.weight for block in stack.blocks]
    norms, last = [], []
    for sentence, target in zip(x, targets, strict=True):
        out = stack(sentence[None])[0] @ words.T
        losses = torch.logsumexp(out, 1) - out[torch.arange(len(out)), target]
        norms.append([g.norm().item() for g in torch.autograd.grad(losses[-1], matrices, retain_graph=True)])
        last += [torch.autograd.grad(one, matrices[-1], retain_graph=True)[0].norm().item() for one in losses]
    return [*np.mean(norms, 0)[:-1], np.mean(last)]


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_initial_gradients_are_autograds(norm):
    found = start.initial(norm, 12, 3, seed=4)
    np.testing.assert_allclose(found.gradients.numpy(), by_hand(norm, 12, 3, 4), rtol=1e-4)
    again = start.initial(norm, 12, 3, seed=4)
    assert torch.equal(found.gradients, again.gradients)
    assert found.embedding == again.embedding


def test_lengths_stay_or_grow_between_the_bounds():
    post, pre = (start.initial(norm, 64, 12, seed=0).lengths.numpy() for norm in ("post", "pre"))
    np.testing.assert_allclose(post[1:], 1, atol=1e-3)
    layers = np.arange(1, 13)
    assert (pre[1:] > 0.9 * (1 + layers / 2)).all()
    assert (pre[1:] < 1.1 * (1 + 3 * layers / 2)).all()


def test_exponent_of_a_power_and_its_interval():
    depths = (1, 2, 4, 8, 16)
    rng = np.random.default_rng(0)
    slopes = -0.5 + 0.02 * rng.standard_normal(6)
    values = 3 * np.array(depths, dtype=float) ** slopes[:, None]
    found = start.exponent(values, depths)
    low, high = stats.ttest_1samp(slopes, 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((slopes.mean(), low, high))
    assert found.near(-0.5)
    assert not found.near(-0.4)
    assert not start.Exponent(-0.5, -0.57, -0.43).near(-0.5)
    with pytest.raises(ValueError, match="at least two"):
        start.exponent(values[:1], depths)


def test_shift_of_the_output_is_linear_in_small_changes():
    large, small = (start.output_shift("pre", 16, 3, seed=1, scale=scale) for scale in (0.01, 0.003))
    assert large == pytest.approx(small, rel=0.05)
    assert small > 0


def test_a_deep_post_ln_stack_moves_farther_than_a_shallow_one():
    shifts = evidence.shift_table(32, range(3), (1, 12)).set_index("layers")
    assert shifts.loc[12, "post-LN"] > 3 * shifts.loc[1, "post-LN"]
    assert shifts.loc[12, "pre-LN"] < 0.5 * shifts.loc[12, "post-LN"]
    assert shifts.loc[12, "post-LN / pre-LN"] == pytest.approx(shifts.loc[12, "post-LN"] / shifts.loc[12, "pre-LN"])


def test_table_says_which_exponents_are_within_the_bar():
    made = [
        [start.Initial(torch.tensor([depth**-0.5]), torch.tensor([1.0, 1.0 + depth]), 1.0) for depth in (1, 4)]
        for _ in range(3)
    ]
    table = evidence.exponent_table({("pre", 8): made, ("post", 8): made}, (1, 4))
    assert table["exponent"].tolist() == ["-0.500", "-0.500"]
    assert table["within the bar"].tolist() == ["yes", "no"]
    slope = np.log((1 / 5**0.5) / (1 / 2**0.5)) / np.log(4)
    assert table["of the inverse length"].tolist() == [f"{slope:.3f}"] * 2
