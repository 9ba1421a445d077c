"""Layer normalisation: its Jacobian, the way back through it, and what it does not see (study S-TR)."""

from collections.abc import Callable, Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import layer_norm

from coursework.derivations.conv_gradient import array, total
from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named

dim = sp.Symbol("d", integer=True, positive=True)
i, j, k, ell = sp.symbols("i j k l", integer=True, nonnegative=True)
eps = sp.Symbol("varepsilon", positive=True)
COLUMN = sp.Le(j, dim - 1)

x = array("x", dim)
gain = array("c", dim)
upstream = array("g", dim)

Entry = Callable[[sp.Expr], sp.Expr]


def centre(entry: Entry, name: str = r"\mu") -> Named:
    """The mean of a vector that is given entry by entry."""
    return Named(name, total(entry(ell), (ell, dim)) / dim)


def spread(entry: Entry, name: str = r"\sigma", loc: str = r"\mu") -> Named:
    """What LayerNorm divides by, the root of the variance and ε."""
    return Named(name, sp.sqrt(total((entry(k) - centre(entry, loc)) ** 2, (k, dim)) / dim + eps))


def unit(entry: Entry, row: sp.Expr, name: str = r"\hat{x}", scale: str = r"\sigma", loc: str = r"\mu") -> Named:
    """Entry `row` of the vector, centred and divided."""
    return Named(name, (entry(row) - centre(entry, loc)) / spread(entry, scale, loc), row)


def jacobian(entry: Entry, row: sp.Expr, column: sp.Expr, *names: str) -> sp.Expr:
    """Entry of LayerNorm's Jacobian in closed form, with gain one."""
    rows, columns = unit(entry, row, *names), unit(entry, column, *names)
    return (sp.KroneckerDelta(row, column) - 1 / dim - rows * columns / dim) / spread(entry, *names[1:])


def layer_norm_jacobian(
    x: Float[Tensor, " feature"], gain: Float[Tensor, " feature"], eps: Float[Tensor, ""]
) -> Float[Tensor, "feature feature"]:
    """Entry (i, j) is how output i of LayerNorm changes with input j: diag(gain) (I − 1/d − x̂ x̂ᵀ/d) / σ."""
    scale = torch.sqrt(x.var(correction=0) + eps)
    unit = (x - x.mean()) / scale
    inside = torch.eye(len(x), dtype=x.dtype) - (1 + torch.outer(unit, unit)) / len(x)
    return gain[:, None] * inside / scale


def jacobian_by_torch(
    x: Float[Tensor, " feature"], gain: Float[Tensor, " feature"], eps: Float[Tensor, ""]
) -> Float[Tensor, "feature feature"]:
    """The same by reverse mode through torch's LayerNorm, row by row."""
    return torch.func.jacrev(lambda u: layer_norm(u, u.shape, gain, eps=float(eps)))(x)


def layer_norm_backward(
    x: Float[Tensor, " feature"],
    gain: Float[Tensor, " feature"],
    eps: Float[Tensor, ""],
    g: Float[Tensor, " feature"],
) -> Float[Tensor, " feature"]:
    """∂L/∂x from g = ∂L/∂output: what is left of gain · g without its mean and its part along x̂, divided by σ."""
    scale = torch.sqrt(x.var(correction=0) + eps)
    unit, scaled = (x - x.mean()) / scale, gain * g
    return (scaled - scaled.mean() - unit * (scaled * unit).mean()) / scale


def _backward_by_torch(x: Tensor, gain: Tensor, eps: Tensor, g: Tensor) -> Tensor:
    return torch.func.vjp(lambda u: layer_norm(u, u.shape, gain, eps=float(eps)), x)[1](g)[0]


def _draw(*sizes: int) -> Callable[[np.random.Generator], tuple[object, ...]]:
    """Draws x, gain, ε, and further vectors or matrices of the same width."""

    def draw(rng: np.random.Generator) -> tuple[object, ...]:
        width = int(rng.integers(2, 8))
        vectors = [rng.standard_normal((width,) * axes) for axes in (1, 1, *sizes)]
        return *vectors[:2], float(rng.uniform(1e-5, 1)), *vectors[2:]

    return draw


def _own(row: sp.Expr) -> sp.Expr:
    return x[row]


