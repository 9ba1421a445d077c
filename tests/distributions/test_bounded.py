"""Laws on the unit interval and inside a box, at the edges where rounding bites."""

import math

import pytest
import torch
from torch.distributions import Kumaraswamy as TorchKumaraswamy
from torch.distributions import Uniform

from coursework.distributions.families import FAMILIES
from coursework.distributions.kl import kl
from coursework.distributions.kumaraswamy import Kumaraswamy
from coursework.distributions.uniform import ClosedUniform, uniform_inside


def test_kumaraswamy_agrees_with_torch_where_powers_do_not_overflow():
    median = torch.rand(200, dtype=torch.float64) * 0.8 + 0.1
    shape = 0.3 + 4 * torch.rand(200, dtype=torch.float64)
    ours = Kumaraswamy(median, shape)
    theirs = TorchKumaraswamy(shape, math.log(0.5) / torch.log1p(-(median**shape)))
    x = theirs.sample().clamp(1e-6, 1 - 1e-6)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(ours.mean, theirs.mean, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(ours.variance, theirs.variance, rtol=1e-5, atol=1e-8)
    assert ((ours.rsample((4000,)) < median).double().mean(0) - 0.5).abs().max() < 5 * 0.5 / math.sqrt(4000)


@pytest.mark.parametrize("shape", [0.1, 30.0, 100.0])
@pytest.mark.parametrize("median", [0.01, 0.5, 0.99])
def test_kumaraswamy_in_single_precision_is_that_in_double(shape, median):
    """b reaches 1e200 here: neither draws nor densities nor divergences notice."""
    single, double = (
        Kumaraswamy(torch.tensor([median]).to(d), torch.tensor([shape]).to(d)) for d in (torch.float32, torch.float64)
    )
    z = single.rsample((1000,))
    assert ((z > 0) & (z < 1)).all()
    torch.testing.assert_close(single.log_prob(z).double(), double.log_prob(z.double()), rtol=1e-2, atol=1e-2)
    one = torch.ones(1)
    divergences = [kl(q, ClosedUniform(0 * one.to(q.mean), one.to(q.mean))) for q in (single, double)]
    torch.testing.assert_close(divergences[0].double(), divergences[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(single.mean.double(), double.mean, rtol=1e-3, atol=1e-6)
    draws = double.rsample((20_000,))
    assert draws.mean().item() == pytest.approx(double.mean.item(), abs=5 * draws.std().item() / 141 + 1e-9)


def test_kumaraswamy_against_a_prior_that_does_not_cover_it_is_infinite():
    q = Kumaraswamy(torch.tensor([0.5]), torch.tensor([2.0]))
    assert kl(q, Uniform(torch.tensor([0.1]), torch.tensor([1.0]))).isinf()
    wide = kl(q, Uniform(torch.tensor([-1.0]), torch.tensor([1.0]))) - kl(
        q, Uniform(torch.tensor([0.0]), torch.tensor([1.0]))
    )
    assert wide.item() == pytest.approx(math.log(2), rel=1e-5)


def test_uniform_laws_stay_inside_the_prior_whatever_the_raw_numbers():
    family = FAMILIES["uniform"]
    raw = (30 * torch.randn(100_000, 2, 1)).clamp(-100, 100)
    base = family(raw).base_dist
    assert (base.low >= -1).all()
    assert (base.high <= 1).all()
    assert (base.high > base.low).all()
    assert kl(family(raw), family.prior(1)).isfinite().all()


def test_the_width_alone_is_paid_for():
    place = torch.rand(50, 3, dtype=torch.float64)
    width = torch.rand(50, 3, dtype=torch.float64) * 0.99 + 0.005
    found = kl(uniform_inside(place, width), FAMILIES["uniform"].prior(3, dtype=torch.float64))
    torch.testing.assert_close(found, -width.log().sum(1))


def test_no_draw_of_a_narrow_law_has_density_zero():
    """Rounding puts draws onto the upper end, where torch's half-open law has none."""
    law = ClosedUniform(torch.tensor([0.9999]), torch.tensor([1.0]))
    z = law.rsample((200_000,))
    assert (z == law.high).any()
    assert law.log_prob(z).isfinite().all()
    assert not Uniform(law.low, law.high, validate_args=False).log_prob(z).isfinite().all()
    assert law.log_prob(torch.tensor([0.5])).isinf()
