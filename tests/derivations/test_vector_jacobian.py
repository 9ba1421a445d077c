"""Products with a Jacobian against finite differences and loops; counts against counting by hand."""

import itertools

import pytest
import torch

from coursework.derivations import accumulation
from coursework.derivations import vector_jacobian_evidence as evidence


def parts(seed):
    generator = torch.Generator().manual_seed(seed)
    inputs, width, outputs = torch.randint(1, 12, (3,), generator=generator).tolist()
    return evidence.make_parts(inputs, width, outputs, seed)


def by_differences(first, second, x, step=1e-6):
    """J column by column, from values of the network alone."""

    def value(point):
        return second @ torch.tanh(first @ point)

    return torch.stack(
        [(value(x + step * e) - value(x - step * e)) / (2 * step) for e in torch.eye(len(x)).double()], 1
    )


@pytest.mark.parametrize("seed", range(50))
def test_products_against_finite_differences(seed):
    first, second, x = parts(seed)
    jacobian = by_differences(first, second, x)
    v, u = torch.randn(len(second)).double(), torch.randn(len(x)).double()
    for route in (
        accumulation.reverse_product,
        accumulation.backward_with,
        accumulation.backward_of_weighted_sum,
        accumulation.vjp,
    ):
        torch.testing.assert_close(route(first, second, x, v), v @ jacobian, rtol=1e-6, atol=1e-8)
    for route in (accumulation.forward_product, accumulation.jvp):
        torch.testing.assert_close(route(first, second, x, u), jacobian @ u, rtol=1e-6, atol=1e-8)
    net = accumulation.network(first, second)
    for found in (accumulation.whole_jacobian(first, second, x), accumulation.jacobian_by_rows(net, x)):
        torch.testing.assert_close(found, jacobian, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("inputs", "width", "outputs", "layers"), [(5, 3, 2, 2), (4, 7, 9, 3), (1, 2, 1, 5)])
def test_costs_by_counting_the_loops(inputs, width, outputs, layers):
    """Every multiplication of the schoolbook product, one by one."""
    sizes = [inputs, *[width] * (layers - 1), outputs]

    def count(vectors):
        return sum(1 for low, high in itertools.pairwise(sizes) for _ in range(vectors * low * high))

    chain = (inputs, width, outputs, layers)
    for mode, vectors, formula in (
        ("reverse", outputs, accumulation.reverse_multiplications),
        ("forward", inputs, accumulation.forward_multiplications),
        ("gradient", 1, accumulation.path_multiplications),
    ):
        assert formula(*chain) == count(vectors) == accumulation.counted_multiplications(mode, *chain)


def test_torch_refuses_a_vector():
    assert "scalar" in evidence.refusal()


def test_routes_agree_and_a_wrong_one_is_noticed(monkeypatch):
    frame, agree = evidence.route_table(0)
    assert agree
    assert frame.iloc[:-1, 1:].nunique().eq(1).all()
    assert not frame.iloc[-1, 1:].equals(frame.iloc[0, 1:])
    assert evidence.largest_discrepancy(5) < evidence.TOLERANCE
    monkeypatch.setattr(accumulation, "reverse_product", lambda first, second, x, v: first.T @ (second.T @ v))
    assert not evidence.route_table(0)[1]
    assert evidence.largest_discrepancy(5) > 1e-3


def test_costs_table_has_what_torch_counted():
    frame = evidence.cost_table()
    assert list(frame["by formula"]) == list(frame["counted by torch"])
    numbers = [int(text.replace(",", "")) for text in frame["by formula"]]
    assert numbers[1] / numbers[0] == evidence.CHAIN["outputs"]
    assert numbers[2] / numbers[1] == evidence.CHAIN["inputs"] / evidence.CHAIN["outputs"]


def test_passes_and_memory():
    frame = evidence.count_table((1, 8, 64), 0)
    assert list(frame["passes, one product"]) == [1, 1, 1]
    assert list(frame["passes, Jacobian"]) == [1, 8, 64]
    result = torch.tensor([1, 8, 64]) * evidence.SIZES[0] * 8
    assert (torch.tensor(frame["bytes, Jacobian"].tolist()) >= result).all()
    assert frame["bytes, Jacobian"].iloc[-1] > 10 * frame["bytes, one product"].iloc[-1]


def test_live_bytes_counts_births_and_deaths_and_not_what_was_there():
    outside = torch.ones(1000, dtype=torch.float64)
    with evidence.LiveBytes() as live:
        view = outside[:10]
        assert live.now == 0
        kept = outside + 1
        for _ in range(3):
            outside * 2
        assert live.now == 8000
    assert live.peak == 16000
    assert len(view) == 10
    assert len(kept) == 1000


def test_seconds_are_measured_for_every_size():
    found = evidence.seconds((1, 2), 0, repeats=1)
    assert found.keys() == evidence.ROUTES.keys()
    assert all(len(values) == 2 and min(values) > 0 for values in found.values())
