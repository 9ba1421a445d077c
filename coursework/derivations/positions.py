"""Position embeddings as a change of bias, and attention's indifference to order (question D6)."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import sympy as sp
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from coursework.derivations.conv_gradient import array, total
from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named

inputs, places, units = sp.symbols("n e d", integer=True, positive=True)
i, j, k = sp.symbols("i j k", integer=True, nonnegative=True)
x = array("x", inputs)

_INPUTS, _PLACES = sp.Integer(3), sp.Integer(2)
"""Sizes at which the concatenation is written out."""

TOKENS = sp.Integer(3)
"""Tokens for which the permutations of attention are written out."""


@derivation(
    "positions-concatenate",
    title="Concatenated positions",
    of=r"(W [x; p])_i",
    arguments=(array("W", units, _INPUTS + _PLACES), array("x", _INPUTS), array("p", _PLACES)),
    free_indices=(i,),
    facts=(sp.Le(i, units - 1),),
    oracles={"`nn.functional.linear` on `torch.cat`": lambda W, x, p: torch.nn.functional.linear(torch.cat([x, p]), W)},
    instances=lambda rng: tuple(rng.standard_normal(shape) for shape in ((4, 5), 3, 2)),
)
def positions_concatenate() -> Iterator[Step]:
    """Three coordinates of the token and two of the position, as everywhere."""
    weight = array("W", units, _INPUTS + _PLACES)
    word, place = array("x", _INPUTS), array("p", _PLACES)
    joined = [*(word[entry] for entry in range(int(_INPUTS))), *(place[entry] for entry in range(int(_PLACES)))]
    yield Step(
        sp.Add(*(weight[i, entry] * coordinate for entry, coordinate in enumerate(joined))),
        because=f"a linear layer on the concatenation, here of {_INPUTS} and {_PLACES} coordinates",
    )
    yield Step(
        total(weight[i, j] * word[j], (j, _INPUTS)) + total(weight[i, j + _INPUTS] * place[j], (j, _PLACES)),
        because="the columns of $W$ that meet the token, and those that meet the position: $W_x x + W_p p$",
    )


@derivation(
    "positions-add",
    title="Added positions",
    of=r"(W (x + M p))_i",
    arguments=(array("W", units, inputs), array("M", inputs, places), x, array("p", places)),
    free_indices=(i,),
    facts=(sp.Le(i, units - 1),),
    oracles={"`nn.functional.linear`, twice": lambda W, M, x, p: _linear(x + _linear(p, M), W)},
    instances=lambda rng: tuple(rng.standard_normal(shape) for shape in ((2, 4), (4, 3), 4, 3)),
)
def positions_add() -> Iterator[Step]:
    """Added to the input, a position is concatenated with tied columns."""
    weight, embed, place = array("W", units, inputs), array("M", inputs, places), array("p", places)
    yield Step(
        total(weight[i, j] * (x[j] + total(embed[j, k] * place[k], (k, places))), (j, inputs)),
        because="the position's embedding $M p$ added to the token",
    )
    yield Step(
        total(weight[i, j] * x[j], (j, inputs))
        + total(weight[i, j] * total(embed[j, k] * place[k], (k, places)), (j, inputs)),
        because="linear in the input: a bias that depends on the place",
    )
    yield Step(
        total(weight[i, j] * x[j], (j, inputs))
        + total(total(weight[i, j] * embed[j, k], (j, inputs)) * place[k], (k, places)),
        because="the sums exchanged: concatenation with $W_p = W M$",
    )


def _linear(value: Tensor, weight: Tensor) -> Tensor:
    return torch.nn.functional.linear(value, weight)


_SCORES = array("s", TOKENS, TOKENS)
_VALUES = array("v", TOKENS)


def _attention(row: int) -> Named:
    """What attention returns for one token: the values, averaged with weights that its scores give."""
    weights = sp.exp(_SCORES[row, k])
    return Named("o", total(weights * _VALUES[k], (k, TOKENS)) / total(weights, (k, TOKENS)), sp.Integer(row))


def _swapped(order: Sequence[int]) -> Iterator[Step]:
    """Rows of the output for the permuted input, and the permuted rows of the output."""
    here = ", ".join(f"o_{place}" for place in range(int(TOKENS)))
    scores = sp.Matrix(int(TOKENS), int(TOKENS), lambda a, b: _SCORES[order[a], order[b]])
    values = sp.Matrix([_VALUES[place] for place in order])
    weights = scores.applyfunc(sp.exp)
    rows = [(weights.row(a) * values)[0] / sum(weights.row(a)) for a in range(int(TOKENS))]
    yield Step(
        sp.Matrix(rows),
        because="attention on the tokens in their new order: scores $s_{\\pi(i) \\pi(j)}$, values $v_{\\pi(j)}$",
    )
    yield Step(
        sp.Matrix([_attention(place) for place in order]),
        because=f"the outputs ${here}$ of the old order, moved as the tokens were: a sum does not know in which order "
        "it was added up",
    )


def _by_torch(order: Sequence[int], pooled: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """Torch's attention on permuted tokens; scores are made from queries and keys that give them."""

    def attend(scores: Tensor, values: Tensor) -> Tensor:
        place = list(order)
        key = torch.eye(int(TOKENS), dtype=scores.dtype)[place]
        out = scaled_dot_product_attention(scores[place][None], key[None], values[place, None][None], scale=1.0)
        return out.mean() if pooled else out[0]

    return attend


def _draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((3, 3)), rng.standard_normal(3)


@derivation(
    "attention-swap",
    title="Attention, two tokens swapped",
    of=r"o'",
    arguments=(_SCORES, _VALUES),
    oracles={"torch's attention on the swapped tokens": _by_torch((1, 0, 2), pooled=False)},
    instances=_draw,
)
def attention_swap() -> Iterator[Step]:
    """The first two tokens swapped."""
    yield from _swapped((1, 0, 2))


@derivation(
    "attention-cycle",
    title="Attention, tokens moved round",
    of=r"o'",
    arguments=(_SCORES, _VALUES),
    oracles={"torch's attention on the moved tokens": _by_torch((1, 2, 0), pooled=False)},
    instances=_draw,
)
def attention_cycle() -> Iterator[Step]:
    """All three tokens moved by one place. With the swap, it makes every permutation of three."""
    yield from _swapped((1, 2, 0))


@derivation(
    "attention-pooled",
    title="Attention, pooled",
    of=r"\bar{o}'",
    uses=("attention-swap", "attention-cycle"),
    arguments=(_SCORES, _VALUES),
    oracles={
        "torch, tokens swapped": _by_torch((1, 0, 2), pooled=True),
        "torch, tokens moved round": _by_torch((1, 2, 0), pooled=True),
        "torch, tokens as they were": _by_torch((0, 1, 2), pooled=True),
    },
    instances=_draw,
)
def attention_pooled() -> Iterator[Step]:
    """The mean over the rows."""
    weight = Named("a", sp.exp(_SCORES[i, j]) / total(sp.exp(_SCORES[i, k]), (k, TOKENS)), i, j)
    one, two, three = (_attention(place) for place in (1, 2, 0))
    yield Step((one + two + three) / 3, because="the mean of the rows, in any order")
    yield Step(
        total(weight * _VALUES[j], (i, TOKENS), (j, TOKENS)) / TOKENS,
        because="one double sum over all pairs of tokens: no place is left in it",
    )
