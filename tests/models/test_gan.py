"""Players of the game against their objectives; what is refused; and pictures that training does not touch."""

import pytest
import torch
from torch import nn

from coursework.errors import DataError
from coursework.models.gan import (
    Snapshots,
    averaged,
    critic_player,
    discriminator_player,
    generated,
    generator_player,
    normal_latents,
)
from coursework.nets.adversarial import ImageGenerator, ImageJudge
from coursework.training.loop import fit


@pytest.fixture
def game():
    torch.manual_seed(0)
    return ImageGenerator(3, (5, 6), 4, batch_norm=False), ImageJudge(4, (7,)), 2 * torch.rand(9, 4) - 1


def weights(net):
    return [parameter.detach().clone() for parameter in net.parameters()]


def test_the_discriminators_loss_is_that_of_labelled_images(game):
    generator, judge, x = game
    player = discriminator_player(judge, generator, x, normal_latents(3), rate=1e-3, smooth=0.9)
    torch.manual_seed(4)
    loss, _ = player.loss(torch.tensor([2, 5]))
    torch.manual_seed(4)
    logits = torch.cat([judge(x[[2, 5]]), judge(generator(torch.randn(2, 3)))])
    labels = torch.tensor([0.9, 0.9, 0.0, 0.0])
    torch.testing.assert_close(loss, 2 * nn.functional.binary_cross_entropy_with_logits(logits, labels))
    loss.backward()
    assert all(parameter.grad is None for parameter in generator.parameters())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("saturating", lambda logit: torch.log(1 - logit.sigmoid())),
        ("non-saturating", lambda logit: -torch.log(logit.sigmoid())),
        ("wasserstein", lambda score: -score),
    ],
)
def test_the_generators_loss(game, kind, expected):
    generator, judge, _ = game
    player = generator_player(generator, judge, normal_latents(3), game=kind, rate=1e-3)
    torch.manual_seed(4)
    loss, _ = player.loss(torch.arange(6))
    torch.manual_seed(4)
    torch.testing.assert_close(loss, expected(judge(generator(torch.randn(6, 3)))).mean())


def test_a_player_moves_its_own_weights_alone(game):
    generator, judge, x = game
    latents = normal_latents(3)
    players = {
        "judge": discriminator_player(judge, generator, x, latents, rate=1e-2),
        "generator": generator_player(generator, judge, latents, game="non-saturating", rate=1e-2, every=3),
    }
    before = weights(generator), weights(judge)
    fit({"judge": players["judge"]}, lambda step: torch.arange(9), 2)
    assert all(torch.equal(a, b) for a, b in zip(before[0], weights(generator), strict=True))
    between = weights(judge)
    assert not any(torch.equal(a, b) for a, b in zip(before[1], between, strict=True))
    fit({"generator": players["generator"]}, lambda step: torch.arange(9), 3)
    assert all(torch.equal(a, b) for a, b in zip(between, weights(judge), strict=True))
    assert not torch.equal(before[0][0], weights(generator)[0])


@pytest.mark.parametrize("decay", [0.0, 0.15, 0.999])
def test_the_average_follows_the_weights_and_the_statistics(decay):
    torch.manual_seed(0)
    generator = ImageGenerator(3, (4, 5), 6)
    average, expected = averaged(generator, decay), None
    for count in range(4):
        with torch.no_grad():
            generator[-2].weight.normal_()
        generator(torch.randn(8, 3))
        average.update_parameters(generator)
        now = {name: value for name, value in generator.state_dict().items() if value.is_floating_point()}
        kept = 0 if expected is None else min(decay, (1 + count) / (10 + count))
        before = expected or now
        expected = {name: kept * before[name] + (1 - kept) * value.clone() for name, value in now.items()}
    found = average.module.state_dict()
    assert expected is not None
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    if decay == 0:
        assert torch.equal(found["0.weight"], generator[0].weight)


