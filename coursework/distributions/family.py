"""What a family is: raw, unconstrained numbers mapped to a legal distribution, and the prior that goes with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, constraints, transform_to

from coursework.errors import ConfigError

SCALE = constraints.interval(1e-3, 10.0)
"""Scales of a posterior, its prior's being 1: their squares and the divergences stay finite in single precision."""


def _mean(law: Distribution) -> Tensor:
    return law.mean


def _itself(z: Tensor) -> Tensor:
    return z


@dataclass(frozen=True)
class Family:
    """A parametric law over latent vectors.

    Attributes:
        name: its key in `FAMILIES`.
        parameters: name → constraint of each parameter, in the order of the raw rows.
        build: parameters, each of shape (…, latent) and within its constraint → the law over vectors.
        build_prior: a vector of zeros, which brings size, type and device → the prior over such vectors. Its `mean` and
            `stddev` are finite, so that whatever reads latents can bring every family to one size.
        start: parameters of a narrow law, about a tenth as wide as the prior, in its middle.
        location: law → the one vector that stands for it where nothing is drawn.
        nearest: any vector → the closest one where the prior lives. A straight line between two latents leaves a
            sphere; this brings it back.
        smallest: least number of latent dimensions.

    >>> from coursework.distributions.families import FAMILIES
    >>> q = FAMILIES["normal"](torch.zeros(5, 2, 3))
    >>> q.batch_shape, q.event_shape
    (torch.Size([5]), torch.Size([3]))
    """

    name: str
    parameters: Mapping[str, constraints.Constraint]
    build: Callable[..., Distribution]
    build_prior: Callable[[Tensor], Distribution]
    start: tuple[float, ...]
    location: Callable[[Distribution], Tensor] = _mean
    nearest: Callable[[Tensor], Tensor] = _itself
    smallest: int = 1

    @property
    def num_parameters(self) -> int:
        """Raw numbers per latent dimension."""
        return len(self.parameters)

    @property
    def standard(self) -> tuple[float, ...]:
        """Raw row values of `start`, where a table of posteriors starts."""
        return self.raw(*self.start)

    def raw(self, *values: float) -> tuple[float, ...]:
        """Raw row values at which the parameters take these values: the inverse of the map onto the constraints.

        Raises:
            ConfigError: a value violates its constraint.
        """
        rows = []
        for (name, constraint), value in zip(self.parameters.items(), values, strict=True):
            number = torch.tensor(value, dtype=torch.float64)
            if constraint.event_dim == 0 and not constraint.check(number):
                raise ConfigError(f"family {self.name}: {name} = {value} is outside {constraint}.")
            rows.append(transform_to(constraint).inv(number).item())
        return tuple(rows)

    def __call__(self, raw: Float[Tensor, "*batch parameter latent"]) -> Distribution:
        """The law of vectors with these raw parameters, each mapped onto its constraint by `transform_to`.

        Raises:
            ValueError: the second-last dimension is not the number of parameters.
            ConfigError: fewer latent dimensions than the family needs.
        """
        if raw.shape[-2] != self.num_parameters:
            raise ValueError(
                f"family {self.name} takes {self.num_parameters} raw numbers per latent dimension "
                f"({', '.join(self.parameters)}), got {raw.shape[-2]}: shape the raw tensor (…, parameter, latent)."
            )
        self._check(raw.shape[-1])
        return self.build(
            **{
                name: transform_to(constraint)(raw[..., i, :])
                for i, (name, constraint) in enumerate(self.parameters.items())
            }
        )

    def prior(
        self, latent_dim: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Distribution:
        """The prior over vectors of `latent_dim` coordinates.

        Raises:
            ConfigError: fewer latent dimensions than the family needs.
        """
        self._check(latent_dim)
        return self.build_prior(torch.zeros(latent_dim, device=device, dtype=dtype))

    def _check(self, latent_dim: int) -> None:
        if latent_dim < self.smallest:
            raise ConfigError(
                f"latent_dim = {latent_dim}: family {self.name} needs {self.smallest} or more. Raise it, or choose "
                "another family."
            )


def coordinatewise(law: Callable[..., Distribution]) -> Callable[..., Distribution]:
    """The law of a vector whose coordinates are independent, each with a law of this type."""

    def build(*args: Tensor, **parameters: Tensor) -> Distribution:
        return Independent(law(*args, **parameters, validate_args=False), 1, validate_args=False)

    return build


def standard_location_scale(law: Callable[..., Distribution]) -> Callable[[Tensor], Distribution]:
    """The prior with location 0 and scale 1 in every coordinate."""
    return lambda zeros: coordinatewise(law)(zeros, torch.ones_like(zeros))


def location_scale(name: str, law: Callable[..., Distribution]) -> Family:
    """A family of independent coordinates `loc + scale · noise`; its prior has location 0 and scale 1."""
    return Family(
        name=name,
        parameters={"loc": constraints.real, "scale": SCALE},
        build=coordinatewise(law),
        build_prior=standard_location_scale(law),
        start=(0.0, 0.1),
    )
