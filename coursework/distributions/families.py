"""Families: how raw, unconstrained numbers become a legal distribution, and which prior goes with it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, transform_to

from coursework.distributions.delta import Delta


@dataclass(frozen=True)
class Family:
    """A parametric law over latent vectors, one independent coordinate per latent dimension.

    Attributes:
        name: its key in `FAMILIES`.
        law: torch's class of the coordinate law.
        parameters: names of its parameters, in the order of the raw rows.
        standard: raw row values at which the law is about the prior, where a table of posteriors starts.
        standard_prior: `latent_dim` → the prior, as a law over vectors.

    >>> q = FAMILIES["normal"](torch.zeros(5, 2, 3))
    >>> q.batch_shape, q.event_shape
    (torch.Size([5]), torch.Size([3]))
    """

    name: str
    law: type[Distribution]
    parameters: tuple[str, ...]
    standard: tuple[float, ...]
    standard_prior: Callable[[int], Distribution]

    @property
    def num_parameters(self) -> int:
        """Raw numbers per latent dimension."""
        return len(self.parameters)

    def __call__(self, raw: Float[Tensor, "*batch parameter latent"]) -> Distribution:
        """The law of vectors with these raw parameters, each mapped onto its constraint by `transform_to`.

        Raises:
            ValueError: the second-last dimension is not the number of parameters.
        """
        if raw.shape[-2] != self.num_parameters:
            raise ValueError(
                f"family {self.name} takes {self.num_parameters} raw numbers per latent dimension "
                f"({', '.join(self.parameters)}), got {raw.shape[-2]}: shape the raw tensor (…, parameter, latent)."
            )
        constraint = self.law.arg_constraints
        values = {
            name: transform_to(constraint[name])(raw[..., i, :])  # type: ignore[index]
            for i, name in enumerate(self.parameters)
        }
        return Independent(self.law(**values, validate_args=False), 1, validate_args=False)

    def prior(self, latent_dim: int) -> Distribution:
        """The prior over vectors of `latent_dim` coordinates."""
        return self.standard_prior(latent_dim)


def standard_normal(latent_dim: int) -> Distribution:
    """N(0, I) over vectors of `latent_dim` coordinates."""
    zeros = torch.zeros(latent_dim)
    return Independent(Normal(zeros, torch.ones_like(zeros), validate_args=False), 1, validate_args=False)


FAMILIES = {
    family.name: family
    for family in (
        Family("delta", Delta, ("loc",), (0.0,), standard_normal),
        Family("normal", Normal, ("loc", "scale"), (0.0, 0.0), standard_normal),
    )
}
"""Every family by name. Adding one is a file for its law, if torch lacks it, and a line here."""
