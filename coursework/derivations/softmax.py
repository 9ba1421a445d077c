"""Rows of attention weights: what they add up to, when they are one pixel, and their gradient (question D7)."""

from collections.abc import Iterator

import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.conv_gradient import array, total
from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.derivations.slips import Claim, slip

words, dim = sp.symbols("n d", integer=True, positive=True)
equal = sp.Symbol("k", integer=True, positive=True)
margin = sp.Symbol("m", real=True)
i, j, ell, c = sp.symbols("i j l c", integer=True, nonnegative=True)
scores = array("s", words)

SOURCE = sp.Integer(4)
"""Source words for which the row is written out."""

_ROW = array("s", SOURCE)
_INSIDE = (sp.Le(i, words - 1), sp.Le(j, words - 1))


def softmax_jacobian(s: Float[Tensor, " source"]) -> Float[Tensor, "source source"]:
    """With a = softmax(s), diag(a) − a aᵀ: entry (i, j) is how weight i changes with score j."""
    weights = torch.softmax(s, -1)
    return weights.diag() - torch.outer(weights, weights)


def _jacobian_by_torch(s: Tensor) -> Tensor:
    return torch.func.jacrev(lambda x: torch.softmax(x, -1))(s)


def context_slope(
    s: Float[Tensor, " source"], states: Float[Tensor, "source feature"]
) -> Float[Tensor, "feature source"]:
    """Entry (c, j) is how coordinate c of the context Σ aᵢ hᵢ changes with score j: a_j (h_jc − context_c)."""
    weights = torch.softmax(s, -1)
    return (weights[:, None] * (states - weights @ states)).T


def _weight(place: sp.Expr, row: sp.IndexedBase, length: sp.Expr) -> sp.Expr:
    return sp.exp(row[place]) / total(sp.exp(row[ell]), (ell, length))


def _named_weight(place: sp.Expr, row: sp.IndexedBase = scores, length: sp.Expr = words) -> Named:
    return Named(r"\alpha", _weight(place, row, length), place)


@derivation(
    "softmax-row",
    title="A row of weights adds up to one",
    of=r"\sum_i \alpha_i",
    arguments=(_ROW,),
    oracles={"`torch.softmax`, added up": lambda s: torch.softmax(s, -1).sum()},
    instances=lambda rng: (5 * rng.standard_normal(4),),
)
def softmax_row() -> Iterator[Step]:
    """Four words; for any number the same."""
    normaliser = Named("Z", total(sp.exp(_ROW[ell]), (ell, SOURCE)))
    yield Step(
        total(sp.exp(_ROW[i]) / normaliser, (i, SOURCE)), because="definition of softmax, one weight per source word"
    )
    yield Step(total(sp.exp(_ROW[i]), (i, SOURCE)) / normaliser, because="the normaliser is the same for the whole row")
    yield Step(sp.Integer(1), because="the sum above the line is the normaliser")


@derivation(
    "softmax-others",
    title="What one weight leaves to the others",
    of=r"\sum_{i \neq 0} \alpha_i",
    uses=("softmax-row",),
    arguments=(_ROW,),
    oracles={"`torch.softmax`": lambda s: torch.softmax(s, -1)[1:].sum()},
    instances=lambda rng: (2 * rng.standard_normal(4),),
)
def softmax_others() -> Iterator[Step]:
    """The first weight against the rest; any other one likewise."""
    above = total(sp.exp(_ROW[i + 1]), (i, SOURCE - 1))
    below = total(sp.exp(_ROW[ell]), (ell, SOURCE))
    yield Step(above / below, because="all weights but one")
    yield Step(
        1 - _named_weight(sp.Integer(0), _ROW, SOURCE),
        because="the row adds up to one: these are non-negative terms, so that they vanish all together, and just when "
        "the first weight is one",
    )


@derivation(
    "softmax-margin",
    title="How white the best word is",
    of=r"\max_i \alpha_i",
    arguments=(scores[0], margin, words),
    oracles={"`torch.softmax`": lambda s, m, n: torch.softmax(torch.cat([s[None], (s - m).expand(int(n) - 1)]), -1)[0]},
    instances=lambda rng: (*rng.standard_normal(2), float(rng.integers(1, 9))),
)
def softmax_margin() -> Iterator[Step]:
    """One score, and all others lower by the same margin."""
    best = scores[0]
    yield Step(
        sp.exp(best) / (sp.exp(best) + total(sp.exp(best - margin), (i, words - 1))),
        because="one score ahead of $n - 1$ others by a margin $m$",
    )
    yield Step(
        sp.exp(best) / (sp.exp(best) + (words - 1) * sp.exp(best) * sp.exp(-margin)), because="the others are equal"
    )
    yield Step(1 / (1 + (words - 1) * sp.exp(-margin)), because="the best score cancels: only the margin counts")


