import math

import pytest
import torch

from coursework.derivations import DERIVATIONS, SLIPS
from coursework.derivations.kl import kl_by_quadrature, kl_normal_normal
from coursework.derivations.triangle import numeric


@pytest.mark.parametrize("q", [(0.0, 1.0), (1.5, 0.3), (-2.0, 2.5)])
@pytest.mark.parametrize("p", [(0.0, 1.0), (0.5, 1.7)])
def test_closed_form_quadrature_and_sampling(q, p):
    arguments = [torch.tensor(value, dtype=torch.float64) for value in (*q, *p)]
    closed = float(kl_normal_normal(*arguments))
    assert kl_by_quadrature(*arguments) == pytest.approx(closed, abs=1e-10)
    entry = DERIVATIONS["kl-normal"]
    assert float(numeric(entry.steps[-1].expression, entry.arguments)((*q, *p), ())) == pytest.approx(closed, abs=1e-12)
    z = q[0] + q[1] * torch.randn(200_000, dtype=torch.float64)
    laws = [torch.distributions.Normal(*law) for law in (q, p)]
    terms = laws[0].log_prob(z) - laws[1].log_prob(z)
    assert float(terms.mean()) == pytest.approx(closed, abs=5 * float(terms.std()) / math.sqrt(len(z)) + 1e-12)


def test_the_numbers_of_the_syllabus():
    ten_apart = SLIPS["kl-ten-apart"].check()
    assert ten_apart.claim.right == 50
    assert float(kl_normal_normal(*map(torch.tensor, (10.0, 1.0, 0.0, 1.0)))) == 50
    wider = SLIPS["kl-wider-by-a-tenth"].check()
    assert float(wider.claim.right) == pytest.approx(0.0085, abs=5e-5)
    assert float(kl_normal_normal(*map(torch.tensor, (0.0, 1.0, 0.0, 1.1)))) == pytest.approx(
        float(wider.claim.right), abs=1e-6
    )
