"""A diffusion model run backwards: a checked schedule, a net that guesses the noise, samplers of many or few steps.

Levels count from 1 to T; level t has the share ᾱ_t of the signal's variance left, and level 0 is the image itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from coursework.models.diffusion import alpha_bars, posterior_mean, posterior_variance


@runtime_checkable
class NoiseGuess(Protocol):
    """Anything that guesses the noise in x_t, given the level."""

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        """ε_θ(x_t, t), of the shape of x_t."""
        ...


@dataclass(frozen=True, eq=False)
class Schedule:
    """The variances β_1 … β_T of a noising chain, checked, with what follows from them, in double precision.

    Raises:
        ValueError: not a list of variances in (0, 1), or one that falls.
    """

    betas: Float[Tensor, " step"]

    def __post_init__(self) -> None:
        betas = self.betas
        if betas.dim() != 1 or len(betas) < 1 or not bool(((betas > 0) & (betas < 1)).all()):
            raise ValueError(f"betas = {betas.tolist()[:5]} …: give variances between 0 and 1.")
        falls = (betas[1:] < betas[:-1]).nonzero()
        if len(falls):
            at = int(falls[0]) + 1
            raise ValueError(
                f"betas fall from {float(betas[at - 1]):g} at step {at} to {float(betas[at]):g}: a schedule increases, "
                "since its first steps decide the finest detail. Sort it, or swap first and last."
            )

    def __len__(self) -> int:
        """T."""
        return len(self.betas)

    @property
    def kept(self) -> Float[Tensor, " level"]:
        """ᾱ_0 … ᾱ_T, with ᾱ_0 = 1."""
        return torch.cat([torch.ones(1, dtype=torch.float64), alpha_bars(self.betas.double())])


class Levels(NamedTuple):
    """What the formulas need at chosen levels, shaped to broadcast over images."""

    alpha: Tensor
    kept: Tensor
    kept_before: Tensor


def at_levels(schedule: Schedule, t: Int[Tensor, " batch"], like: Tensor) -> Levels:
    """α_t, ᾱ_t and ᾱ_{t−1} of every example's level, of the type of `like`."""
    kept = schedule.kept
    shape = (len(t), *[1] * (like.dim() - 1))
    now, before = kept[t.cpu()], kept[t.cpu() - 1]
    return Levels(*(values.to(like).view(shape) for values in (now / before, now, before)))


class EpsNet(nn.Module):
    r"""ε_θ(x_t, t) around a net F: :math:`\sqrt{1 - \bar\alpha_t}\, x_t + \sqrt{\bar\alpha_t}\, F(x_t, t/T)`.

    F thus stands for √ᾱ_t ε − √(1 − ᾱ_t) x_0, whose size does not depend on the level, and F = 0 is the best linear
    guess for images of unit variance.

    Args:
        net: images and levels in 0…1 → images.
        schedule: of the chain.

    Reference: Salimans and Ho, arXiv:2202.00512, section 4 and appendix D.
    """

    def __init__(self, net: nn.Module, schedule: Schedule) -> None:
        super().__init__()
        self.net = net
        self.schedule = schedule

    def forward(self, x_t: Float[Tensor, "batch *event"], t: Int[Tensor, " batch"]) -> Float[Tensor, "batch *event"]:
        """The guess of the noise."""
        kept = at_levels(self.schedule, t, x_t).kept
        level = (t / len(self.schedule)).to(x_t.dtype)
        return (1 - kept).sqrt() * x_t + kept.sqrt() * self.net(x_t, level)


def guessed_image(x_t: Tensor, eps: Tensor, kept: Tensor) -> Tensor:
    """(x_t − √(1 − ᾱ_t) ε)/√ᾱ_t cut to −1…1: the image, if the noise were `eps`."""
    return ((x_t - (1 - kept).sqrt() * eps) / kept.sqrt()).clamp(-1, 1)


def evenly_spaced(num_steps: int, length: int) -> list[int]:
    """`num_steps` levels from T = `length` down to 1 or just above, as even as whole numbers can be.

    Raises:
        ValueError: more steps than levels, or none.

    >>> evenly_spaced(4, 100)
    [100, 75, 50, 25]
    """
    if not 1 <= num_steps <= length:
        raise ValueError(f"num_steps = {num_steps}: give 1 to {length}, the number of levels.")
    return [round(length * (num_steps - step) / num_steps) for step in range(num_steps)]


@torch.no_grad()
def sample(
    guess: NoiseGuess,
    schedule: Schedule,
    x: Float[Tensor, "batch *event"],
    *,
    levels: Sequence[int] | None = None,
    eta: float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch *event"]:
    r"""Images from noise: from level to level down a list, and from the last one to the image.

    From level t to s < t, with the guessed noise ε and the image x̂_0 that it implies,

    .. math:: x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\, \varepsilon + \sigma z, \qquad
        \sigma^2 = \eta^2\, \frac{1 - \bar\alpha_s}{1 - \bar\alpha_t} \Bigl(1 - \frac{\bar\alpha_t}{\bar\alpha_s}\Bigr).

    With η = 1 and all levels each step draws from the noising chain's posterior given x̂_0; with η = 0 nothing is drawn
    and few levels do.

    Args:
        guess: of the noise.
        schedule: it was trained with.
        x: standard normal noise, one example a row; left as it is.
        levels: falling, from T at most to 1 at least; all of them by default.
        eta: 1 for as much noise as the chain's posterior has, 0 for none.
        generator: source of the noise in the steps; torch's random state by default.

    Raises:
        ValueError: levels that do not fall or are out of range, or η outside 0…1.

    Reference: Song et al., arXiv:2010.02502, equations 12 and 16.
    """
    levels = list(range(len(schedule), 0, -1)) if levels is None else list(levels)
    follow = [*levels[1:], 0]
    if not levels or levels[0] > len(schedule) or any(t <= s for t, s in zip(levels, follow, strict=True)):
        raise ValueError(f"levels = {levels[:5]} …: they must fall, from {len(schedule)} at most to 1 at least.")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta = {eta}: give 0, for no noise, to 1.")
    kept = schedule.kept.to(x)
    for t, s in zip(levels, follow, strict=True):
        image = guessed_image(x, guess(x, torch.full((len(x),), t, device=x.device)), kept[t])
        eps = (x - kept[t].sqrt() * image) / (1 - kept[t]).sqrt()
        variance = eta**2 * (1 - kept[s]) / (1 - kept[t]) * (1 - kept[t] / kept[s])
        x = kept[s].sqrt() * image + (1 - kept[s] - variance).clamp(min=0).sqrt() * eps
        if eta and s:
            x = x + variance.sqrt() * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return x


def reverse_law(
    guess: NoiseGuess, schedule: Schedule, x_t: Float[Tensor, "batch *event"], t: Int[Tensor, " batch"]
) -> tuple[Float[Tensor, "batch *event"], Float[Tensor, "batch *event"]]:
    """Mean and variance of p_θ(x_{t−1}|x_t): those of the chain's posterior at the guessed image.

    At t = 1 the posterior has no spread; there the variance is β_1, as wide as one step of the chain.
    """
    alpha, kept, kept_before = at_levels(schedule, t, x_t)
    image = guessed_image(x_t, guess(x_t, t), kept)
    variance = torch.where(kept_before < 1, posterior_variance(alpha, kept_before), 1 - alpha)
    return posterior_mean(image, x_t, alpha, kept_before), variance.expand_as(x_t)
