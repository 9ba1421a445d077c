"""The broadcast loss over a batch: what the shape of the targets makes of it (question D5)."""

from collections.abc import Callable, Iterator
from typing import Any

import sympy as sp

from coursework.derivations.broadcast_loss import broadcast_gradients
from coursework.derivations.conv_gradient import (
    INSIDE,
    ORACLES,
    array,
    bias,
    columns,
    ell,
    i,
    j,
    k,
    p,
    q,
    random_instances,
    rows,
    target,
    total,
    weight,
)
from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named

batch = sp.Symbol("B", integer=True, positive=True)
c, d = sp.symbols("c d", integer=True, nonnegative=True)
images = array("x", batch, rows, columns)
targets = array("y", batch, rows, columns)

WEIGHT = r"\frac{\partial L}{\partial w_{pq}}"
BIAS = r"\frac{\partial L}{\partial b}"
_IMAGES, _IMAGE = (lambda size, m, n: (size, m, n)), (lambda size, m, n: (m, n))
SHARED = {"arguments": (weight, bias, images, target), "instances": random_instances(_IMAGES, _IMAGE)}
SEVERAL = {"arguments": (weight, bias, images, targets), "instances": random_instances(_IMAGES, _IMAGES)}


def _calling(part: int, *, paired: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a batch its channel axis, and the targets one too if they are paired with it; take one of two gradients."""
    return lambda function: lambda w, b, x, y: function(w, b, x[:, None], y[:, None] if paired else y)[part]


def _steps(
    compared: sp.Expr, others: tuple[tuple[sp.Symbol, sp.Expr], ...], parameter: sp.Expr, shapes: str
) -> Iterator[Step]:
    """The gradient when output c is compared with `compared`, whose indices besides c are `others` and the pixels'."""
    s = Named("s", total(weight[k, ell] * images[c, k, ell], (k, rows), (ell, columns)) + bias, c)
    factor = sp.Integer(1) if parameter == bias else images[c, p, q]
    everything = (c, batch), *others, (i, rows), (j, columns)
    count = sp.prod([size for _, size in others]) * rows * columns
    yield Step(sp.Derivative(total((s - compared) ** 2, *everything), parameter), because=shapes)
    yield Step(
        total(2 * (s - compared) * factor, *everything), because="chain rule; each output is linear in weight and bias"
    )
    yield Step(
        total(2 * (count * s - total(compared, *everything[1:])) * factor, (c, batch)),
        because="the inner sums, for each example",
    )


def _shared(parameter: sp.Expr) -> Iterator[Step]:
    yield from _steps(
        target[i, j], (), parameter, "differences of shape $(B, 1, m, n)$: every output meets the one target"
    )


def _paired(parameter: sp.Expr) -> Iterator[Step]:
    yield from _steps(
        targets[c, i, j], (), parameter, "differences of shape $(B, 1, m, n)$: every output meets its own target"
    )


def _crossed(parameter: sp.Expr) -> Iterator[Step]:
    reason = "differences of shape $(B, B, m, n)$: every output meets every target of the batch"
    yield from _steps(targets[d, i, j], ((d, batch),), parameter, reason)


@derivation(
    "conv-shared",
    title="Batch, one target: weight",
    of=WEIGHT,
    facts=INSIDE,
    free_indices=(p, q),
    uses=("conv-gradient",),
    implements=broadcast_gradients,
    oracles=ORACLES,
    calling=_calling(0),
    **SHARED,
)
def shared_weight() -> Iterator[Step]:
    """Output (B, 1, 1, 1) against target (m, n)."""
    yield from _shared(weight[p, q])


@derivation(
    "conv-shared-bias",
    title="Batch, one target: bias",
    of=BIAS,
    uses=("conv-bias",),
    implements=broadcast_gradients,
    oracles=ORACLES,
    calling=_calling(1),
    **SHARED,
)
def shared_bias() -> Iterator[Step]:
    """Output (B, 1, 1, 1) against target (m, n)."""
    yield from _shared(bias)


@derivation(
    "conv-paired",
    title="Batch, paired targets: weight",
    of=WEIGHT,
    facts=INSIDE,
    free_indices=(p, q),
    uses=("conv-gradient",),
    implements=broadcast_gradients,
    oracles=ORACLES,
    calling=_calling(0, paired=True),
    **SEVERAL,
)
def paired_weight() -> Iterator[Step]:
    """Output (B, 1, 1, 1) against targets (B, 1, m, n)."""
    yield from _paired(weight[p, q])


@derivation(
    "conv-paired-bias",
    title="Batch, paired targets: bias",
    of=BIAS,
    uses=("conv-bias",),
    implements=broadcast_gradients,
    oracles=ORACLES,
    calling=_calling(1, paired=True),
    **SEVERAL,
)
def paired_bias() -> Iterator[Step]:
    """Output (B, 1, 1, 1) against targets (B, 1, m, n)."""
    yield from _paired(bias)


@derivation(
    "conv-crossed",
    title="Batch, crossed targets: weight",
    of=WEIGHT,
    facts=INSIDE,
    free_indices=(p, q),
    uses=("conv-gradient",),
    implements=broadcast_gradients,
    oracles=ORACLES,
    calling=_calling(0),
    **SEVERAL,
)
def crossed_weight() -> Iterator[Step]:
    """Output (B, 1, 1, 1) against targets (B, m, n), which broadcasting aligns from the right."""
    yield from _crossed(weight[p, q])


@derivation(
    "conv-crossed-bias",
    title="Batch, crossed targets: bias",
    of=BIAS,
    uses=("conv-paired-bias",),
    implements=broadcast_gradients,
    oracles=ORACLES,
    calling=_calling(1),
    **SEVERAL,
)
def crossed_bias() -> Iterator[Step]:
    """Output (B, 1, 1, 1) against targets (B, m, n), which broadcasting aligns from the right."""
    yield from _crossed(bias)
    paired = tuple(_paired(bias))
    yield Step(
        batch * paired[-1].expression, because="$B$ times the gradient for paired targets: no sign of the mistake"
    )
