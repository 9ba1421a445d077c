"""The von Mises–Fisher law on the unit sphere, and the uniform law there, its prior."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Distribution, Transform, constraints, register_kl, transform_to

from coursework.distributions.angle import log_normaliser, mean_cosine_minus_one, quantile
from coursework.distributions.family import Family


class _UnitVector(constraints.Constraint):
    """Vectors of length 1, up to rounding."""

    event_dim = 1

    def check(self, value: Tensor) -> Bool[Tensor, "*batch"]:
        return (torch.linalg.vector_norm(value, dim=-1) - 1).abs() < 1e-5


unit_vector = _UnitVector()


def onto_sphere(z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch latent"]:
    """The nearest point of the unit sphere; for the zero vector, from which all are equally far, the first axis."""
    length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    axis = torch.zeros_like(z)
    axis[..., 0] = 1
    nought = length < torch.finfo(z.dtype).tiny ** 0.5
    return torch.where(nought, axis, z) / torch.where(nought, 1.0, length)


class _OntoSphere(Transform):
    """Any vector → its direction. The inverse picks the direction itself."""

    domain = constraints.real_vector
    codomain = unit_vector

    def _call(self, x: Tensor) -> Tensor:
        return onto_sphere(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return y


@transform_to.register(_UnitVector)
def _transform_to_unit_vector(constraint: _UnitVector) -> _OntoSphere:
    return _OntoSphere()


def log_area(dim: int) -> float:
    """Logarithm of the area of the unit sphere in `dim` dimensions, 2·π^(d/2)/Γ(d/2)."""
    return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)


class SphereUniform(Distribution):
    """The uniform law on the unit sphere in d dimensions.

    Args:
        like: a vector of the space; brings size, type and device.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch reads it as a plain dict)
    support = unit_vector

    def __init__(self, like: Float[Tensor, " latent"], validate_args: bool | None = None) -> None:
        self.origin = torch.zeros_like(like)
        super().__init__(event_shape=like.shape, validate_args=validate_args)

    @property
    def mean(self) -> Float[Tensor, " latent"]:
        """The origin, which is not on the sphere."""
        return self.origin

    @property
    def variance(self) -> Float[Tensor, " latent"]:
        """1/d in every coordinate."""
        return torch.full_like(self.origin, 1 / len(self.origin))

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Float[Tensor, "*shape latent"]:
        """Directions of standard normal vectors."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return onto_sphere(torch.randn(shape, dtype=self.origin.dtype, device=self.origin.device))

    def log_prob(self, value: Float[Tensor, "*shape latent"]) -> Float[Tensor, "*shape"]:
        """Minus the logarithm of the sphere's area, as a density with respect to area."""
        return torch.full_like(value[..., 0], -log_area(len(self.origin)))


class VonMisesFisher(Distribution):
    r"""Density ∝ e^{κ loc·z} with respect to area on the unit sphere in d dimensions, d ≥ 2.

    A draw is cos θ · loc + sin θ · v: the angle θ by its quantile function, v uniform among the directions orthogonal
    to loc. Davidson et al. draw cos θ by rejection, whose gradient through the accepted draw alone is biased; the
    quantile function has no rejection to correct for.

    Args:
        loc: directions, of length 1.
        concentration: κ > 0.

    Reference: Davidson et al., arXiv:1804.00891; implicit gradient of the angle: arXiv:1805.08498.
    """

    arg_constraints = {"loc": unit_vector, "concentration": constraints.positive}  # noqa: RUF012 (torch reads a dict)
    support = unit_vector
    has_rsample = True

    def __init__(
        self,
        loc: Float[Tensor, "*batch latent"],
        concentration: Float[Tensor, "*batch"],
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.concentration = loc, concentration
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=validate_args)

    @property
    def dim(self) -> int:
        """Of the space around the sphere."""
        return self.loc.shape[-1]

    @property
    def mean(self) -> Float[Tensor, "*batch latent"]:
        """E[cos θ]·loc, a point inside the sphere."""
        return self._mean_cosine().to(self.loc.dtype).unsqueeze(-1) * self.loc

    @property
    def mode(self) -> Float[Tensor, "*batch latent"]:
        """The direction."""
        return self.loc

    @property
    def variance(self) -> Float[Tensor, "*batch latent"]:
        """Of each coordinate: A/κ + (1 − dA/κ − A²)·loc², A = E[cos θ]."""
        mean = self._mean_cosine()
        across = mean / self.concentration.double()
        along = (1 - self.dim * across - mean.square()).unsqueeze(-1)
        return (across.unsqueeze(-1) + along * self.loc.double().square()).to(self.loc.dtype)

    def expand(
        self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: Distribution | None = None
    ) -> "VonMisesFisher":
        """The same law for a larger batch."""
        size = torch.Size(batch_shape)
        return VonMisesFisher(self.loc.expand(*size, self.dim), self.concentration.expand(size), validate_args=False)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Float[Tensor, "*shape latent"]:
        """The direction turned by a random angle: cos θ · loc + sin θ · v."""
        shape = self._extended_shape(torch.Size(sample_shape))
        u = torch.rand(shape[:-1], dtype=torch.float64, device=self.loc.device)
        angle = quantile(u, self.concentration.double().expand(shape[:-1]), self.dim).unsqueeze(-1)
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        across = onto_sphere(noise - (noise * self.loc).sum(-1, keepdim=True) * self.loc)
        return angle.cos().to(self.loc.dtype) * self.loc + angle.sin().to(self.loc.dtype) * across

    def log_prob(self, value: Float[Tensor, "*value latent"]) -> Float[Tensor, "*shape"]:
        """κ(loc·z − 1) − (log Z(κ) − κ) − log of the area of the sphere one dimension below."""
        k = self.concentration.double()
        cosine_minus_one = -(value - self.loc).double().square().sum(-1) / 2
        return (k * cosine_minus_one - log_normaliser(k, self.dim) - log_area(self.dim - 1)).to(value.dtype)

    def _mean_cosine(self) -> Float[Tensor, "*batch"]:
        return 1 + mean_cosine_minus_one(self.concentration.double(), self.dim)


@register_kl(VonMisesFisher, SphereUniform)
def _kl_von_mises_fisher_uniform(q: VonMisesFisher, p: SphereUniform) -> Tensor:
    r"""κ·E[cos θ] − log Z(κ) + log Z(0): derivation `kl-von-mises-fisher`."""
    k = q.concentration.double()
    log_z0 = log_area(q.dim) - log_area(q.dim - 1)
    return (k * mean_cosine_minus_one(k, q.dim) - log_normaliser(k, q.dim) + log_z0).to(q.loc.dtype)


def von_mises_fisher_of_scale(
    loc: Float[Tensor, "*batch latent"], scale: Float[Tensor, "*batch latent"]
) -> Distribution:
    """The law of concentration d/scale², at which a narrow one has the spread scale/√d in each coordinate.

    The uniform law spreads 1/√d: `scale` is the width relative to the prior, as in the other families.

    Args:
        loc: directions.
        scale: a row of numbers of which the mean counts: the law has one width.
    """
    return VonMisesFisher(loc, loc.shape[-1] / scale.mean(-1).square(), validate_args=False)


von_mises_fisher = Family(
    name="von-mises-fisher",
    parameters={"loc": unit_vector, "scale": constraints.interval(0.01, 10.0)},
    build=von_mises_fisher_of_scale,
    build_prior=lambda zeros: SphereUniform(zeros, validate_args=False),
    start=(0.0, 0.1),
    location=lambda law: law.mode,
    nearest=onto_sphere,
    smallest=2,
)
