"""The cheap weighted bound: the value of `iwae`, and its gradient on average."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from coursework.conditionals import BernoulliDecoder
from coursework.objectives.iwae import iwae
from coursework.objectives.resampled import resampled_iwae, systematic


def test_systematic_choices_have_the_expected_counts():
    weights = torch.tensor([[0.5, 0.05], [0.3, 0.9], [0.2, 0.05]])
    kept = torch.stack([systematic(weights, 4) for _ in range(4000)])  # (repetition, kept, batch)
    for row in range(3):
        counts = (kept == row).sum(1).double()
        expected = 4 * weights[row].double()
        assert ((counts.mean(0) - expected).abs() < 0.04).all()
        assert ((counts >= expected.floor()) & (counts <= expected.ceil())).all()


@pytest.fixture
def model():
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 12)).double()
    x = torch.bernoulli(torch.full((3, 12), 0.4, dtype=torch.float64))
    loc = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    prior = Independent(Normal(torch.zeros(2).double(), torch.ones(2).double()), 1)
    return BernoulliDecoder(net), Independent(Normal(loc, 0.7), 1), prior, x, [loc, *net.parameters()]


def test_same_draws_same_bound(model):
    decoder, posterior, prior, x, _ = model
    torch.manual_seed(5)
    loss, terms = iwae(posterior, decoder, prior, x, num_samples=6)
    torch.manual_seed(5)
    cheap, its_terms = resampled_iwae(posterior, decoder, prior, x, num_samples=6, num_kept=2)
    torch.testing.assert_close(its_terms["bound"], terms["bound"])
    torch.testing.assert_close(cheap, loss)


@pytest.mark.parametrize("num_kept", [1, 3])
def test_the_gradient_is_right_on_average(model, num_kept):
    decoder, posterior, prior, x, parameters = model

    def mean_gradient(loss):
        draws = [torch.cat([g.flatten() for g in torch.autograd.grad(loss(), parameters)]) for _ in range(1500)]
        stacked = torch.stack(draws)
        return stacked.mean(0), stacked.std(0) / len(draws) ** 0.5

    whole, error = mean_gradient(lambda: iwae(posterior, decoder, prior, x, num_samples=5)[0])
    cheap, its_error = mean_gradient(
        lambda: resampled_iwae(posterior, decoder, prior, x, num_samples=5, num_kept=num_kept)[0]
    )
    distance = (cheap - whole) / (error.square() + its_error.square()).sqrt()
    assert distance.abs().max() < 5
    assert whole.abs().max() > 20 * error.max()  # something to be wrong about


@pytest.mark.parametrize(("k", "kept"), [(0, 1), (3, 0)])
def test_no_draws_are_refused(model, k, kept):
    decoder, posterior, prior, x, _ = model
    with pytest.raises(ValueError, match=f"num_samples = {k}, num_kept = {kept}"):
        resampled_iwae(posterior, decoder, prior, x, num_samples=k, num_kept=kept)
