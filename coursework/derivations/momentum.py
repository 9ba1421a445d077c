"""Rates of gradient descent, heavy ball and Nesterov's method on a quadratic, mode by mode (question D3)."""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.linalg
import scipy.optimize
import sympy as sp

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.derivations.quadratic_descent import (
    Method,
    gradient_descent_rate,
    heavy_ball_rate,
    nesterov,
    nesterov_rate,
    noise_floor,
)

mu, largest, curvature, step, noise = sp.symbols(r"\mu L \lambda \eta s", positive=True)
momentum, root = sp.symbols(r"\beta r", positive=True)
condition = sp.Symbol(r"\kappa", positive=True)
z, half = sp.symbols("z h", real=True)


def _condition(rng: np.random.Generator) -> tuple[float]:
    return (float(np.exp(rng.uniform(0.5, 6))),)


def _floats(function: Callable[..., float]) -> Callable[..., float]:
    return lambda *values: function(*map(float, values))


def best_step_rate(condition: float) -> float:
    """The smallest over the step of the larger of |1 − ημ| and |1 − ηL|, found by search, for μ = 1, L = κ."""

    def slower(step: float) -> float:
        return Method(step).spectral_radius([1.0, float(condition)])

    found = scipy.optimize.minimize_scalar(slower, bounds=(0, 2), method="bounded", options={"xatol": 1e-13})
    return float(found.fun)


def best_pair_rate(condition: float) -> float:
    """The smallest spectral radius of heavy ball over its two parameters, found by search, for μ = 1, L = κ.

    For each momentum the best step is searched between the ends of the range in which the iteration is stable.
    """
    curvatures = [1.0, float(condition)]

    def best_step(momentum: float) -> float:
        top = 2 * (1 + momentum) / curvatures[1]
        found = scipy.optimize.minimize_scalar(
            lambda step: Method(step, momentum).spectral_radius(curvatures),
            bounds=(0, top), method="bounded", options={"xatol": 1e-12 * top},
        )  # fmt: skip
        return float(found.fun)

    grid = np.linspace(0, 0.999, 60)
    near = grid[int(np.argmin([best_step(value) for value in grid]))]
    bounds = (max(0.0, near - 0.02), min(1.0, near + 0.02))
    return float(scipy.optimize.minimize_scalar(best_step, bounds=bounds, method="bounded").fun)


@derivation(
    "descent-rate",
    title="Gradient descent: rate",
    of=r"\rho",
    implements=gradient_descent_rate,
    arguments=(condition,),
    oracles={"search over the step": best_step_rate},
    calling=_floats,
    instances=_condition,
    tolerance=1e-6,
)
def descent_rate() -> Iterator[Step]:
    """Along an eigenvector each step multiplies by 1 − ηλ; the step that treats both ends alike is the best."""
    best = 2 / (mu + condition * mu)
    yield Step(
        1 - best * mu,
        because=r"$x_{k+1} = (1 - \eta \lambda) x_k$ along an eigenvector; the flattest one, $\lambda = \mu$, with "
        r"$\eta = 2 / (\mu + L)$ and $L = \kappa \mu$",
    )
    yield Step(best * condition * mu - 1, because=r"the steepest one, $\lambda = L$, is as slow: $|1 - \eta L|$")
    yield Step((condition - 1) / (condition + 1), because=r"$\mu$ cancels")


@derivation("heavy-ball-polynomial", title="Heavy ball: characteristic polynomial", of=r"\det(z - M)")
def heavy_ball_polynomial() -> Iterator[Step]:
    """The matrix that takes (x_k, x_{k−1}) to (x_{k+1}, x_k) along an eigenvector of the Hessian."""
    matrix = sp.Matrix([[1 + momentum - step * curvature, -momentum], [1, 0]])
    yield Step(
        (z * sp.eye(2) - matrix).det(method="berkowitz"),
        because=r"$x_{k+1} = (1 + \beta - \eta \lambda)\, x_k - \beta\, x_{k-1}$",
    )
    yield Step(z**2 - (1 + momentum - step * curvature) * z + momentum, because="the determinant, collected")


@derivation("complex-modulus", title="Modulus of complex roots", of=r"z^2 - 2 h z + \beta")
def complex_modulus() -> Iterator[Step]:
    """A real polynomial with complex roots h ± iw has their squared modulus for its constant term."""
    width = sp.Symbol("w", real=True)
    yield Step(
        (z - half - sp.I * width) * (z - half + sp.I * width),
        because=r"a negative discriminant: roots $h \pm i w$, conjugate to each other",
    )
    yield Step(
        z**2 - 2 * half * z + (half**2 + width**2),
        because=r"so $\beta = h^2 + w^2 = |z|^2$: both roots have modulus $\sqrt{\beta}$, whatever the curvature",
    )


