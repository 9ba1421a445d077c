"""Flows: the triangular Jacobian of a coupling, log-determinants of the first maps, noise on grey levels."""

import math
from collections.abc import Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor, nn

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.distributions.coupling import AffineCoupling
from coursework.distributions.pixels import PixelLogit, PixelQuantile

s_2, s_3, slope_2, slope_3 = sp.symbols("s_2 s_3 c_2 c_3", real=True)


class _Given(nn.Module):
    """A net whose raw log-scales come out as given under a bound, with shifts that depend on what is kept."""

    def __init__(self, log_scale: Float[Tensor, " entry"], bound: Float[Tensor, " entry"]) -> None:
        super().__init__()
        self.raw = torch.atanh(log_scale / bound)

    def forward(self, x: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 4"]:
        """Raw log-scales, and the shifts sin x and x²."""
        return torch.cat([self.raw.expand(len(x), -1), x.sin(), x.square()], 1)


def _coupling(*log_scales: Float[Tensor, ""]) -> tuple[AffineCoupling, Tensor]:
    log_scale = torch.stack(log_scales)
    bound = 2 * log_scale.abs() + 1
    coupling = AffineCoupling(_Given(log_scale, bound), torch.tensor([False, True, True]))
    coupling.bound.data = bound
    return coupling, torch.tensor([[0.3, -1.2, 0.8]], dtype=torch.float64)


def coupling_log_det(*log_scales: Float[Tensor, ""]) -> Tensor:
    """The log-determinant that a coupling of one kept and two moved entries reports."""
    coupling, x = _coupling(*log_scales)
    return coupling.log_abs_det_jacobian(x, coupling(x))[0].detach()


def coupling_slogdet(*log_scales: Float[Tensor, ""]) -> Tensor:
    """The same from the whole Jacobian, by autograd."""
    coupling, x = _coupling(*log_scales)
    jacobian = torch.autograd.functional.jacobian(lambda one: coupling(one[None])[0], x[0])
    return torch.linalg.slogdet(jacobian).logabsdet


class _Determinant(sp.Determinant):
    """A determinant that is shown as one, and has a value where its entries have."""

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        return self.doit()._eval_evalf(prec)


@derivation(
    "coupling-log-det",
    title="A coupling's Jacobian is triangular",
    of=r"\log \lvert \det \tfrac{\partial z}{\partial x} \rvert",
    implements=coupling_log_det,
    arguments=(s_2, s_3),
    oracles={"slogdet of autograd's Jacobian": coupling_slogdet},
)
def coupling_triangular() -> Iterator[Step]:
    """One kept entry, two moved ones; c_2 and c_3 are how these depend on the kept one, through the net."""
    jacobian = sp.Matrix([[1, 0, 0], [slope_2, sp.exp(s_2), 0], [slope_3, 0, sp.exp(s_3)]])
    yield Step(
        sp.log(_Determinant(jacobian)),
        because=r"rows are outputs; $z_1 = x_1$, $z_j = x_j e^{s_j(x_1)} + t_j(x_1)$; $c_j$ is the net's derivative",
    )
    yield Step(
        sp.log(sp.exp(s_2) * sp.exp(s_3)),
        because="a triangular determinant is the product of the diagonal: the net's derivatives drop out",
    )
    yield Step(s_2 + s_3, because="the logarithm of a product of exponentials")


x, alpha = sp.symbols("x alpha", positive=True)


def logit_log_det(x: Float[Tensor, ""], alpha: Float[Tensor, ""]) -> Tensor:
    """What the transform reports."""
    transform = PixelLogit(float(alpha))
    return transform.log_abs_det_jacobian(x, transform(x))


def logit_slope(x: Float[Tensor, ""], alpha: Float[Tensor, ""]) -> Tensor:
    """The logarithm of the transform's derivative, by autograd."""
    place = x.clone().requires_grad_()
    return torch.autograd.grad(PixelLogit(float(alpha))(place), place)[0].log()


def _pixel_and_alpha(rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(0.5, 255)), float(rng.uniform(0.01, 0.5))


@derivation(
    "logit-log-det",
    title="The logit's log-determinant",
    of=r"\log \tfrac{\partial y}{\partial x}",
    facts=(sp.Lt(x, 256), sp.Lt(alpha, 1)),
    implements=logit_log_det,
    arguments=(x, alpha),
    oracles={"autograd": logit_slope},
    instances=_pixel_and_alpha,
)
def logit_log_determinant() -> Iterator[Step]:
    """Of one pixel, moved inwards by alpha first."""
    inside = alpha / 2 + (1 - alpha) * x / 256
    p = Named("p", inside)
    yield Step(sp.log(sp.Derivative(sp.log(inside / (1 - inside)), x)), because="$y$ is the logit of $p$")
    yield Step(
        sp.log((1 - alpha) / (256 * p * (1 - p))), because=r"$p = \alpha/2 + (1 - \alpha) x / 256$ and the chain rule"
    )


y = sp.Symbol("y", real=True)
mass, below = sp.symbols("m c", positive=True)


def quantile_log_det(y: Float[Tensor, ""], mass: Float[Tensor, ""]) -> Tensor:
    """What the transform reports in the middle of a level of this mass that y is the quantile of."""
    transform = _level(y, mass)
    place = torch.full((1, 1, 1), 1.5, dtype=torch.float64)
    return transform.log_abs_det_jacobian(place, transform(place)).view(())


def quantile_slope(y: Float[Tensor, ""], mass: Float[Tensor, ""]) -> float:
    """The logarithm of the transform's slope there, by central differences."""
    transform = _level(y, mass)
    ends = [float(transform(torch.full((1, 1, 1), 1.5 + step, dtype=torch.float64))) for step in (-1e-5, 1e-5)]
    return math.log((ends[1] - ends[0]) / 2e-5)


def _level(y: Float[Tensor, ""], mass: Float[Tensor, ""]) -> PixelQuantile:
    """One pixel whose level 1 has this mass, with what makes y the quantile of its middle below it."""
    transform = PixelQuantile(torch.zeros(1, 1, 1, dtype=torch.uint8), 1.0)
    below = torch.special.ndtr(y) - mass / 2
    transform.mass = torch.full_like(transform.mass, (1 - float(mass + below)) / 254)
    transform.mass[0], transform.mass[1] = below, mass
    transform.below = torch.cat([torch.zeros_like(transform.mass[:1]), transform.mass.cumsum(0)])
    return transform


def _quantile_and_mass(rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(-0.8, 0.8)), float(rng.uniform(0.05, 0.3))


@derivation(
    "quantile-log-det",
    title="The quantile's log-determinant",
    of=r"\log \tfrac{\partial y}{\partial x}",
    implements=quantile_log_det,
    arguments=(y, mass),
    oracles={"central differences": quantile_slope},
    instances=_quantile_and_mass,
    tolerance=1e-6,
)
def quantile_log_determinant() -> Iterator[Step]:
    """Inside one grey level, which has mass m, with mass c below it; x is the noise, y = Φ⁻¹(m x + c)."""
    normal = (1 + sp.erf(y / sp.sqrt(2))) / 2
    yield Step(
        sp.log(sp.Derivative(mass * x + below, x) / sp.Derivative(normal, y)),
        because=r"$\Phi(y) = m x + c$: both sides' differentials are equal",
    )
    yield Step(
        sp.log(mass * sp.sqrt(2 * sp.pi) * sp.exp(y**2 / 2)),
        because=r"both derivatives: the mass, and the density $\varphi(y)$",
    )
    yield Step(sp.log(mass) + y**2 / 2 + sp.log(2 * sp.pi) / 2, because="the logarithm of a product")


u = sp.Symbol("u", positive=True)
height, fall = sp.symbols("a b", positive=True)
tilt = sp.Symbol("r", real=True)
_density = height * sp.exp(-fall * u)
_noise = Named("q", 1 + tilt * (2 * u - 1), u)


@derivation(
    "dequantisation-bound",
    title="Noise gives a bound",
    of=r"\log P(k)",
    facts=(sp.Lt(tilt, 1), sp.Gt(tilt, -1)),
)
def dequantisation_bound() -> Iterator[Step]:
    """A density that falls exponentially within a level, and noise with any linear density; r = 0 is uniform."""
    whole = (u, 0, 1)
    yield Step(
        sp.log(sp.Integral(_density, whole)),
        because=r"a level's probability is the density's integral over it; here $p(k + u) = a e^{-b u}$",
    )
    yield Step(
        sp.Integral(_noise * sp.log(_density / _noise), whole),
        argued="Jensen: the integral is a mean of $p / q$ under $q$, the logarithm is concave; equality if and only if "
        "$q$ is proportional to $p$ within the level",
        relation=">=",
    )


@derivation("uniform-noise-gap", title="What uniform noise costs", of=r"\log P(k) - \mathbb{E}_u \log p(k + u)")
def uniform_noise_gap() -> Iterator[Step]:
    """The same density, with uniform noise."""
    whole = (u, 0, 1)
    yield Step(sp.log(sp.Integral(_density, whole)) - sp.Integral(sp.log(_density), whole), because="definition")
    yield Step(
        sp.log(height * (1 - sp.exp(-fall)) / fall) - sp.log(height) + fall / 2, because="both integrals carried out"
    )
    yield Step(
        sp.log(sp.exp(fall / 2) * (1 - sp.exp(-fall)) / fall),
        because=r"together, $\log \frac{\sinh(b/2)}{b/2}$: nothing if flat, about $b^2/24$ for a slight slope",
    )


t = sp.Symbol("t", positive=True)


@derivation(
    "blank-pixel", title="A blank pixel under the logit", of=r"\operatorname{KL}(\mathrm{Exp} \,\Vert\, \mathcal N)"
)
def blank_pixel() -> Iterator[Step]:
    """The logit of a blank pixel is, up to a constant, minus an exponential t; its best Gaussian is N(1, 1)."""
    gaussian = sp.exp(-((t - 1) ** 2) / 2) / sp.sqrt(2 * sp.pi)
    yield Step(
        sp.Integral(sp.exp(-t) * sp.log(sp.exp(-t) / gaussian), (t, 0, sp.oo)),
        because=r"$-\log u$ is exponential for uniform $u$; mean and variance are one",
    )
    yield Step(
        sp.Integral(sp.exp(-t) * (-t + (t - 1) ** 2 / 2 + sp.log(2 * sp.pi) / 2), (t, 0, sp.oo)),
        because="logarithms of exponentials",
    )
    yield Step((sp.log(2 * sp.pi) - 1) / 2, because="moments of the exponential: one and two")
