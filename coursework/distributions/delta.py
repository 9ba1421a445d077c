"""A point mass: the posterior of an auto-decoder."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Normal, constraints, register_kl

from coursework.distributions.family import Family, coordinatewise, standard_location_scale


class Delta(Distribution):
    r"""All probability at `loc`; its "density" is that with respect to the counting measure on the point.

    As a posterior it makes an auto-decoder of a variational one: a draw is the parameter itself.
    """

    arg_constraints = {"loc": constraints.real}  # noqa: RUF012 (torch reads it as a plain dict)
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Float[Tensor, "*batch"], validate_args: bool | None = None) -> None:
        self.loc = loc
        super().__init__(loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Float[Tensor, "*batch"]:
        """The point."""
        return self.loc

    @property
    def variance(self) -> Float[Tensor, "*batch"]:
        """Zero."""
        return torch.zeros_like(self.loc)

    def expand(
        self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: Distribution | None = None
    ) -> "Delta":
        """The same point for a larger batch."""
        return Delta(self.loc.expand(torch.Size(batch_shape)), validate_args=False)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Float[Tensor, "*shape"]:
        """The point, `sample_shape` times."""
        return self.loc.expand(self._extended_shape(torch.Size(sample_shape)))

    def log_prob(self, value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """0 at the point, −∞ elsewhere."""
        return torch.where(value == self.loc, 0.0, -torch.inf)


@register_kl(Delta, Normal)
def _kl_delta_normal(q: Delta, p: Normal) -> Tensor:
    r"""−log p(loc): what the point costs under the prior.

    The divergence of a point mass from a density is infinite; up to that constant it is this penalty, which makes the
    ELBO of a point posterior the log joint, and its maximum the MAP estimate.
    """
    return -p.log_prob(q.loc)


delta = Family(
    name="delta",
    parameters={"loc": constraints.real},
    build=coordinatewise(Delta),
    build_prior=standard_location_scale(Normal),
    start=(0.0,),
)