@derivation(
    "heavy-ball-discriminant",
    title="Heavy ball: where the roots are complex",
    of=r"(1 + \beta - \eta \lambda)^2 - 4 \beta",
)
def heavy_ball_discriminant() -> Iterator[Step]:
    """Factorised: negative between (1 − √β)² and (1 + √β)²."""
    yield Step((1 + momentum - step * curvature) ** 2 - 4 * momentum, because="the discriminant of the polynomial")
    yield Step(
        (1 + momentum - step * curvature - 2 * sp.sqrt(momentum))
        * (1 + momentum - step * curvature + 2 * sp.sqrt(momentum)),
        because="a difference of squares",
    )
    yield Step(
        ((1 - sp.sqrt(momentum)) ** 2 - step * curvature) * ((1 + sp.sqrt(momentum)) ** 2 - step * curvature),
        because=r"two squares: negative exactly for $(1 - \sqrt{\beta})^2 < \eta \lambda < (1 + \sqrt{\beta})^2$",
    )


@derivation(
    "heavy-ball-rate",
    title="Heavy ball: rate",
    of=r"\sqrt{\beta}",
    uses=("heavy-ball-polynomial", "complex-modulus", "heavy-ball-discriminant"),
    implements=heavy_ball_rate,
    arguments=(condition,),
    oracles={"search over step and momentum": best_pair_rate},
    calling=_floats,
    instances=_condition,
    tolerance=1e-4,
)
def heavy_ball_best() -> Iterator[Step]:
    """The smallest β whose interval holds all of ημ … ηL: both ends touch."""
    low, high = sp.sqrt(mu), sp.sqrt(condition * mu)
    best = Named(r"\eta", 4 / (high + low) ** 2)
    yield Step(
        1 - sp.sqrt(best) * low,
        because=r"the lower end of the interval at $\eta \mu$: $\sqrt{\beta} = 1 - \sqrt{\eta \mu}$",
    )
    yield Step(
        sp.sqrt(best) * high - 1,
        because=r"the upper end at $\eta L$: $\sqrt{\beta} = \sqrt{\eta L} - 1$; both hold for "
        r"$\sqrt{\eta} = 2 / (\sqrt{L} + \sqrt{\mu})$, with $L = \kappa \mu$",
    )
    yield Step((high - low) / (high + low), because="the step put in")
    yield Step((sp.sqrt(condition) - 1) / (sp.sqrt(condition) + 1), because=r"$\sqrt{\mu}$ cancels")


_k = sp.Symbol("k", integer=True, positive=True)


@derivation(
    "heavy-ball-double-root", title="Heavy ball: iterates at the ends of the spectrum",
    of=r"x_{k+1} / x_0",
    uses=("heavy-ball-discriminant",),
)  # fmt: skip
def heavy_ball_double_root() -> Iterator[Step]:
    """There the two roots are one, r; from rest, the iterates are (1 + (1 − r) k) r^k."""

    def at(k: sp.Expr) -> sp.Expr:
        return (1 + (1 - root) * k) * root**k

    yield Step(
        (1 + root**2 - (1 - root) ** 2) * at(_k) - root**2 * at(_k - 1),
        because=r"one iteration, with $\beta = r^2$ and $\eta \lambda = (1 - r)^2$, of $(1 + (1 - r)\, k)\, r^k$",
    )
    yield Step(at(_k + 1), because="the same form, one step on: the power has a factor that grows with $k$")


_root_condition = sp.Symbol(r"\sqrt{\kappa}", positive=True)
_ahead = Named(r"\beta", (_root_condition - 1) / (_root_condition + 1))


@derivation(
    "nesterov-discriminant", title="Nesterov: double root at the flattest direction",
    of=r"(1 + \beta)^2 \bigl(1 - \tfrac{\mu}{L}\bigr)^2 - 4 \beta \bigl(1 - \tfrac{\mu}{L}\bigr)",
)  # fmt: skip
def nesterov_discriminant() -> Iterator[Step]:
    """The polynomial is z² − (1 + β)(1 − ηλ) z + β(1 − ηλ), here with η = 1/L and λ = μ."""
    keep = 1 - 1 / _root_condition**2
    yield Step(
        (1 + _ahead) ** 2 * keep**2 - 4 * _ahead * keep,
        because=r"the discriminant of $z^2 - (1 + \beta)(1 - \eta\lambda) z + \beta (1 - \eta \lambda)$ at "
        r"$\eta\lambda = 1/\kappa$",
    )
    yield Step(sp.Integer(0), because=r"$(1 + \beta)^2 (1 - 1/\kappa) = 4 \beta$ for this $\beta$")


