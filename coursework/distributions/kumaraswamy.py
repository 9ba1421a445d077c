"""The Kumaraswamy law on the unit interval, in terms of its median, in logarithms throughout."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Uniform, constraints, register_kl

from coursework.distributions.family import Family, coordinatewise
from coursework.distributions.uniform import ClosedUniform

_TINY = -15.0
"""Below this exponent two terms of a series in e^s are exact to fourteen digits."""


class Kumaraswamy(Distribution):
    r"""F(x) = 1 − (1 − x^a)^b on 0…1, given by its median and a; b = −log 2 / log(1 − median^a).

    The median and the shape a say where the law lies and how narrow it is; (a, b) entangle both, and a narrow law far
    from 1 needs a b beyond single precision. Hence logarithms: `log_b` replaces b. torch's law of that name works with
    powers, and returns exact zeros and ones where this one does not.

    Args:
        median: inside 0…1.
        shape: a > 0.

    Reference: Kumaraswamy, Journal of Hydrology 46 (1980); as a posterior, Nalisnick and Smyth, arXiv:1605.06197.
    """

    arg_constraints = {"median": constraints.unit_interval, "shape": constraints.positive}  # noqa: RUF012 (a dict)
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, median: Float[Tensor, "*batch"], shape: Float[Tensor, "*batch"], validate_args: bool | None = None
    ) -> None:
        self.median, self.shape = torch.broadcast_tensors(median, shape)
        self.log_b = math.log(math.log(2)) - _log_minus_log1m(self.shape * self.median.log())
        super().__init__(self.shape.shape, validate_args=validate_args)

    @property
    def mean(self) -> Float[Tensor, "*batch"]:
        """b·B(1 + 1/a, b)."""
        return self._moment(1)

    @property
    def variance(self) -> Float[Tensor, "*batch"]:
        """Second moment less the square of the mean."""
        return self._moment(2) - self._moment(1).square()

    def expand(
        self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: Distribution | None = None
    ) -> "Kumaraswamy":
        """The same law for a larger batch."""
        size = torch.Size(batch_shape)
        return Kumaraswamy(self.median.expand(size), self.shape.expand(size), validate_args=False)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Float[Tensor, "*shape"]:
        """The quantile function at uniform noise, (1 − u^(1/b))^(1/a)."""
        info = torch.finfo(self.shape.dtype)
        u = torch.rand(
            self._extended_shape(torch.Size(sample_shape)), dtype=self.shape.dtype, device=self.shape.device
        ).clamp(info.tiny, 1 - info.eps)
        log_power = _log1m_exp_minus_exp((-u.log()).log() - self.log_b)  # of x^a
        return (log_power / self.shape).exp().clamp(info.tiny, 1 - info.eps)

    def log_prob(self, value: Float[Tensor, "*value"]) -> Float[Tensor, "*shape"]:
        """log(a) + log(b) + (a − 1)·log(x) + (b − 1)·log(1 − x^a)."""
        log_x = value.log()
        log_minus = _log_minus_log1m(self.shape * log_x)  # of −log(1 − x^a)
        rest = log_minus.exp() - (self.log_b + log_minus).exp()
        return self.shape.log() + self.log_b + (self.shape - 1) * log_x + rest

    def _moment(self, order: int) -> Float[Tensor, "*batch"]:
        """b·B(1 + order/a, b), in double precision inside."""
        b, power = self.log_b.double().exp(), 1 + order / self.shape.double()
        large = self.log_b > 20
        safe = torch.where(large, 1.0, b)
        exact = torch.lgamma(safe + 1) - torch.lgamma(power + safe)
        ratio = torch.where(large, (1 - power) * self.log_b, exact)  # Stirling: relative error below 1e-8
        return (torch.lgamma(power) + ratio).exp().to(self.shape.dtype)


def _log1m_exp_minus_exp(s: Tensor) -> Tensor:
    """log(1 − exp(−e^s)), which is s − e^s/2 + … where e^s is small."""
    small = s < _TINY
    safe = torch.where(small, 0.0, s)
    return torch.where(small, s - s.clamp(max=_TINY).exp() / 2, (-torch.expm1(-safe.exp())).log())


def _log_minus_log1m(s: Tensor) -> Tensor:
    """log(−log(1 − e^s)) for s < 0, which is s + e^s/2 + … where e^s is small."""
    small = s < _TINY
    safe = torch.where(small, -1.0, s)
    return torch.where(small, s + s.clamp(max=_TINY).exp() / 2, (-(-torch.expm1(safe)).log()).log())


@register_kl(Kumaraswamy, Uniform)
def _kl_kumaraswamy_uniform(q: Kumaraswamy, p: Uniform) -> Tensor:
    r"""log(ab) − 1 + 1/b + (1/a − 1)·(ψ(b + 1) + γ) + log(high − low); ∞ unless p covers 0…1."""
    b = q.log_b.clamp(max=60).exp()
    harmonic = torch.where(q.log_b < 60, torch.digamma(b + 1), q.log_b) + _EULER
    closed = q.shape.log() + q.log_b - 1 + (-q.log_b).exp() + (1 / q.shape - 1) * harmonic
    covered = (p.low <= 0) & (p.high >= 1)
    return torch.where(covered, closed + (p.high - p.low).log(), torch.inf)


_EULER = 0.57721566490153286061

kumaraswamy = Family(
    name="kumaraswamy",
    parameters={"median": constraints.interval(0.01, 0.99), "shape": constraints.interval(0.1, 100.0)},
    build=coordinatewise(Kumaraswamy),
    build_prior=lambda zeros: coordinatewise(ClosedUniform)(zeros, zeros + 1),
    start=(0.5, 20.0),
    nearest=lambda z: z.clamp(0, 1),
)
