"""Residual layers in depth: what a product of them contains, and how lengths and gradients scale (study S-TR)."""

from collections.abc import Callable, Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.conv_gradient import array, total
from coursework.derivations.core import Step, derivation
from coursework.derivations.layer_norm import COLUMN, centre, dim, i, j, k, spread, unit, upstream, x
from coursework.derivations.naming import Named
from coursework.derivations.residual_norm import Norm, weight
from coursework.derivations.slips import Claim, slip

a, b, c, q = sp.symbols("a b c q", integer=True, nonnegative=True)
layers = sp.Symbol("L", integer=True, positive=True)
growth = sp.Symbol("c", positive=True)
LOWER, NORM_LOWER, UPPER, NORM_UPPER = (array(name, dim, dim) for name in ("A", "J", "B", "K"))


def two_post(
    a: Float[Tensor, "d d"], j: Float[Tensor, "d d"], b: Float[Tensor, "d d"], k: Float[Tensor, "d d"], g: Tensor
) -> Float[Tensor, " d"]:
    """(I + a)ᵀ jᵀ (I + b)ᵀ kᵀ g."""
    one = torch.eye(len(g), dtype=g.dtype)
    return (one + a).T @ (j.T @ ((one + b).T @ (k.T @ g)))


def two_pre(
    a: Float[Tensor, "d d"], j: Float[Tensor, "d d"], b: Float[Tensor, "d d"], k: Float[Tensor, "d d"], g: Tensor
) -> Float[Tensor, " d"]:
    """(I + a j)ᵀ (I + b k)ᵀ g."""
    one = torch.eye(len(g), dtype=g.dtype)
    return (one + a @ j).T @ ((one + b @ k).T @ g)


def _by_autograd(norm: Norm) -> Callable[..., Tensor]:
    """Reverse mode through two linear layers with these Jacobians."""

    def oracle(a: Tensor, j: Tensor, b: Tensor, k: Tensor, g: Tensor) -> Tensor:
        first = torch.zeros_like(g).requires_grad_()
        h = first
        for branch, normed in ((a, j), (b, k)):
            h = normed @ (h + branch @ h) if norm == "post" else h + branch @ (normed @ h)
        return torch.autograd.grad(h, first, g)[0]

    return oracle


