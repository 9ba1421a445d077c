"""Vanishing and exploding gradients against autograd, powers and quadrature."""

import math

import numpy as np
import pytest
import torch

from coursework.derivations import jacobian_products_evidence as evidence
from coursework.derivations.gradient_remedies import norm_after_clipping
from coursework.derivations.jacobian_products import layer_backward


@pytest.mark.parametrize("seed", range(50))
def test_layer_backward_against_a_linear_layer(seed):
    generator = torch.Generator().manual_seed(seed)
    outputs, inputs = torch.randint(1, 9, (2,), generator=generator).tolist()
    layer = torch.nn.Linear(inputs, outputs, bias=False, dtype=torch.float64)
    h = torch.randn(inputs, generator=generator, dtype=torch.float64, requires_grad=True)
    g = torch.randn(outputs, generator=generator, dtype=torch.float64)
    (torch.tanh(layer(h)) @ g).backward()
    torch.testing.assert_close(layer_backward(layer.weight.detach(), g, h.detach()), h.grad)


@pytest.mark.parametrize("radius", [0.8, 1.0, 1.25])
def test_recurrence_against_the_power(radius):
    for length in (1, 7, 40):
        assert evidence.recurrence_norm_at(radius, length) == pytest.approx(radius**length, rel=1e-10)


def test_sigmoid_chain_against_differences():
    for weight in (1.0, 5.0):
        step, values = 1e-5, []
        for h in (0.5 + 1e-5, 0.5 - 1e-5):
            for _ in range(4):
                h = 1 / (1 + math.exp(-weight * (h - 0.5)))
            values.append(h)
        slope = (values[0] - values[1]) / (2 * step)
        assert evidence.sigmoid_chain_gradient(weight, 4) == pytest.approx(slope, rel=1e-6)


def test_example_table_agrees_with_the_formulas_and_shows_both_effects():
    table = evidence.example_table()
    assert set(table["as derived"]) == {"yes"}
    last = table[f"{max(evidence.LENGTHS)} factors"].astype(float)
    assert (last < 1e-3).sum() == 2
    assert (last > 1e3).sum() == 2


def test_powers_may_grow_before_they_fall():
    norms = evidence.transient_norms(0.9, 1.0, 60).tolist()
    for steps in (0, 3, 20):
        power = np.array([[0.9**steps, steps * 0.9 ** (steps - 1)], [0, 0.9**steps]])
        assert norms[steps] == pytest.approx(np.linalg.norm(power, 2))
    assert max(norms) > 2 * norms[1] > norms[0] > norms[-1]


def test_singular_values_bound_and_would_not_if_swapped(monkeypatch):
    assert evidence.singular_bounds_hold(20)
    svdvals = torch.linalg.svdvals
    monkeypatch.setattr(torch.linalg, "svdvals", lambda matrix: svdvals(matrix).flip(0) * 0.9)
    assert not evidence.singular_bounds_hold(20)


def test_clipping_shortens_what_is_long_only():
    one = torch.tensor(1.0, dtype=torch.float64)
    assert float(norm_after_clipping(5 * one, one)) == pytest.approx(1, rel=1e-5)
    assert float(norm_after_clipping(0.3 * one, one)) == pytest.approx(0.3)


def test_geometric_mean():
    assert evidence.geometric_mean([1e-8, 1e-4]) == pytest.approx(1e-6)
