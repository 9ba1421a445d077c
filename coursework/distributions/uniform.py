"""Uniform laws that lie inside their prior's by construction, so that the divergence is finite."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Uniform, constraints

from coursework.distributions.family import Family, coordinatewise


class ClosedUniform(Uniform):
    """U[low, high], both ends included.

    torch's law excludes `high`, and rounding now and then puts a draw there, whose log density would be −∞.
    """

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Float[Tensor, "*shape"]:
        """At uniform noise u, low + u·(high − low), never beyond either end."""
        return torch.minimum(super().rsample(torch.Size(sample_shape)), self.high)

    def log_prob(self, value: Float[Tensor, "*value"]) -> Float[Tensor, "*shape"]:
        """−log(high − low) from low to high, −∞ elsewhere."""
        inside = (self.low <= value) & (value <= self.high)
        return torch.where(inside, -(self.high - self.low).log(), -torch.inf)


def uniform_inside(place: Float[Tensor, "*batch latent"], width: Float[Tensor, "*batch latent"]) -> Distribution:
    """The uniform law of relative width `width` inside [−1, 1]^latent.

    Args:
        place: where it lies in the room that its width leaves: 0 at the lower end, 1 at the upper one.
        width: its width as a fraction of the prior's, 0…1.
    """
    low = 2 * (1 - width) * place - 1
    high = (low + 2 * width).clamp(max=1)  # rounding alone could exceed 1
    return Independent(ClosedUniform(low, high, validate_args=False), 1, validate_args=False)


uniform = Family(
    name="uniform",
    parameters={"place": constraints.unit_interval, "width": constraints.interval(1e-3, 1.0)},
    build=uniform_inside,
    build_prior=lambda zeros: coordinatewise(ClosedUniform)(zeros - 1, zeros + 1),
    start=(0.5, 0.1),
    nearest=lambda z: z.clamp(-1, 1),
)
