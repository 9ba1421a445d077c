"""Conditionals: modules that map a context to a `torch.distributions.Distribution`."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from coursework.distributions.families import Family
from coursework.distributions.fixed_scale import FixedScaleNormal


@runtime_checkable
class Conditional(Protocol):
    """Anything callable from a context tensor to a distribution."""

    def __call__(self, context: Tensor) -> Distribution:
        """The law given the context."""
        ...


class LatentTable(nn.Module):
    """One free posterior per example: row i holds the raw parameters of q(z|x_i).

    Args:
        num_rows: examples.
        latent_dim: coordinates of a latent vector.
        family: the posterior's family.
        init_scale: spread of the random start around the family's standard parameters.
        generator: source of the random start.

    Shapes: `raw` (row, parameter, latent); `table(index)` has batch shape (batch,), event shape (latent,).
    """

    def __init__(
        self,
        num_rows: int,
        latent_dim: int,
        family: Family,
        *,
        init_scale: float = 0.01,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.family = family
        standard = torch.tensor(family.standard)[:, None]
        noise = torch.randn(num_rows, family.num_parameters, latent_dim, generator=generator)
        self.raw = nn.Parameter(standard + init_scale * noise)

    def forward(self, index: Int[Tensor, " batch"]) -> Distribution:
        """The posteriors of the examples `index`."""
        return self.family(self.raw[index])

    def locations(self) -> Float[Tensor, "row latent"]:
        """The one vector that stands for each posterior where nothing is drawn."""
        return self.family.location(self.family(self.raw.detach()))


class GaussianDecoder(nn.Module):
    """p(x|z) = N(x; net(z), scale²) on every pixel, with a fixed, named scale.

    Args:
        net: latents (batch, latent) → means (batch, *event).
        scale: standard deviation per pixel, in the data's unit.
    """

    def __init__(self, net: nn.Module, scale: float) -> None:
        super().__init__()
        self.net = net
        self.scale = scale

    def forward(self, context: Float[Tensor, "batch latent"]) -> Distribution:
        """The law of images given latents."""
        loc = self.net(context)
        return Independent(FixedScaleNormal(loc, self.scale), loc.dim() - 1, validate_args=False)
