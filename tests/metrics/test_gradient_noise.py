"""Both gradients on an objective whose mean gradient and variances are known."""

import pytest
import torch
from torch import nn
from torch.distributions import Distribution

from coursework.derivations.sampled_gradients import pathwise_gradients, score_gradients
from coursework.metrics.gradient_noise import ESTIMATORS, gradient_draws, total_variance


class Squares(nn.Module):
    """log p(x|z) = Σ z², whatever x is."""

    def forward(self, context):
        law = Distribution(context.shape[:1], torch.Size([1]), validate_args=False)
        law.log_prob = lambda value: context.square().sum(1)
        return law


@pytest.fixture
def draws():
    loc, scale = torch.tensor([0.7, -0.2]).double(), torch.tensor([0.5, 1.1]).double()
    return loc, scale, gradient_draws(loc, scale, Squares(), torch.zeros(1).double(), 60_000)


def test_all_agree_with_the_exact_gradient_on_average(draws):
    loc, scale, found = draws
    exact = torch.cat([2 * loc, 2 * scale])  # of Σ loc² + scale²
    assert tuple(found) == ESTIMATORS
    for name, rows in found.items():
        error = rows.std(0) / len(rows) ** 0.5
        assert ((rows.mean(0) - exact).abs() < 4.5 * error).all(), name


def test_variances_are_those_that_were_derived():
    loc, scale = torch.tensor([0.7]).double(), torch.tensor([0.5]).double()
    found = gradient_draws(loc, scale, Squares(), torch.zeros(1).double(), 200_000)
    assert found["pathwise"][:, 0].var().item() == pytest.approx(4 * 0.5**2, rel=0.02)
    score = 0.7**4 / 0.5**2 + 14 * 0.7**2 + 15 * 0.5**2
    assert found["score function"][:, 0].var().item() == pytest.approx(score, rel=0.05)


def test_the_derived_formulas_code_is_the_same_estimate():
    loc, scale = torch.tensor([0.7]).double(), torch.tensor([0.5]).double()
    torch.manual_seed(3)
    found = gradient_draws(loc, scale, Squares(), torch.zeros(1).double(), 50)
    torch.manual_seed(3)
    eps = torch.randn(50, 1, dtype=torch.float64)[:, 0]
    torch.testing.assert_close(found["pathwise"][:, 0], pathwise_gradients(loc[0], scale[0], eps))
    torch.testing.assert_close(found["score function"][:, 0], score_gradients(loc[0], scale[0], eps))


def test_a_baseline_removes_what_a_constant_adds(draws):
    loc, scale, _ = draws

    class Shifted(Squares):
        def forward(self, context):
            law = super().forward(context)
            inner = law.log_prob
            law.log_prob = lambda value: inner(value) - 100.0
            return law

    torch.manual_seed(1)
    plain = gradient_draws(loc, scale, Squares(), torch.zeros(1).double(), 5000)
    torch.manual_seed(1)
    shifted = gradient_draws(loc, scale, Shifted(), torch.zeros(1).double(), 5000)
    for name in ("pathwise", "score function, baseline"):
        torch.testing.assert_close(shifted[name], plain[name])
    assert total_variance(shifted["score function"]) > 100 * total_variance(plain["score function"])


def test_one_draw_is_refused():
    with pytest.raises(ValueError, match="num_draws = 1"):
        gradient_draws(torch.zeros(1), torch.ones(1), Squares(), torch.zeros(1), 1)