@derivation(
    "softmax-equal",
    title="A row of equal pixels",
    of=r"\alpha_i",
    arguments=(scores[0], equal),
    oracles={"`torch.softmax`": lambda s, k: torch.softmax(s.expand(int(k)), -1)[0]},
    instances=lambda rng: (float(rng.standard_normal()), float(rng.integers(1, 9))),
)
def softmax_equal() -> Iterator[Step]:
    """Equal scores for k words, and none to speak of for the others."""
    score = scores[0]
    yield Step(sp.exp(score) / total(sp.exp(score), (i, equal)), because="$k$ words with the same score")
    yield Step(1 / equal, because="a sum of $k$ equal terms")


@derivation(
    "softmax-jacobian",
    title="Gradient of the weights",
    of=r"\frac{\partial \alpha_i}{\partial s_j}",
    facts=_INSIDE,
    implements=softmax_jacobian,
    arguments=(scores, i, j),
    oracles={"`torch.func.jacrev` of `torch.softmax`": _jacobian_by_torch},
    calling=lambda function: lambda s, row, column: function(s)[int(row), int(column)],
    instances=lambda rng: (rng.standard_normal(5), *(int(place) for place in rng.integers(0, 5, 2))),
)
def softmax_gradient() -> Iterator[Step]:
    """Any number of words: entries of diag(a) − a aᵀ."""
    normaliser = Named("Z", total(sp.exp(scores[ell]), (ell, words)))
    above = sp.exp(scores[i])
    delta = sp.KroneckerDelta(i, j)
    yield Step(sp.Derivative(above / normaliser, scores[j]), because="definition of softmax")
    yield Step(
        delta * above / normaliser - above * sp.exp(scores[j]) / normaliser**2,
        because="quotient rule; $s_j$ is in the normaliser whatever $i$ is",
    )
    yield Step(
        _named_weight(i) * (delta - _named_weight(j)),
        because=r"both fractions are weights: entry $(i, j)$ of $\operatorname{diag}(\alpha) - \alpha \alpha^\top$",
    )


@derivation(
    "softmax-jacobian-rows",
    title="The gradient's columns add up to zero",
    of=r"\sum_i \frac{\partial \alpha_i}{\partial s_j}",
    uses=("softmax-row", "softmax-jacobian"),
    facts=(sp.Le(j, SOURCE - 1),),
    arguments=(_ROW,),
    oracles={
        "`torch.func.jacrev`, columns added up": lambda s: _jacobian_by_torch(s).sum(0),
        "rows added up": lambda s: _jacobian_by_torch(s).sum(1),
    },
    instances=lambda rng: (rng.standard_normal(4),),
)
def softmax_jacobian_rows() -> Iterator[Step]:
    """What one word gains, the others lose; the matrix is symmetric, so its rows add up to zero as well."""
    mine = _named_weight(j, _ROW, SOURCE)
    others = total(_weight(i, _ROW, SOURCE), (i, SOURCE))
    yield Step(
        total(_weight(i, _ROW, SOURCE) * (sp.KroneckerDelta(i, j) - mine), (i, SOURCE)),
        because="the entries just derived",
    )
    yield Step(mine - mine * others, because="the sum taken term by term")
    yield Step(sp.Integer(0), because="the weights add up to one")


_STATES = array("h", words, dim)


@derivation(
    "attention-context",
    title="Gradient of the context",
    of=r"\frac{\partial r_c}{\partial s_j}",
    uses=("softmax-jacobian",),
    facts=(*_INSIDE[1:], sp.Le(c, dim - 1)),
    implements=context_slope,
    arguments=(scores, _STATES),
    free_indices=(c, j),
    oracles={"`torch.func.jacrev`": lambda s, h: torch.func.jacrev(lambda x: torch.softmax(x, -1) @ h)(s)},
    instances=lambda rng: (rng.standard_normal(5), rng.standard_normal((5, 3))),
)
def attention_context() -> Iterator[Step]:
    """The context r = Σ αᵢ hᵢ that the decoder reads."""
    context = Named("r", total(_named_weight(i) * _STATES[i, c], (i, words)), c)
    entry = _named_weight(i) * (sp.KroneckerDelta(i, j) - _named_weight(j))
    yield Step(total(_STATES[i, c] * entry, (i, words)), because="chain rule with the entries derived above")
    yield Step(
        _named_weight(j) * (_STATES[j, c] - context),
        because="a score rises where its word's state points farther along than the context does; a weight of zero "
        "stops the gradient",
    )


@slip(
    "softmax-diagonal",
    title="Softmax as if word by word",
    says="The gradient of softmax taken entry by entry, as a logistic function's: the other weights do not move.",
    source="a common shortcut",
    facts=_INSIDE,
    derivation="softmax-jacobian",
)
def softmax_diagonal() -> Claim:
    """Only the diagonal of diag(a) − a aᵀ."""
    quantity = sp.Derivative(_weight(i, scores, words), scores[j])
    mine, other = _named_weight(i), _named_weight(j)
    delta = sp.KroneckerDelta(i, j)
    return Claim(quantity, wrong=delta * mine * (1 - mine), right=mine * (delta - other))
