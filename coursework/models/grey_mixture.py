"""A mixture of normals fitted to the grey levels of one pixel: with noise it has a likelihood, without it has none."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, Normal

from coursework.objectives.bits import bits_per_dim


class MixtureFit(NamedTuple):
    """The course of a fit.

    Attributes:
        bits: mean of −log₂ p(x) over the examples at every step, x on 0 … 256.
        smallest_scale: of the mixture's components, at every step, in grey levels.
    """

    bits: Float[Tensor, " step"]
    smallest_scale: Float[Tensor, " step"]


def fit_mixture(
    levels: UInt8[Tensor, " example"],
    *,
    noise: bool,
    num_components: int,
    num_steps: int,
    rate: float,
    seed: int,
) -> MixtureFit:
    """Maximum likelihood by Adam for a mixture of normals, on the levels plus one half or plus uniform noise.

    Components stand in the middle of levels, at quantiles of the examples; their scales and weights are learned.
    Nothing keeps a component from closing in on a value that many examples share exactly: its density there grows as
    one over its scale. With noise, fresh at every step, no value is shared, and the mean of −log₂ p is bounded below by
    the entropy of the levels.

    Args:
        levels: grey levels, one pixel of many images.
        noise: whether uniform noise is added; else one half, the middle of the level.
        num_components: of the mixture.
        num_steps: of Adam.
        rate: its step size.
        seed: of the noise.

    Raises:
        ValueError: no example or no component.
    """
    if len(levels) < 1 or num_components < 1:
        raise ValueError(f"{len(levels)} levels, num_components = {num_components}: give at least one of each.")
    generator = torch.Generator().manual_seed(seed)
    values = levels.double()
    places = (torch.arange(num_components, dtype=torch.float64) + 0.5) / num_components
    loc = torch.quantile(values, places, interpolation="nearest") + 0.5
    log_scale = torch.full((num_components,), math.log(32), dtype=torch.float64, requires_grad=True)
    logits = torch.zeros(num_components, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([log_scale, logits], lr=rate)
    bits, scales = [], []
    for _ in range(num_steps):
        added = torch.rand(values.shape, generator=generator, dtype=torch.float64) if noise else 0.5
        law = MixtureSameFamily(Categorical(logits=logits), Normal(loc, log_scale.exp()))
        loss = bits_per_dim(law.log_prob(values + added), 1).mean()
        bits.append(loss.item())
        scales.append(log_scale.exp().min().item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return MixtureFit(torch.tensor(bits), torch.tensor(scales))


def level_entropy(levels: UInt8[Tensor, " example"]) -> float:
    """Entropy in bits of the levels' own frequencies: no code for these examples is shorter on average."""
    shares = torch.bincount(levels.long()).double() / len(levels)
    return -sum(share * math.log2(share) for share in shares.tolist() if share > 0)
