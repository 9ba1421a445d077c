"""The ELBO on a linear-Gaussian model, where log p(x) and the posterior are known exactly."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

from coursework.conditionals import GaussianDecoder
from coursework.distributions.families import FAMILIES
from coursework.objectives.elbo import elbo


@pytest.fixture
def model():
    """z ~ N(0, I₃), x|z ~ N(W z + b, 0.5²) in six dimensions; W has orthogonal columns, the posterior is diagonal."""
    net = nn.Linear(3, 6).double()
    with torch.no_grad():
        net.weight.copy_(torch.linalg.qr(torch.randn(6, 3, dtype=torch.float64)).Q * torch.tensor([0.5, 1.0, 2.0]))
    scale = 0.5
    x = torch.randn(4, 6, dtype=torch.float64)
    with torch.no_grad():
        precision = 1 + net.weight.square().sum(0) / scale**2
        loc = (x - net.bias) @ net.weight / scale**2 / precision
        evidence = MultivariateNormal(net.bias, net.weight @ net.weight.T + scale**2 * torch.eye(6).double()).log_prob(
            x
        )
    posterior = Independent(Normal(loc, precision.rsqrt().expand(4, 3)), 1)
    prior = Independent(Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
    return GaussianDecoder(net, scale), posterior, prior, x, evidence


def mean_terms(posterior, decoder, prior, x, num_draws=4000):
    draws = [elbo(posterior, decoder, prior, x)[1] for _ in range(num_draws)]
    stacked = torch.stack([terms["elbo"] for terms in draws]).detach()
    return stacked.mean(0), stacked.std(0) / num_draws**0.5, draws[0]


def test_tight_at_the_true_posterior(model):
    decoder, posterior, prior, x, evidence = model
    mean, error, _ = mean_terms(posterior, decoder, prior, x)
    assert ((mean - evidence).abs() < 5 * error).all()


def test_below_the_evidence_by_the_divergence_elsewhere(model):
    decoder, posterior, prior, x, evidence = model
    other = Independent(Normal(posterior.mean + 0.3, 1.5 * posterior.stddev), 1)
    mean, error, _ = mean_terms(other, decoder, prior, x)
    gap = torch.distributions.kl_divergence(other, posterior)
    assert gap.min() > 0.1
    assert ((evidence - mean - gap).abs() < 5 * error).all()


def test_beta_weighs_the_divergence_alone(model):
    decoder, posterior, prior, x, _ = model
    results = {}
    for beta in (0.0, 1.0, 4.0):
        torch.manual_seed(7)
        results[beta] = elbo(posterior, decoder, prior, x, beta=beta)
    divergence = torch.distributions.kl_divergence(posterior, prior)
    torch.testing.assert_close(results[4.0][0] - results[1.0][0], 3 * divergence.mean())
    torch.testing.assert_close(results[1.0][0] - results[0.0][0], divergence.mean())
    assert "kl" not in results[0.0][1]


def test_a_point_posterior_with_beta_zero_is_least_squares():
    net = nn.Linear(2, 5)
    z, x = torch.randn(3, 1, 2, requires_grad=True), torch.randn(3, 5)
    family = FAMILIES["delta"]
    loss, _ = elbo(family(z), GaussianDecoder(net, 1.0), family.prior(2), x, beta=0.0)
    loss.backward()
    by_hand = torch.autograd.grad(0.5 * (net(z[:, 0]) - x).square().sum() / 3, z)[0]
    torch.testing.assert_close(z.grad, by_hand)


def test_negative_beta_is_refused(model):
    decoder, posterior, prior, x, _ = model
    with pytest.raises(ValueError, match=r"beta = -0\.5"):
        elbo(posterior, decoder, prior, x, beta=-0.5)
