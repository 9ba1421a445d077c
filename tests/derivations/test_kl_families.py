"""Divergences of the families: what the derivations rest on, and that their oracles can tell a wrong formula."""

import numpy as np
import pytest
import scipy.stats
import torch

from coursework.derivations import DERIVATIONS, SLIPS
from coursework.derivations.equality import Status
from coursework.derivations.kl_line import kl_gumbel, kl_laplace
from coursework.derivations.kl_quantiles import over_quantiles, over_shares
from coursework.derivations.triangle import numeric
from coursework.distributions.families import FAMILIES


def test_every_family_has_a_derivation_of_its_divergence():
    keys = {f"kl-{name}" for name in FAMILIES} - {"kl-delta"}
    assert keys <= DERIVATIONS.keys()
    assert all(DERIVATIONS[key].code for key in keys)


@pytest.mark.parametrize("key", ["kl-uniform", "kl-student", "kl-von-mises-fisher"])
def test_quick_ones_stand(key):
    DERIVATIONS[key].check().require()


@pytest.mark.parametrize("key", ["kl-laplace-reversed", "kl-uniform-reversed"])
def test_exchanged_arguments_are_refuted(key):
    found = SLIPS[key].check()
    assert found.wrong.status is Status.REFUTED
    assert found.right.status is Status.PROVED


def test_a_reversed_uniform_divergence_is_negative():
    witness = SLIPS["kl-uniform-reversed"].check().wrong.witness
    assert float(witness.left) == pytest.approx(-float(witness.right))
    assert witness.left * witness.right < 0


def test_quadrature_over_shares_takes_logarithms():
    assert over_shares(np.log) == pytest.approx(-0.5 * (1 + np.log(2)), abs=1e-13)
    assert over_shares(lambda s: np.abs(s - 0.2), 0.2) == pytest.approx(0.02 + 0.045, abs=1e-13)


@pytest.mark.parametrize(("key", "law"), [("kl-gumbel", scipy.stats.gumbel_r), ("kl-logistic", scipy.stats.logistic)])
def test_last_line_against_an_oracle_at_a_hard_point(key, law):
    values = (3.0, 0.05, -1.0, 2.0)
    entry = DERIVATIONS[key]
    formula = float(numeric(entry.steps[-1].expression, entry.arguments)(values, ()))
    assert over_quantiles(law)(*map(torch.tensor, values)) == pytest.approx(formula, rel=1e-7)
    swapped = (values[2], values[3], values[0], values[1])
    assert abs(over_quantiles(law)(*map(torch.tensor, swapped)) - formula) > 1


def test_laplace_and_gumbel_are_torch_s_own_and_right():
    quarter, one, two = (torch.tensor(value, dtype=torch.float64) for value in (0.25, 1.0, 2.0))
    assert kl_laplace(two, quarter, one).item() == pytest.approx(
        over_quantiles(scipy.stats.laplace)(2.0, 0.25, 0.0, 1.0), abs=1e-10
    )
    assert kl_gumbel(two, quarter, -one, two).item() == pytest.approx(
        over_quantiles(scipy.stats.gumbel_r)(2.0, 0.25, -1.0, 2.0), abs=1e-10
    )