def _draw_two(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    width = int(rng.integers(1, 6))
    return tuple(rng.standard_normal((width,) * axes) for axes in (2, 2, 2, 2, 1))


@derivation(
    "post-ln-product",
    title="Two layers back, LayerNorm after the sum",
    of=r"\left((I + A)^\top J^\top (I + B)^\top K^\top g\right)_j",
    facts=(COLUMN,),
    uses=("post-ln-backward",),
    implements=two_post,
    arguments=(LOWER, NORM_LOWER, UPPER, NORM_UPPER, upstream),
    free_indices=(j,),
    oracles={"autograd through linear layers": _by_autograd("post")},
    instances=_draw_two,
)
def post_product() -> Iterator[Step]:
    """A and J are the Jacobians of the lower sub-layer and LayerNorm, B and K those of the upper ones."""

    def outer(row: sp.Expr) -> Named:
        return Named("v", total(NORM_UPPER[i, row] * upstream[i], (i, dim)), row)

    def inner(column: sp.Expr) -> Named:
        one = total(NORM_LOWER[b, column] * outer(b), (b, dim))
        two = total(NORM_LOWER[b, column] * total(UPPER[c, b] * outer(c), (c, dim)), (b, dim))
        return Named("w", one + two, column)

    upper = total((sp.KroneckerDelta(c, b) + UPPER[c, b]) * outer(c), (c, dim))
    yield Step(
        total((sp.KroneckerDelta(q, j) + LOWER[q, j]) * total(NORM_LOWER[b, q] * upper, (b, dim)), (q, dim)),
        because="the factors of two layers, the upper one applied first",
    )
    yield Step(
        inner(j) + total(LOWER[q, j] * inner(q), (q, dim)),
        because="multiplied out: four terms, and in each of them stand both $J$ and $K$",
    )


@derivation(
    "pre-ln-product",
    title="Two layers back, LayerNorm before the sub-layer",
    of=r"\left((I + A J)^\top (I + B K)^\top g\right)_j",
    facts=(COLUMN,),
    uses=("pre-ln-backward",),
    implements=two_pre,
    arguments=(LOWER, NORM_LOWER, UPPER, NORM_UPPER, upstream),
    free_indices=(j,),
    oracles={"autograd through linear layers": _by_autograd("pre")},
    instances=_draw_two,
)
def pre_product() -> Iterator[Step]:
    """The same four Jacobians."""

    def branch(sub: sp.IndexedBase, normed: sp.IndexedBase, row: sp.Expr, column: sp.Expr, index: sp.Symbol) -> sp.Sum:
        return total(sub[row, index] * normed[index, column], (index, dim))

    def upper(column: sp.Expr) -> Named:
        return Named("w", total(branch(UPPER, NORM_UPPER, c, column, i) * upstream[c], (c, dim)), column)

    factor = sp.KroneckerDelta(q, j) + branch(LOWER, NORM_LOWER, q, j, a)
    inner = total((sp.KroneckerDelta(c, q) + branch(UPPER, NORM_UPPER, c, q, i)) * upstream[c], (c, dim))
    yield Step(total(factor * inner, (q, dim)), because="the factors of two layers, the upper one applied first")
    yield Step(
        upstream[j] + upper(j) + total(branch(LOWER, NORM_LOWER, q, j, a) * (upstream[q] + upper(q)), (q, dim)),
        because="multiplied out: the first term is $g$ itself, untouched, and each further layer adds terms to it",
    )


def outer_norm(v: Float[Tensor, " out"], h: Float[Tensor, " in"]) -> Float[Tensor, ""]:
    """Squared Frobenius norm of v hᵀ."""
    return torch.outer(v, h).square().sum()


_V, _H = array("v", dim), array("h", sp.Symbol("m", integer=True, positive=True))


@derivation(
    "ffn-gradient-norm",
    title="Gradient of the last matrix",
    of=r"\lVert \partial L / \partial W_2 \rVert_F^2",
    implements=outer_norm,
    arguments=(_V, _H),
    oracles={
        "autograd": lambda v, h: (
            torch.autograd.grad(v @ (w := torch.zeros(len(v), len(h), dtype=v.dtype, requires_grad=True)) @ h, w)[0]
            .square()
            .sum()
        )
    },
    instances=lambda rng: (rng.standard_normal(4), rng.standard_normal(3)),
)
def ffn_gradient_norm() -> Iterator[Step]:
    """The loss of one position, r = … + W₂ h, with v = ∂L/∂r."""
    size = _H.shape[0]
    yield Step(
        total(total((_V[i] * _H[k]) ** 2, (k, size)), (i, dim)),
        because=r"entry $(i, k)$ of the gradient is $v_i h_k$, by the chain rule",
    )
    yield Step(
        total(_V[i] ** 2, (i, dim)) * total(_H[k] ** 2, (k, size)),
        because="a product of two lengths: that of the hidden units and that of the gradient for the sum",
    )


@derivation("residual-growth", title="Length of the residual sum", of=r"\operatorname{E} \lVert x_{L+1} \rVert^2")
def residual_growth() -> Iterator[Step]:
    """Induction step for a layer whose sub-layers add independent vectors of mean zero, c d in squared length."""
    yield Step(
        dim * (1 + growth * layers) + growth * dim,
        because=r"claimed for $L$ layers; one more adds $c\, d$, and no mixed term, as its mean is zero",
    )
    yield Step(dim * (1 + growth * (layers + 1)), because="claimed for $L + 1$: linear in depth")


def local_exponent(depth: Float[Tensor, ""], growth: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Slope of log (1 + growth · depth)^(−1/2) against log depth."""
    return -growth * depth / (2 * (1 + growth * depth))


def _exponent_by_autograd(depth: Tensor, growth: Tensor) -> Tensor:
    return torch.func.grad(lambda u: -0.5 * torch.log1p(growth * u.exp()))(depth.log())


_DEPTH = sp.Symbol("L", positive=True)


@derivation(
    "depth-exponent",
    title="Exponent of the gradient in depth",
    of=r"L \frac{\partial}{\partial L} \log \frac{1}{\sqrt{1 + c L}}",
    uses=("residual-growth", "ffn-gradient-norm"),
    implements=local_exponent,
    arguments=(_DEPTH, growth),
    oracles={"autograd on a logarithmic axis": _exponent_by_autograd},
)
def depth_exponent() -> Iterator[Step]:
    """Depth as a real number; the slope of a curve on two logarithmic axes."""
    yield Step(
        _DEPTH * sp.Derivative(-sp.log(1 + growth * _DEPTH) / 2, _DEPTH),
        because=r"the gradient falls as $1/\lVert x \rVert$, and $\lVert x \rVert^2 = (1 + c L)\, d$",
    )
    yield Step(-growth * _DEPTH / (2 * (1 + growth * _DEPTH)), because="chain rule")
    yield Step(
        -sp.Rational(1, 2) + 1 / (2 * (1 + growth * _DEPTH)),
        because="minus a half in the limit of depth; nearer to zero for few layers, where the first term of $1 + c L$ "
        "still counts",
    )


@slip(
    "norm-of-branch",
    title="LayerNorm on the wrong side of the sub-layer",
    says="Calls x + LN(A(x)) pre-LN: there LayerNorm stands before the sum but after the sub-layer, which reads x as "
    "long as it has grown.",
    source="a course document's equation for pre-LN",
    facts=(sp.Le(i, dim - 1),),
    derivation="pre-ln-backward",
)
def norm_of_branch() -> Claim:
    """A linear sub-layer, for which both can be written out."""

    def own(row: sp.Expr) -> sp.Expr:
        return x[row]

    def branch(row: sp.Expr) -> sp.Expr:
        return total(weight[row, q] * x[q], (q, dim))

    def read(row: sp.Expr) -> Named:
        return unit(own, row, "u")

    quantity = x[i] + total(weight[i, q] * read(q), (q, dim))
    right = x[i] + (branch(i) - centre(own) * total(weight[i, q], (q, dim))) / spread(own)
    return Claim(quantity, wrong=x[i] + unit(branch, i, r"\hat{A}", r"\sigma_A", r"\mu_A"), right=right)


@slip(
    "layer-norm-as-division",
    title="LayerNorm as if it only divided",
    says="Takes LayerNorm's Jacobian for the identity divided by the standard deviation, as if mean and deviation "
    "were constants.",
    source="a common shortcut",
    facts=(sp.Ge(dim, 2), sp.Le(i, dim - 1), COLUMN),
    derivation="layer-norm-jacobian",
)
def layer_norm_as_division() -> Claim:
    """Without the mean's and the deviation's own derivatives."""

    def own(row: sp.Expr) -> sp.Expr:
        return x[row]

    delta = sp.KroneckerDelta(i, j)
    quantity = sp.Derivative(unit(own, i), x[j])
    right = (delta - 1 / dim) / spread(own) - (x[i] - centre(own)) * (x[j] - centre(own)) / (dim * spread(own) ** 3)
    return Claim(quantity, wrong=delta / spread(own), right=right)
