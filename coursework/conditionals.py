"""Conditionals: modules that map a context to a `torch.distributions.Distribution`."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Laplace

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


class Encoder(nn.Module):
    """q(z|x): one net gives every image its posterior, where a `LatentTable` keeps a row for each.

    The last layer starts near the family's standard parameters for whatever image, as a table does.

    Args:
        net: images (batch, *event) → features (batch, feature).
        num_features: width of the features.
        latent_dim: coordinates of a latent vector.
        family: the posterior's family.

    Reference: Kingma and Welling, arXiv:1312.6114, section 2.3.
    """

    def __init__(self, net: nn.Module, num_features: int, latent_dim: int, family: Family) -> None:
        super().__init__()
        self.net = net
        self.family = family
        self.head = nn.Linear(num_features, family.num_parameters * latent_dim)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.copy_(torch.tensor(family.standard).repeat_interleave(latent_dim))

    def forward(self, context: Float[Tensor, "batch *event"]) -> Distribution:
        """The posteriors of images."""
        return self.family(self.head(self.net(context)).unflatten(1, (self.family.num_parameters, -1)))


class BernoulliDecoder(nn.Module):
    """p(x|z) = Bernoulli(x; sigmoid(net(z))) on every pixel.

    Args:
        net: latents (batch, latent) → logits (batch, *event).
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, context: Float[Tensor, "batch latent"]) -> Distribution:
        """The law of images given latents."""
        logits = self.net(context)
        return Independent(Bernoulli(logits=logits, validate_args=False), logits.dim() - 1, validate_args=False)


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


class LaplaceDecoder(GaussianDecoder):
    """p(x|z) = Laplace(x; net(z), scale) on every pixel: absolute errors where the normal law counts squared ones.

    Args:
        net: latents (batch, latent) → means (batch, *event).
        scale: mean absolute deviation per pixel, in the data's unit.
    """

    def forward(self, context: Float[Tensor, "batch latent"]) -> Distribution:
        """The law of images given latents."""
        loc = self.net(context)
        return Independent(Laplace(loc, self.scale, validate_args=False), loc.dim() - 1, validate_args=False)