def test_a_clipped_critic_stays_in_its_box(game):
    generator, judge, x = game
    player = critic_player(judge, generator, x, normal_latents(3), rate=0.1, clip=0.03)
    fit({"critic": player}, lambda step: torch.arange(9), 5)
    largest = max(parameter.detach().abs().max().item() for parameter in judge.parameters())
    assert largest == pytest.approx(0.03)


def test_a_penalised_critic_has_slope_one_and_finds_the_distance():
    """Two points at distance 1.2: the gap of a critic of slope g less λ(g − 1)² is largest at g = 1 + d/2λ."""
    torch.manual_seed(0)
    x = torch.full((64, 2), -0.6)
    generator = nn.Linear(1, 2)
    nn.init.zeros_(generator.weight)
    generator.bias.data = torch.tensor([0.6, -0.6])
    critic = ImageJudge(2, (32,))
    player = critic_player(critic, generator, x, normal_latents(1), rate=1e-2, penalty=10.0)
    fit({"critic": player}, lambda step: torch.arange(64), 250)
    gap = (critic(x[:1]) - critic(torch.tensor([[0.6, -0.6]]))).item()
    assert gap == pytest.approx(1.2 * (1 + 1.2 / 20), rel=0.03)


@pytest.mark.parametrize("bounds", [{}, {"clip": 0.1, "penalty": 1.0}, {"clip": 0.0}, {"penalty": -1.0}])
def test_a_critic_needs_one_constraint(game, bounds):
    generator, judge, x = game
    with pytest.raises(ValueError, match="clip = "):
        critic_player(judge, generator, x, normal_latents(3), rate=1e-3, **bounds)


def test_images_outside_the_generators_range_are_refused(game):
    generator, judge, x = game
    with pytest.raises(DataError, match=r"pixels from 0 to 255, expected −1 to 1"):
        discriminator_player(judge, generator, torch.tensor([[0.0, 255.0]]), normal_latents(3), rate=1e-3)
    with pytest.raises(DataError, match="nan"):
        critic_player(judge, generator, x * torch.nan, normal_latents(3), rate=1e-3, clip=0.1)


def test_other_bad_settings_are_refused_at_once(game):
    generator, judge, x = game
    with pytest.raises(ValueError, match=r"smooth = 1\.2"):
        discriminator_player(judge, generator, x, normal_latents(3), rate=1e-3, smooth=1.2)
    with pytest.raises(ValueError, match="game = 'hinge'"):
        generator_player(generator, judge, normal_latents(3), game="hinge", rate=1e-3)


def test_snapshots_are_of_fixed_latents_and_leave_no_trace():
    torch.manual_seed(0)
    generator = ImageGenerator(3, (5, 6), 4)
    generator(torch.randn(20, 3))
    before, state = {k: v.clone() for k, v in generator.state_dict().items()}, torch.get_rng_state()
    snapshots = Snapshots((0, 7), torch.randn(2, 3), 4)
    torch.set_rng_state(state)
    snapshots.take(generator, 3)
    assert not snapshots.images.any()
    snapshots.take(generator, 7)
    assert torch.equal(torch.get_rng_state(), state)
    assert generator.training
    assert all(torch.equal(before[name], tensor) for name, tensor in generator.state_dict().items())
    assert torch.equal(snapshots.images[1], generated(generator, snapshots.latents))
    assert not snapshots.images[0].any()
    copy = Snapshots((0, 7), torch.zeros(2, 3), 4)
    copy.load_state_dict(snapshots.state_dict())
    assert torch.equal(copy.images, snapshots.images)


def test_generated_images_cover_the_grey_scale():
    class Fixed(nn.Module):
        def forward(self, z):
            return torch.tensor([[-1.0, 0.0, 0.5, 1.0]]).expand(len(z), -1)

    assert generated(Fixed(), torch.zeros(2, 1)).tolist() == [[0, 128, 191, 255]] * 2
