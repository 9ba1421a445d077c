"""Encoders and decoders: the laws they return, against the same written out."""

import pytest
import torch
from torch import nn
from torch.distributions import kl_divergence

from coursework.conditionals import BernoulliDecoder, Encoder, LaplaceDecoder
from coursework.distributions.families import FAMILIES


@pytest.mark.parametrize("name", FAMILIES)
def test_an_encoder_starts_near_where_a_table_starts(name):
    family = FAMILIES[name]
    dim = max(family.smallest, 5)
    encoder = Encoder(nn.Flatten(), 36, dim, family)
    x = torch.rand(4, 6, 6)
    raw = encoder.head(x.flatten(1)).unflatten(1, (family.num_parameters, dim))
    assert (raw - torch.tensor(family.standard)[:, None]).abs().max() < 0.5
    assert encoder(x).event_shape == (dim,)
    assert encoder(x).batch_shape == (4,)


def test_an_encoder_s_head_holds_one_row_per_parameter():
    encoder = Encoder(nn.Flatten(), 9, 2, FAMILIES["normal"])
    x = torch.rand(3, 3, 3)
    raw = x.flatten(1) @ encoder.head.weight.T + encoder.head.bias
    law = encoder(x)
    torch.testing.assert_close(law.mean, raw[:, :2])
    expected = FAMILIES["normal"](torch.stack([raw[:, :2], raw[:, 2:]], 1))
    torch.testing.assert_close(kl_divergence(law, expected), torch.zeros(3), atol=1e-6, rtol=0)


def test_a_bernoulli_decoder_s_likelihood_is_the_cross_entropy():
    net = nn.Sequential(nn.Linear(2, 12), nn.Unflatten(1, (3, 4)))
    z, x = torch.randn(5, 2), torch.randint(0, 2, (5, 3, 4)).float()
    expected = -nn.functional.binary_cross_entropy_with_logits(net(z), x, reduction="none").sum((1, 2))
    torch.testing.assert_close(BernoulliDecoder(net)(z).log_prob(x), expected)


def test_a_laplace_decoder_counts_absolute_errors():
    net = nn.Sequential(nn.Linear(2, 12), nn.Unflatten(1, (3, 4)))
    z, x = torch.randn(5, 2), torch.rand(5, 3, 4)
    law = LaplaceDecoder(net, 0.5)(z)
    expected = -(x - net(z)).abs().sum((1, 2)) / 0.5  # the density's peak is 1 at this scale
    torch.testing.assert_close(law.log_prob(x), expected)
    assert torch.equal(law.mean, net(z))
