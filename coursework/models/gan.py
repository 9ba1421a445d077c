"""Players of adversarial games on images: a discriminator or a critic, a generator, and pictures of its progress."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from coursework.data.signed import check_signed, unsigned
from coursework.objectives import Terms
from coursework.objectives.adversarial import (
    gan_discriminator_loss,
    gan_generator_loss,
    wgan_critic_loss,
    wgan_generator_loss,
    wgan_gradient_penalty,
)
from coursework.training.loop import Player

Source = Callable[[int], Float[Tensor, "example latent"]]
"""Number of examples → latents drawn from the prior."""


def normal_latents(latent_dim: int, device: torch.device | None = None) -> Source:
    """Draws from N(0, I), by torch's random state."""
    return lambda count: torch.randn(count, latent_dim, device=device)


def discriminator_player(
    discriminator: nn.Module,
    generator: nn.Module,
    x: Float[Tensor, "image pixel"],
    latents: Source,
    *,
    rate: float,
    smooth: float = 1.0,
    betas: tuple[float, float] = (0.5, 0.999),
    schedules: Sequence[Callable[[int], float]] = (),
    before_step: Callable[[int], None] | None = None,
) -> Player:
    """Ascends the value of the game, E log D(x) + E log(1 − D(G(z))), on batches of row numbers.

    Args:
        discriminator: pixels → logits.
        generator: latents → pixels on −1…1; not moved.
        x: data on −1…1.
        latents: source of z.
        rate: of Adam.
        smooth: target for data, less than 1 for one-sided label smoothing.
        betas: of Adam.
        schedules: of the rate.
        before_step: as in `Player`.

    Raises:
        DataError: data outside −1…1.
        ValueError: `smooth` outside (0, 1].
    """
    check_signed(x)
    gan_discriminator_loss(x.new_zeros(1), x.new_zeros(1), smooth=smooth)  # refuses a bad target at once

    def loss(index: Int[Tensor, " batch"]) -> tuple[Tensor, Terms]:
        fake = _fakes(generator, latents, len(index))
        value, terms = gan_discriminator_loss(discriminator(x[index]), discriminator(fake), smooth=smooth)
        return value, terms

    return Player(loss, [_adam(discriminator, rate, betas)], schedules=schedules, before_step=before_step)


def critic_player(
    critic: nn.Module,
    generator: nn.Module,
    x: Float[Tensor, "image pixel"],
    latents: Source,
    *,
    rate: float,
    clip: float | None = None,
    penalty: float | None = None,
    betas: tuple[float, float] = (0.5, 0.9),
    schedules: Sequence[Callable[[int], float]] = (),
    before_step: Callable[[int], None] | None = None,
) -> Player:
    """Ascends the gap E f(x) − E f(G(z)), kept Lipschitz by clipped weights or by a penalty on the gradient.

    Args:
        critic: pixels → scores, each of its own image alone.
        generator: latents → pixels on −1…1; not moved.
        x: data on −1…1.
        latents: source of z.
        rate: of Adam.
        clip: largest weight or bias, enforced after each update.
        penalty: weight of (‖∇f‖ − 1)².
        betas: of Adam.
        schedules: of the rate.
        before_step: as in `Player`.

    Raises:
        DataError: data outside −1…1.
        ValueError: both constraints or none, or one that is not positive.
    """
    check_signed(x)
    if (clip is None) == (penalty is None):
        raise ValueError(f"clip = {clip}, penalty = {penalty}: give one of them, or the gap has no largest value.")
    if min(value for value in (clip, penalty) if value is not None) <= 0:
        raise ValueError(f"clip = {clip}, penalty = {penalty}: it must be positive.")

    def loss(index: Int[Tensor, " batch"]) -> tuple[Tensor, Terms]:
        real, fake = x[index], _fakes(generator, latents, len(index))
        value, terms = wgan_critic_loss(critic(real), critic(fake))
        if penalty is not None:
            terms = {**terms, "penalty": wgan_gradient_penalty(critic, real, fake)}
            value = value + penalty * terms["penalty"].mean()
        return value, terms

    @torch.no_grad()
    def project() -> None:
        assert clip is not None
        for parameter in critic.parameters():
            parameter.clamp_(-clip, clip)

    return Player(
        loss,
        [_adam(critic, rate, betas)],
        schedules=schedules,
        before_step=before_step,
        after_step=None if clip is None else project,
    )


