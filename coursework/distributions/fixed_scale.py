"""A normal law whose scale is one known number: a likelihood for pixels."""

import math

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal


class FixedScaleNormal(Normal):
    """N(loc, scale²) with the same, fixed scale everywhere.

    torch's Normal takes the logarithm and the square of a scale per element, which for images costs more than the
    error itself; here both are numbers. Everything else is torch's.

    Args:
        loc: means.
        scale: standard deviation, > 0.
    """

    def __init__(self, loc: Float[Tensor, "*shape"], scale: float) -> None:
        super().__init__(loc, scale, validate_args=False)
        self.fixed_scale = scale

    def log_prob(self, value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """−(value − loc)²/(2·scale²) − log(scale) − ½·log(2π)."""
        constant = math.log(self.fixed_scale) + 0.5 * math.log(2 * math.pi)
        return (value - self.loc).square().mul(-0.5 / self.fixed_scale**2).sub(constant)