@derivation(
    "layer-norm-jacobian",
    title="Jacobian of LayerNorm",
    of=r"\frac{\partial}{\partial x_j}\, c_i\, \frac{x_i - \mu}{\sigma}",
    facts=(sp.Le(i, dim - 1), COLUMN),
    implements=layer_norm_jacobian,
    arguments=(x, gain, eps, i, j),
    oracles={"`torch.func.jacrev` of torch's LayerNorm": jacobian_by_torch},
    calling=lambda function: lambda x, gain, eps, row, column: function(x, gain, eps)[int(row), int(column)],
    instances=lambda rng: (*_draw()(rng), *(int(place) for place in rng.integers(0, 2, 2))),
)
def layer_norm_steps() -> Iterator[Step]:
    """Any width, any gain; the offset that is added afterwards does not depend on x."""
    mu, sigma, delta = centre(_own), spread(_own), sp.KroneckerDelta(i, j)
    inside = total((x[k] - mu) * (sp.KroneckerDelta(k, j) - 1 / dim), (k, dim))
    yield Step(sp.Derivative(gain[i] * (x[i] - mu) / sigma, x[j]), because="definition")
    yield Step(
        gain[i] * (delta - 1 / dim) / sigma - gain[i] * (x[i] - mu) / sigma**2 * inside / (dim * sigma),
        because="quotient rule; the mean changes by $1/d$ with each entry, and so does every deviation from it",
    )
    yield Step(
        gain[i] * (delta - 1 / dim) / sigma - gain[i] * (x[i] - mu) * (x[j] - mu) / (dim * sigma**3),
        because="deviations from a mean add up to zero",
    )
    yield Step(
        gain[i] / sigma * (delta - 1 / dim - unit(_own, i) * unit(_own, j) / dim),
        because=r"both deviations divided by $\sigma$",
    )


@derivation(
    "layer-norm-backward",
    title="The way back through LayerNorm",
    of=r"\frac{\partial L}{\partial x_j}",
    facts=(COLUMN,),
    uses=("layer-norm-jacobian",),
    implements=layer_norm_backward,
    arguments=(x, gain, eps, upstream),
    free_indices=(j,),
    oracles={"`torch.func.vjp` of torch's LayerNorm": _backward_by_torch},
    instances=_draw(1),
)
def layer_norm_backward_steps() -> Iterator[Step]:
    """A vector in, a vector out: the Jacobian is nowhere formed."""
    scaled = Named(r"\tilde{g}", gain[i] * upstream[i], i)
    mine = Named(r"\tilde{g}", gain[j] * upstream[j], j)
    yield Step(
        total(gain[i] * upstream[i] * jacobian(_own, i, j), (i, dim)), because="chain rule with the Jacobian above"
    )
    yield Step(
        (mine - total(scaled, (i, dim)) / dim - unit(_own, j) * total(scaled * unit(_own, i), (i, dim)) / dim)
        / spread(_own),
        because=r"$\tilde g = c\, g$ loses its mean and its part along $\hat x$; the rest is divided by $\sigma$",
    )


@derivation(
    "layer-norm-blind",
    title="LayerNorm does not feel the length",
    of=r"\sum_j \frac{\partial \hat{x}_i}{\partial x_j} (x_j - \mu)",
    facts=(sp.Le(i, dim - 1),),
    uses=("layer-norm-jacobian",),
    arguments=(x, eps),
    free_indices=(i,),
    oracles={
        "`torch.func.jacrev` of torch's LayerNorm": lambda x, eps: (
            jacobian_by_torch(x, torch.ones_like(x), eps) @ (x - x.mean())
        )
    },
    instances=lambda rng: (rng.standard_normal(int(rng.integers(2, 8))), float(rng.uniform(1e-5, 1))),
)
def layer_norm_blind() -> Iterator[Step]:
    """The Jacobian along x − μ: nothing but ε is left."""
    mu, sigma = centre(_own), spread(_own)
    yield Step(total(jacobian(_own, i, j) * (x[j] - mu), (j, dim)), because="the Jacobian above, with gain one")
    yield Step(
        unit(_own, i) * (1 - total((x[j] - mu) ** 2, (j, dim)) / (dim * sigma**2)),
        because="deviations add up to zero, term by term",
    )
    yield Step(
        unit(_own, i) * eps / sigma**2,
        because=r"$\sigma^2$ is the variance and $\varepsilon$: with $\varepsilon \to 0$ nothing is left, and a longer "
        "$x$ gives the same output",
    )
