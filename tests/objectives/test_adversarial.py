"""Objectives of GAN and WGAN against torch's own losses and closed forms."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from coursework.objectives.adversarial import (
    gan_discriminator_loss,
    gan_generator_loss,
    wgan_critic_loss,
    wgan_generator_loss,
    wgan_gradient_penalty,
)


@pytest.mark.parametrize("smooth", [1.0, 0.9])
def test_discriminator_loss_is_two_cross_entropies(smooth):
    real, fake = torch.randn(7), torch.randn(7)
    loss, terms = gan_discriminator_loss(real, fake, smooth=smooth)
    expected = binary_cross_entropy_with_logits(real, torch.full((7,), smooth))
    expected = expected + binary_cross_entropy_with_logits(fake, torch.zeros(7))
    torch.testing.assert_close(loss, expected)
    assert terms["real"].shape == terms["fake"].shape == (7,)


def test_smoothing_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="smooth = 0"):
        gan_discriminator_loss(torch.zeros(2), torch.zeros(2), smooth=0.0)


def test_the_game_at_its_equilibrium():
    loss, _ = gan_discriminator_loss(torch.zeros(3), torch.zeros(3))
    assert loss.item() == pytest.approx(math.log(4))


def test_generator_losses_and_their_extremes():
    logits = torch.tensor([-40.0, 0.0, 3.0])
    d = logits.double().sigmoid()
    torch.testing.assert_close(gan_generator_loss(logits, saturating=True)[1]["generator"].double(), torch.log1p(-d))
    torch.testing.assert_close(gan_generator_loss(logits)[1]["generator"].double(), -d.log())


def test_critic_and_generator_pull_in_opposite_directions():
    real, fake = torch.randn(5), torch.randn(5, requires_grad=True)
    (down,) = torch.autograd.grad(wgan_critic_loss(real, fake)[0], fake)
    (up,) = torch.autograd.grad(wgan_generator_loss(fake)[0], fake)
    torch.testing.assert_close(down, -up)
    assert wgan_critic_loss(real, real)[0].item() == 0


def test_penalty_of_a_linear_critic_is_known_and_can_be_trained():
    slope = torch.tensor([3.0, 4.0], requires_grad=True)
    penalty = wgan_gradient_penalty(lambda x: x @ slope, torch.randn(6, 2), torch.randn(6, 2))
    torch.testing.assert_close(penalty, torch.full((6,), 16.0))
    penalty.mean().backward()
    torch.testing.assert_close(slope.grad, 2 * (5 - 1) * torch.tensor([3.0, 4.0]) / 5)


def test_the_penalty_looks_between_the_points():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.sum(-1)

    wgan_gradient_penalty(critic, torch.zeros(500, 1), torch.ones(500, 1))
    assert 0 <= float(seen[0].min()) < 0.05
    assert 0.95 < float(seen[0].max()) <= 1
