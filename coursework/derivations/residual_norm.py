"""The way back through residual layers with LayerNorm after or before the sum: one layer, and products (study S-TR)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import layer_norm

from coursework.derivations.conv_gradient import array, total
from coursework.derivations.core import Step, derivation
from coursework.derivations.layer_norm import (
    COLUMN,
    dim,
    eps,
    i,
    j,
    jacobian,
    k,
    layer_norm_backward,
    upstream,
    x,
)
from coursework.derivations.naming import Named

p = sp.Symbol("p", integer=True, nonnegative=True)
weight = array("W", dim, dim)
halfway = array("v", dim)

Norm = Literal["pre", "post"]
Layer = Callable[[Float[Tensor, " feature"], Float[Tensor, "feature feature"], float], Float[Tensor, " feature"]]


def post_ln(x: Float[Tensor, " feature"], weight: Float[Tensor, "feature feature"], eps: float) -> Tensor:
    """LN(x + A(x)) with torch's LayerNorm and A(x) = tanh(weight x)."""
    return layer_norm(x + torch.tanh(weight @ x), x.shape, eps=eps)


def pre_ln(x: Float[Tensor, " feature"], weight: Float[Tensor, "feature feature"], eps: float) -> Tensor:
    """The other order, x + A(LN(x))."""
    return x + torch.tanh(weight @ layer_norm(x, x.shape, eps=eps))


LAYERS: dict[Norm, Layer] = {"post": post_ln, "pre": pre_ln}


def post_ln_backward(
    x: Float[Tensor, " feature"], weight: Float[Tensor, "feature feature"], eps: float, g: Float[Tensor, " feature"]
) -> Float[Tensor, " feature"]:
    """∂L/∂x for `post_ln` from g = ∂L/∂output: (I + A'(x))ᵀ J(x + A(x))ᵀ g, without autograd."""
    branch = torch.tanh(weight @ x)
    inner = layer_norm_backward(x + branch, torch.ones_like(x), torch.as_tensor(eps, dtype=x.dtype), g)
    return inner + weight.T @ ((1 - branch**2) * inner)


def pre_ln_backward(
    x: Float[Tensor, " feature"], weight: Float[Tensor, "feature feature"], eps: float, g: Float[Tensor, " feature"]
) -> Float[Tensor, " feature"]:
    """∂L/∂x for `pre_ln` from g = ∂L/∂output: g + J(x)ᵀ A'(LN(x))ᵀ g, without autograd."""
    branch = torch.tanh(weight @ layer_norm(x, x.shape, eps=eps))
    inner = weight.T @ ((1 - branch**2) * g)
    return g + layer_norm_backward(x, torch.ones_like(x), torch.as_tensor(eps, dtype=x.dtype), inner)


BACKWARD: dict[Norm, Callable[..., Tensor]] = {"post": post_ln_backward, "pre": pre_ln_backward}


def product_backward(
    norm: Norm,
    x: Float[Tensor, " feature"],
    weights: Sequence[Float[Tensor, "feature feature"]],
    g: Float[Tensor, " feature"],
    eps: float = 1e-5,
) -> Float[Tensor, " feature"]:
    """∂L/∂x₀ through as many layers as there are weights, the product of the layers' factors applied to g."""
    states = [x]
    for one in weights[:-1]:
        states.append(LAYERS[norm](states[-1], one, eps))
    for state, one in zip(reversed(states), reversed(weights), strict=True):
        g = BACKWARD[norm](state, one, eps, g)
    return g


def product_by_autograd(
    norm: Norm,
    x: Float[Tensor, " feature"],
    weights: Sequence[Float[Tensor, "feature feature"]],
    g: Float[Tensor, " feature"],
    eps: float = 1e-5,
) -> Float[Tensor, " feature"]:
    """The same by reverse mode."""
    first = x.detach().requires_grad_()
    h = first
    for one in weights:
        h = LAYERS[norm](h, one, eps)
    return torch.autograd.grad(h, first, g)[0]


def _branch(row: sp.Expr) -> Named:
    """One unit of the sub-layer, tanh of a linear form in x."""
    return Named("A", sp.tanh(total(weight[row, p] * x[p], (p, dim))), row)


