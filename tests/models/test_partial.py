"""Hidden pixels: what is hidden, what a likelihood makes of it, and linear cases with a closed form."""

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from coursework.conditionals import Encoder, GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.models.partial import SeenDecoder, fill_in, fit_to_seen, hide, principal_regression
from coursework.nets.decoders import SkipDecoder
from coursework.nets.encoders import ConvEncoder


def test_the_fraction_is_exact_per_image_and_nested():
    x = torch.rand(50, 10, 10)
    seen, hidden = hide(x, 0.3, 0)
    assert (hidden.flatten(1).sum(1) == 30).all()
    assert torch.equal(seen.isnan(), hidden)
    assert torch.equal(seen[~hidden], x[~hidden])
    _, more = hide(x, 0.7, 0)
    assert (more | ~hidden).all()
    assert not torch.equal(hidden, hide(x, 0.3, 1)[1])
    counts = hidden.double().mean(0)
    assert (counts - 0.3).abs().max() < 5 * (0.21 / 50) ** 0.5


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 0.001, 0.999])
def test_nothing_or_everything_cannot_be_hidden(fraction):
    with pytest.raises(ValueError, match="fraction"):
        hide(torch.rand(2, 4, 4), fraction, 0)


def test_hiding_is_marginalising():
    """With z integrated out by many draws, the seen pixels' law is the marginal of the full one."""
    net = nn.Linear(2, 4).double()
    x = torch.tensor([[0.3, torch.nan, -0.2, torch.nan]]).double()
    with torch.no_grad():
        covariance = net.weight @ net.weight.T + 0.25 * torch.eye(4).double()
        kept = torch.tensor([0, 2])
        exact = MultivariateNormal(net.bias[kept], covariance[kept][:, kept]).log_prob(x[0, kept])
        z = torch.randn(200_000, 2).double()
        log_p = SeenDecoder(net, 0.5)(z).log_prob(x.expand(200_000, 4))
    assert log_p.logsumexp(0) - torch.tensor(200_000.0).log() == pytest.approx(exact.item(), abs=0.01)


def test_a_hidden_pixel_sends_no_gradient_and_no_nan():
    decoder = SeenDecoder(nn.Linear(2, 3), 0.5)
    decoder(torch.randn(4, 2)).log_prob(torch.tensor([0.1, torch.nan, 0.2]).expand(4, 3)).sum().backward()
    assert torch.equal(decoder.net.weight.grad[1], torch.zeros(2))
    assert (decoder.net.weight.grad[[0, 2]] != 0).all()


@pytest.mark.parametrize("settle_steps", [0, 150])
def test_a_fit_to_seen_pixels_is_least_squares_on_their_rows(settle_steps):
    net = SkipDecoder(2, None, (4, 4), leak=1.0)
    x = torch.rand(6, 4, 4)
    seen, hidden = hide(x, 0.5, 0)
    start = LatentTable(6, 2, FAMILIES["delta"])
    table = fit_to_seen(
        GaussianDecoder(net, 0.3),
        seen,
        FAMILIES["delta"],
        2,
        beta=0.0,
        num_steps=400,
        lr=0.1,
        start=start,
        settle_steps=settle_steps,
    )
    with torch.no_grad():
        for row, flat, mask in zip(table.locations(), x.flatten(1), ~hidden.flatten(1), strict=True):
            exact = torch.linalg.lstsq(net.linear.weight[mask], (flat - net.linear.bias)[mask, None]).solution[:, 0]
            torch.testing.assert_close(row, exact, atol=5e-3, rtol=5e-3)
    changed = torch.where(hidden, torch.nan, x)
    assert torch.equal(changed.isnan(), seen.isnan())


def test_settling_needs_a_linear_part():
    start = LatentTable(1, 2, FAMILIES["delta"])
    with pytest.raises(TypeError, match="settle_steps = 0"):
        fit_to_seen(
            GaussianDecoder(nn.Linear(2, 4), 1.0),
            torch.rand(1, 2, 2),
            FAMILIES["delta"],
            2,
            beta=0.0,
            num_steps=1,
            lr=0.1,
            start=start,
            settle_steps=1,
        )


def test_filling_in_keeps_seen_pixels_and_reaches_the_fixed_point():
    """Encoder and decoder project on one direction u; the hidden pixels then solve their rows of u uᵀ x = x."""
    net = ConvEncoder(1, 1, (4, 4))
    encoder = Encoder(net, net.num_features, 1, FAMILIES["normal"])
    u = torch.rand(16) + 0.5
    u /= u.norm()
    decoder = GaussianDecoder(nn.Sequential(nn.Linear(1, 16, bias=False), nn.Unflatten(1, (4, 4))), 1.0)
    with torch.no_grad():
        encoder.head.weight.zero_()
        encoder.head.bias.zero_()
        encoder.head.weight[0, 1:] = u
        decoder.net[0].weight[:] = u[:, None]
    x = (0.9 * u).view(1, 4, 4)
    seen, hidden = hide(x, 0.25, 0)
    guess = torch.full((4, 4), 0.6)
    once = fill_in(encoder, decoder, seen, guess, 0)
    assert torch.equal(once[~hidden], x[~hidden])
    assert (once[hidden] == 0.6).all()
    torch.testing.assert_close(fill_in(encoder, decoder, seen, guess, 40), x, atol=1e-4, rtol=1e-4)


def test_the_linear_way_is_the_conditional_mean_of_the_fitted_gaussian():
    train = torch.rand(200, 3, 3) @ torch.diag(torch.tensor([1.0, 0.5, 0.2]))
    x = torch.rand(5, 3, 3)
    seen, hidden = hide(x, 0.5, 0)
    found = principal_regression(train, seen, 4).flatten(1).double()
    rows = train.flatten(1).double()
    values, vectors = torch.linalg.eigh(torch.cov(rows.T, correction=0))
    noise = values[:5].mean()
    signal = vectors[:, 5:] @ torch.diag(values[5:] - noise) @ vectors[:, 5:].T
    covariance, mean = signal + noise * torch.eye(9).double(), rows.mean(0)
    for image, flat, mask in zip(found, x.flatten(1).double(), ~hidden.flatten(1), strict=True):
        weights = torch.linalg.solve(covariance[mask][:, mask], (flat - mean)[mask])
        torch.testing.assert_close(image, mean + signal[:, mask] @ weights, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="num_components = 9"):
        principal_regression(train, seen, 9)
