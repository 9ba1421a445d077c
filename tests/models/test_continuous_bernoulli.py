"""The density of grey pixels: it integrates to one, and leans to the side that its logit says."""

import math

import torch

from coursework.models.continuous_bernoulli import ContinuousBernoulliDecoder


def densities(logits, values):
    """p(x) on a grid, (value, logit)."""
    decoder = ContinuousBernoulliDecoder(torch.nn.Unflatten(1, (1,)))
    with torch.no_grad():
        law = decoder(logits[:, None])
        return torch.stack([law.log_prob(value.expand(len(logits), 1)).exp() for value in values])


def test_mass_is_one_and_the_mean_is_the_printed_one():
    logits = torch.tensor([-3.0, -0.7, 0.0, 2.0])
    grid = (torch.arange(1000) + 0.5) / 1000
    p = densities(logits, grid)
    torch.testing.assert_close(p.mean(0), torch.ones(4), atol=2e-3, rtol=0)
    rates = logits.sigmoid()
    means = rates / (2 * rates - 1) + 1 / (2 * torch.atanh(1 - 2 * rates))  # arXiv:1907.06845, equation 8
    means[2] = 0.5
    torch.testing.assert_close((p * grid[:, None]).mean(0), means, atol=2e-3, rtol=0)


def test_pixels_of_an_image_add_up():
    decoder = ContinuousBernoulliDecoder(torch.nn.Identity())
    logits, x = torch.zeros(2, 3), torch.full((2, 3), 0.25)
    torch.testing.assert_close(decoder(logits).log_prob(x), torch.zeros(2), atol=1e-5, rtol=0)
    one = densities(torch.tensor([1.0]), torch.tensor([[0.25]])).log().item()
    assert math.isclose(decoder(torch.ones(2, 3)).log_prob(x)[0].item(), 3 * one, rel_tol=1e-5)