def _own(row: sp.Expr) -> sp.Expr:
    return x[row]


def _without_middle(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Drops the last argument, which follows from the others: the gradient on the way."""
    return lambda x, weight, eps, g, _middle: function(x, weight, float(eps), g)


def _draw(norm: Norm) -> Callable[[np.random.Generator], tuple[object, ...]]:
    """Draws a layer and g, and adds the gradient halfway: J(r)ᵀ g for `post`, A'(u)ᵀ g for `pre`."""

    def draw(rng: np.random.Generator) -> tuple[object, ...]:
        width, offset = int(rng.integers(2, 7)), float(rng.uniform(1e-5, 1))
        own, matrix, g = (rng.standard_normal((width,) * axes) for axes in (1, 2, 1))
        if norm == "pre":
            unit = (own - own.mean()) / np.sqrt(own.var() + offset)
            return own, matrix, offset, g, matrix.T @ ((1 - np.tanh(matrix @ unit) ** 2) * g)
        r = own + np.tanh(matrix @ own)
        root = np.sqrt(r.var() + offset)
        unit = (r - r.mean()) / root
        return own, matrix, offset, g, (np.eye(width) - (1 + np.outer(unit, unit)) / width) @ g / root

    return draw


def _by_autograd(norm: Norm) -> Callable[..., Tensor]:
    return lambda x, weight, eps, g: product_by_autograd(norm, x, [weight], g, eps)


@derivation(
    "post-ln-backward",
    title="One layer back, LayerNorm after the sum",
    of=r"\frac{\partial L}{\partial x_j}",
    facts=(COLUMN,),
    uses=("layer-norm-backward",),
    implements=post_ln_backward,
    arguments=(x, weight, eps, upstream, halfway),
    free_indices=(j,),
    oracles={"autograd through torch's LayerNorm": _by_autograd("post")},
    calling=_without_middle,
    instances=_draw("post"),
)
def post_ln_steps() -> Iterator[Step]:
    """The layer LN(r), r = x + A(x), for a sub-layer A of tanh units; v = J(r)ᵀ g is what LayerNorm hands back."""
    slope = (1 - _branch(k) ** 2) * weight[k, j]
    yield Step(
        total(halfway[k] * sp.Derivative(x[k] + _branch(k), x[j]), (k, dim)),
        because=r"chain rule, from the outside in: LayerNorm turns $g$ into $v = J(r)^\top g$, derived above, at "
        "$r = x + A(x)$",
    )
    yield Step(
        total(halfway[k] * (sp.KroneckerDelta(k, j) + slope), (k, dim)), because="the sum has the Jacobian $I + A'$"
    )
    yield Step(
        halfway[j] + total(slope * halfway[k], (k, dim)),
        because=r"entry $j$ of $(I + A')^\top J(r)^\top g$: both terms have passed $J(r)$",
    )


@derivation(
    "pre-ln-backward",
    title="One layer back, LayerNorm before the sub-layer",
    of=r"\frac{\partial L}{\partial x_j}",
    facts=(COLUMN,),
    uses=("layer-norm-jacobian",),
    implements=pre_ln_backward,
    arguments=(x, weight, eps, upstream, halfway, j),
    oracles={"autograd through torch's LayerNorm": _by_autograd("pre")},
    calling=lambda function: lambda *values: _without_middle(function)(*values[:-1])[int(values[-1])],
    instances=lambda rng: (*_draw("pre")(rng), int(rng.integers(0, 2))),
)
def pre_ln_steps() -> Iterator[Step]:
    """The layer x + A(u), u = LN(x); v = A'(u)ᵀ g is what the sub-layer hands back."""
    through = total(halfway[k] * jacobian(_own, k, j), (k, dim))
    yield Step(
        total(upstream[i] * sp.Derivative(x[i], x[j]), (i, dim)) + through,
        because=r"chain rule: the sum, and behind it the sub-layer, which turns $g$ into $v = A'(u)^\top g$",
    )
    yield Step(
        upstream[j] + through,
        because=r"entry $j$ of $g + J(x)^\top A'^\top g$: the first term has met neither $A'$ nor $J$",
    )
