"""The derivations of flows beside numbers from elsewhere, and wrong forms that must fall."""

import math

import pytest
import sympy as sp
from scipy.integrate import quad

from coursework.derivations import flow
from coursework.derivations.core import DERIVATIONS
from coursework.derivations.equality import Status, compare

KEYS = (
    "coupling-log-det",
    "logit-log-det",
    "quantile-log-det",
    "dequantisation-bound",
    "uniform-noise-gap",
    "blank-pixel",
)


@pytest.mark.parametrize("key", KEYS)
def test_it_stands(key):
    assert DERIVATIONS[key].check().require().passed


def test_the_price_of_a_blank_pixel_by_quadrature():
    cost, _ = quad(lambda t: math.exp(-t) * (-t + (t - 1) ** 2 / 2 + math.log(2 * math.pi) / 2), 0, math.inf)
    assert float(DERIVATIONS["blank-pixel"].steps[-1].expression) == pytest.approx(cost, rel=1e-9)


def test_the_gap_of_uniform_noise_by_quadrature():
    last = DERIVATIONS["uniform-noise-gap"].steps[-1].expression
    for fall in (0.3, 2.0):
        inside, _ = quad(lambda u, fall=fall: math.exp(-fall * u), 0, 1)
        assert float(last.subs(flow.fall, fall)) == pytest.approx(math.log(inside) + fall / 2, rel=1e-9)


def test_without_the_factor_256_the_logit_is_refuted():
    inside = flow.alpha / 2 + (1 - flow.alpha) * flow.x / 256
    slope = sp.log(sp.Derivative(sp.log(inside / (1 - inside)), flow.x))
    wrong = sp.log((1 - flow.alpha) / (inside * (1 - inside)))
    facts = (sp.Lt(flow.x, 256), sp.Lt(flow.alpha, 1))
    assert compare(slope, wrong, facts=facts, seed="logit").status is Status.REFUTED