def generator_player(
    generator: nn.Module,
    judge: nn.Module,
    latents: Source,
    *,
    game: str,
    rate: float,
    every: int = 1,
    betas: tuple[float, float] = (0.5, 0.999),
    schedules: Sequence[Callable[[int], float]] = (),
    after_step: Callable[[], None] | None = None,
) -> Player:
    """Descends what the game gives the generator, on as many fresh latents as the batch has rows.

    Args:
        generator: latents → pixels.
        judge: pixels → logits or scores; not moved.
        latents: source of z.
        game: `saturating`, log(1 − D); `non-saturating`, −log D; `wasserstein`, −f.
        rate: of Adam.
        every: takes part in every so-manieth step.
        betas: of Adam.
        schedules: of the rate.
        after_step: as in `Player`.

    Raises:
        ValueError: an unknown game.
    """
    objectives: dict[str, Callable[[Tensor], tuple[Tensor, Terms]]] = {
        "saturating": lambda logits: gan_generator_loss(logits, saturating=True),
        "non-saturating": gan_generator_loss,
        "wasserstein": wgan_generator_loss,
    }
    if game not in objectives:
        raise ValueError(f"game = {game!r}: one of {', '.join(objectives)}.")

    def loss(index: Int[Tensor, " batch"]) -> tuple[Tensor, Terms]:
        return objectives[game](judge(generator(latents(len(index)))))

    return Player(loss, [_adam(generator, rate, betas)], every=every, schedules=schedules, after_step=after_step)


def averaged(generator: nn.Module, decay: float) -> AveragedModel:
    """A copy that follows a generator at `update_parameters`: w̄ ← w̄ + (1 − d)(w − w̄), for weights and statistics.

    d = min(decay, (1 + t) / (10 + t)) at the t-th update, so that the start is soon forgotten. What a game goes around,
    its average comes to (Yazıcı et al., arXiv:1806.04498).

    >>> net = nn.Linear(1, 1, bias=False)
    >>> average = averaged(net, 0.5)
    >>> average.update_parameters(net)
    >>> bool(average.module.weight == net.weight)
    True
    """

    def follow(average: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
        return average + (1 - min(decay, (1 + float(count)) / (10 + float(count)))) * (now - average)

    return AveragedModel(generator, avg_fn=follow, use_buffers=True)


class Snapshots(nn.Module):
    """What a generator made of the same latents at chosen steps; buffers, so that checkpoints carry them.

    Args:
        moments: steps, in order.
        latents: fixed.
        num_pixels: of an image.
    """

    latents: Tensor
    images: Tensor

    def __init__(self, moments: Sequence[int], latents: Float[Tensor, "image latent"], num_pixels: int) -> None:
        super().__init__()
        self.moments = list(moments)
        self.register_buffer("latents", latents)
        self.register_buffer("images", torch.zeros(len(moments), len(latents), num_pixels, dtype=torch.uint8))

    def take(self, generator: nn.Module, step: int) -> None:
        """Keep the images of this step, if it is one of the moments."""
        if step in self.moments:
            self.images[self.moments.index(step)] = generated(generator, self.latents)


@torch.no_grad()
def generated(
    generator: nn.Module, z: Float[Tensor, "image latent"], batch_size: int = 1000
) -> UInt8[Tensor, "image pixel"]:
    """Images of given latents, by a generator in evaluation mode, which is left as it was."""
    training = generator.training
    generator.eval()
    images = torch.cat([unsigned(generator(part)) for part in z.split(batch_size)])
    generator.train(training)
    return images


def _fakes(generator: nn.Module, latents: Source, count: int) -> Tensor:
    with torch.no_grad():
        return generator(latents(count))


def _adam(module: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), lr=rate, betas=betas, fused=True)