@derivation(
    "nesterov-rate",
    title="Nesterov: rate",
    of=r"\rho",
    uses=("nesterov-discriminant", "complex-modulus"),
    implements=nesterov_rate,
    arguments=(condition,),
    oracles={
        "spectral radius over the spectrum": lambda kappa: nesterov(1.0, float(kappa)).spectral_radius(
            np.geomspace(1, float(kappa), 50)
        )
    },
    calling=_floats,
    instances=_condition,
    tolerance=1e-6,
)
def nesterov_best() -> Iterator[Step]:
    """The double root itself; elsewhere |z|² = β(1 − λ/L) is smaller."""
    beta = (sp.sqrt(condition) - 1) / (sp.sqrt(condition) + 1)
    yield Step((1 + beta) * (1 - 1 / condition) / 2, because="the double root: half the middle coefficient")
    yield Step(
        sp.sqrt(condition) * (condition - 1) / (condition * (sp.sqrt(condition) + 1)),
        because=r"$1 + \beta = 2 \sqrt{\kappa} / (\sqrt{\kappa} + 1)$",
    )
    yield Step(1 - 1 / sp.sqrt(condition), because=r"$\kappa - 1 = (\sqrt{\kappa} - 1)(\sqrt{\kappa} + 1)$")


def lyapunov_variance(step: float, momentum: float, curvature: float, noise: float) -> float:
    """The same variance by scipy's solver of V = M V Mᵀ + Q."""
    matrix = Method(float(step), float(momentum)).matrix(float(curvature))
    source = np.array([[(float(step) * float(noise)) ** 2, 0.0], [0.0, 0.0]])
    return float(scipy.linalg.solve_discrete_lyapunov(matrix, source)[0, 0])


@derivation(
    "noise-floor",
    title="Heavy ball: variance under noise",
    of="V",
    implements=noise_floor,
    arguments=(step, momentum, curvature, noise),
    oracles={"scipy's Lyapunov solver": lyapunov_variance},
    calling=_floats,
    instances=lambda rng: (*map(float, rng.uniform(0.05, 0.9, 2)), *map(float, rng.uniform(0.3, 2, 2))),
)
def noise_floor_derived() -> Iterator[Step]:
    """Independent noise of variance s² is added to every gradient; variance V and lag-one covariance C stand still."""
    sides = Named("a", 1 + momentum - step * curvature)
    found = noise**2 * step * (1 + momentum) / (
        curvature * (1 - momentum) * (2 * (1 + momentum) - step * curvature)
    )  # fmt: skip
    variance = Named("V", found)
    covariance = Named("C", sides * variance / (1 + momentum))
    yield Step(
        sides**2 * variance + momentum**2 * variance - 2 * sides * momentum * covariance + step**2 * noise**2,
        because=r"variance of $a x_k - \beta x_{k-1} - \eta \xi_k$, with $C = a V - \beta C$ for the covariance of "
        "neighbours",
    )
    yield Step(
        variance * (sides**2 * (1 - momentum) / (1 + momentum) + momentum**2) + step**2 * noise**2,
        because="the covariance put in",
    )
    yield Step(found, because="the same $V$ again: it solves the equation")


@derivation("noise-compared", title="Noise floor at equal effective step", of=r"V_\beta / V_0", uses=("noise-floor",))
def noise_compared() -> Iterator[Step]:
    """Heavy ball with step η(1 − β), which moves as far in the long run as descent with step η."""

    def floor(step: sp.Expr, momentum: sp.Expr) -> sp.Expr:
        return noise**2 * step * (1 + momentum) / (
            curvature * (1 - momentum) * (2 * (1 + momentum) - step * curvature)
        )  # fmt: skip

    yield Step(
        Named(r"V_\beta", floor(step * (1 - momentum), momentum)) / Named("V_0", floor(step, sp.Integer(0))),
        because=r"step $\eta (1 - \beta)$ with momentum, over step $\eta$ without",
    )
    yield Step(
        (2 - step * curvature) / (2 - step * curvature * (1 - momentum) / (1 + momentum)),
        because="below one, and one in the limit of small steps",
    )


@derivation("flat-direction", title="Heavy ball along a flat direction", of=r"x_{k} - x_0")
def flat_direction() -> Iterator[Step]:
    """Where the curvature is zero, a displacement is repeated with factor β, and nothing else happens."""
    velocity = sp.Symbol("v", real=True)
    j = sp.Symbol("j", integer=True, positive=True)
    yield Step(
        sp.Sum(velocity * root**j, (j, 1, _k)),
        because=r"no gradient here: displacements $r v, r^2 v, \ldots$ after a first one of $v$, with $r = \beta$",
    )
    yield Step(
        velocity * sp.Sum(root**j, (j, 1, _k)),
        because="proportional to the first displacement: from rest, $v = 0$, nothing moves",
    )
