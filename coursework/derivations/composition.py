"""Depth separation: the triangle map composed with itself, its pieces, and what few pieces cannot do (question D1)."""

from collections.abc import Callable, Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.core import Step, derivation
from coursework.derivations.linear_pieces import deep_sawtooth, evaluate, shallow_sawtooth, triangle
from coursework.derivations.naming import Named

HALF = sp.Rational(1, 2)

x = sp.Symbol("x", nonnegative=True)
a, b, t = sp.symbols("a b t", real=True)
j, k = sp.symbols("j k", integer=True, nonnegative=True)
n = sp.Symbol("n", integer=True, positive=True)
point = sp.Symbol("x", real=True)


def relu(value: sp.Expr) -> Named:
    """The rectifier, in a form that algebra can work with."""
    return Named(r"\varrho", (value + sp.Abs(value)) / 2, value)


def on_piece(piece: sp.Expr, within: sp.Expr) -> sp.Expr:
    """What the k-fold triangle map is claimed to be on a piece, at a place from 0 to 1 within it."""
    return HALF + (-1) ** piece * (within - HALF)


def two_units(x: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The triangle map as the smallest of the deep nets computes it."""
    return evaluate(deep_sawtooth(1), x[None])[0]


def sawtooth_at(power: Tensor, piece: Tensor, within: Tensor) -> Float[Tensor, ""]:
    """The deep net with hand-set weights at x = (piece + within) / 2^power."""
    return evaluate(deep_sawtooth(int(power)), ((piece + within) / 2**power)[None])[0]


def composed_at(power: Tensor, piece: Tensor, within: Tensor) -> Float[Tensor, ""]:
    """The triangle map applied `power` times, at the same point."""
    return triangle((piece + within) / 2**power, int(power))


def shallow_at(power: Tensor, piece: Tensor, within: Tensor) -> Float[Tensor, ""]:
    """The shallow net with hand-set weights, at the same point."""
    return evaluate(shallow_sawtooth(int(power)), ((piece + within) / 2**power)[None])[0]


def slope_at(power: Tensor, piece: Tensor, within: Tensor) -> Float[Tensor, ""]:
    """The slope of the k-fold triangle map there, by reverse mode through the composition."""
    place = ((piece + within) / 2**power).detach().requires_grad_()
    return torch.autograd.grad(triangle(place, int(power)), place)[0]


def slope_of_net(power: Tensor, piece: Tensor, within: Tensor) -> Float[Tensor, ""]:
    """The same slope, as a difference of two values of the deep net on the piece."""
    step = torch.minimum(within, 1 - within) / 2
    high, low = (sawtooth_at(power, piece, within + move) for move in (step, -step))
    return (high - low) / (2 * step) * 2**power


def _pieces(smallest: int = 1) -> Callable[[np.random.Generator], tuple[int, int, float]]:
    """Draws a power, a piece and a place well inside it."""

    def draw(rng: np.random.Generator) -> tuple[int, int, float]:
        power = int(rng.integers(smallest, 9))
        return power, int(rng.integers(0, 2**power)), float(rng.uniform(0.1, 0.9))

    return draw


@derivation(
    "triangle-relu",
    title="Triangle map from two ReLU units",
    of="T(x)",
    implements=two_units,
    arguments=(x,),
    oracles={"1 − |2x − 1|": triangle},
)
def triangle_relu() -> Iterator[Step]:
    """On 0…∞; the unit that reads x itself never switches off there."""
    yield Step(1 - sp.Abs(2 * x - 1), because="definition: up to one at the middle of the interval, and down again")
    yield Step(2 * x - 4 * relu(x - HALF), because="$-\\lvert u\\rvert = u - 2\\varrho(u)$ with $u = 2x - 1$")
    yield Step(2 * relu(x) - 4 * relu(x - HALF), because="$x \\geq 0$: a rectifier that is never off")


@derivation(
    "triangle-rising",
    title="Sawtooth, left half",
    of=r"T^{k+1}(x)",
    facts=(sp.Le(j, 2**k - 1),),
    uses=("triangle-relu",),
)
def triangle_rising() -> Iterator[Step]:
    """Induction step for x = (j + t) / 2^(k+1) in 0…1/2, where T(x) = 2x."""
    place = (j + t) / 2 ** (k + 1)
    yield Step(
        on_piece(j, 2**k * (2 * place) - j),
        because="$T^{k+1} = T^k \\circ T$ with $T(x) = 2x$, which lies on piece $j$ of $T^k$",
    )
    yield Step(on_piece(j, t), because="the place within the piece is the same, $t$")


@derivation(
    "triangle-falling",
    title="Sawtooth, right half",
    of=r"T^{k+1}(x)",
    facts=(sp.Ge(j, 2**k), sp.Le(j, 2 ** (k + 1) - 1)),
    uses=("triangle-relu",),
)
def triangle_falling() -> Iterator[Step]:
    """Induction step for x = (j + t) / 2^(k+1) in 1/2…1, where T(x) = 2 − 2x."""
    place = (j + t) / 2 ** (k + 1)
    mirrored = 2 ** (k + 1) - 1 - j
    yield Step(
        on_piece(mirrored, 2**k * (2 - 2 * place) - mirrored),
        because="$T^{k+1} = T^k \\circ T$ with $T(x) = 2 - 2x$, on piece $2^{k+1} - 1 - j$ of $T^k$",
    )
    yield Step(on_piece(mirrored, 1 - t), because="the piece is run through backwards")
    yield Step(on_piece(j, t), because="$2^{k+1} - 1 - j$ is odd when $j$ is even: the two changes of sign cancel")


@derivation(
    "triangle-slope",
    title="Sawtooth, slope on a piece",
    of=r"\frac{\partial}{\partial x} T^k(x)",
    uses=("triangle-rising", "triangle-falling"),
    implements=slope_of_net,
    arguments=(k, j, t),
    oracles={"reverse mode through the composition": slope_at},
    instances=_pieces(),
)
def triangle_slope() -> Iterator[Step]:
    """Neighbouring pieces have opposite slopes, so no two of them are one."""
    yield Step(sp.Derivative(on_piece(j, 2**k * point - j), point), because="the form of $T^k$ on piece $j$")
    yield Step((-1) ** j * 2**k, because="slopes of size $2^k$ with alternating signs: no two pieces merge")


@derivation(
    "sawtooth-shallow",
    title="Sawtooth as a sum of corners",
    of=r"T^k(x)",
    uses=("triangle-slope",),
    implements=shallow_at,
    arguments=(k, j, t),
    oracles={"the deep net": sawtooth_at, "the composition": composed_at},
    instances=_pieces(),
)
def sawtooth_shallow() -> Iterator[Step]:
    """One unit per corner; on piece j the first j corners are passed."""
    i = sp.Symbol("i", integer=True, positive=True)
    place = (j + t) / 2**k
    yield Step(
        2**k * place + sp.Sum((-1) ** i * 2 ** (k + 1) * (place - i / 2**k), (i, 1, j)),
        because="one hidden layer, a unit per corner $i/2^k$; on piece $j$ the units up to $i = j$ are on",
    )
    yield Step(on_piece(j, t), because="the alternating sums, carried out")


def line_error(a: Float[Tensor, ""], b: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Mean squared error of the line a + b t on a tooth, by the tooth's moments: mean 1/2, mean square 1/3."""
    return 1 / 3 - a + a**2 + b**2 / 3


def line_error_by_gauss(a: Float[Tensor, ""], b: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The same by two-point Gauss–Legendre quadrature on each side of the tooth, exact for its squares."""
    nodes, weights = np.polynomial.legendre.leggauss(2)
    places = torch.as_tensor(np.concatenate([(nodes - 1) / 2, (nodes + 1) / 2]))
    shares = torch.as_tensor(np.concatenate([weights, weights]) / 4)
    return (shares * (1 - places.abs() - a - b * places) ** 2).sum()


def shallow_error(power: Tensor, width: Tensor) -> Float[Tensor, ""]:
    """Mean squared error that one hidden layer of `width` ReLU units cannot go below, from the k-fold triangle map."""
    return torch.clamp(1 - 2 * width / 2**power, min=0) / 12


def shallow_error_by_count(power: Tensor, width: Tensor) -> float:
    """The same bound: one corner put into each tooth from the left until none is left, the others at their best."""
    costs = [0.0 if tooth < int(width) else 1 / 12 for tooth in range(2 ** (int(power) - 1))]
    return sum(costs) / len(costs)


@derivation(
    "tooth-error",
    title="A straight line against a tooth",
    of="E(a, b)",
    uses=("triangle-slope",),
    implements=line_error,
    arguments=(a, b),
    oracles={"Gauss–Legendre quadrature": line_error_by_gauss},
)
def tooth_error() -> Iterator[Step]:
    """Mean squared error of a + b t on one tooth, two pieces of the sawtooth, rescaled to −1…1."""
    rising = sp.Integral((1 + t - a - b * t) ** 2, (t, -1, 0))
    falling = sp.Integral((1 - t - a - b * t) ** 2, (t, 0, 1))
    yield Step((rising + falling) / 2, because="the mean over a tooth that goes up to one and down again")
    yield Step(
        (a - HALF) ** 2 + b**2 / 3 + sp.Rational(1, 12),
        because="integrals carried out, squares completed: no line does better than the constant $1/2$",
    )


@derivation(
    "shallow-error",
    title="Sawtooth, error of a shallow net",
    of=r"E_{	ext{shallow}}",
    uses=("tooth-error",),
    implements=shallow_error,
    arguments=(k, n),
    oracles={"teeth counted one by one": shallow_error_by_count},
    facts=(sp.Ge(k, 1), sp.Le(n, 2 ** (k - 1))),
    instances=lambda rng: (power := int(rng.integers(1, 9)), int(rng.integers(1, 2 ** (power - 1) + 1))),
)
def shallow_bound() -> Iterator[Step]:
    """A lower bound: n corners spoil at most n of the 2^(k−1) teeth, on the others the net is a straight line."""
    teeth = 2 ** (k - 1)
    yield Step(
        (teeth - n) / (12 * teeth),
        because="at least $2^{k-1} - n$ of $2^{k-1}$ equal teeth have no corner of the net inside; each of them costs "
        "at least $1/12$, and the others at least nothing",
    )
    yield Step((1 - 2 * n / 2**k) / 12, because="the fraction divided out")
