"""The gradient of a broadcast loss: a convolution with one output against one image of targets (question D5)."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy as sp
import torch

from coursework.derivations.broadcast_loss import (
    autograd_gradients,
    broadcast_gradients,
    broadcast_loss,
    difference_gradients,
)
from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.derivations.triangle import Instances

ORACLES = {"autograd through nn.Conv2d": autograd_gradients, "central differences": difference_gradients}

rows, columns = sp.symbols("m n", integer=True, positive=True)
i, j, k, ell, p, q = sp.symbols("i j k l p q", integer=True, nonnegative=True)
bias = sp.Symbol("b", real=True)
OUTPUT = sp.Symbol("s", real=True)
INSIDE = (sp.Le(p, rows - 1), sp.Le(q, columns - 1))
"""The weight's place is one of the image's pixels."""


def array(name: str, *shape: sp.Expr) -> sp.IndexedBase:
    """An array of real numbers."""
    return sp.IndexedBase(sp.Symbol(name, real=True), shape=shape)


weight = array("w", rows, columns)
image = array("x", rows, columns)
target = array("y", rows, columns)


def total(term: sp.Expr, *ranges: tuple[sp.Symbol, sp.Expr]) -> sp.Sum:
    """The sum over indices that run from 0, each given with the length of its axis."""
    return sp.Sum(term, *((index, 0, size - 1) for index, size in ranges))


def output(w: sp.IndexedBase, x: sp.IndexedBase) -> Named:
    """The layer's one output number."""
    height, width = w.shape
    return Named("s", total(w[k, ell] * x[k, ell], (k, height), (ell, width)) + bias)


def pixels(term: sp.Expr) -> sp.Sum:
    """The sum over the pixels (i, j) of a target."""
    return total(term, (i, rows), (j, columns))


Shape = Callable[[int, int, int], tuple[int, ...]]


def random_instances(x_shape: Shape, y_shape: Shape) -> Instances:
    """Draws weight, bias, x and y: standard normal, of shapes given for a random batch size and image size."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
        size, num_rows, num_columns = (int(rng.integers(1, top)) for top in (4, 8, 8))
        shapes = [(num_rows, num_columns), *(shape(size, num_rows, num_columns) for shape in (x_shape, y_shape))]
        w, x, y = (rng.standard_normal(shape) for shape in shapes)
        return w, float(rng.standard_normal()), x, y

    return draw


def _single(part: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Call with one image, given its channel axis; take the weight's gradient (0) or the bias's (1)."""
    return lambda function: lambda w, b, x, y: function(w, b, x[None], y)[part]


@derivation(
    "conv-loss",
    title="Broadcast loss, a parabola",
    of="L",
    implements=broadcast_loss,
    arguments=(OUTPUT, target),
    oracles={"torch's mse_loss, summed": lambda s, y: torch.nn.functional.mse_loss(s.expand_as(y), y, reduction="sum")},
    instances=lambda rng: (float(rng.standard_normal()), rng.standard_normal(tuple(rng.integers(1, 8, 2)))),
)
def conv_loss() -> Iterator[Step]:
    """Completing the square; the output is a free number here."""
    s, size = OUTPUT, rows * columns
    mean = Named(r"\bar{y}", pixels(target[i, j]) / size)
    yield Step(pixels((s - target[i, j]) ** 2), because="every target pixel is compared with the one output $s$")
    yield Step(
        size * s**2 - 2 * s * pixels(target[i, j]) + pixels(target[i, j] ** 2),
        because="the square expanded; the output is the same in every term",
    )
    yield Step(
        size * (s - mean) ** 2 + pixels(target[i, j] ** 2) - size * mean**2,
        because="the square completed: only the first term depends on the output",
    )
    yield Step(
        size * (s - mean) ** 2 + pixels((target[i, j] - mean) ** 2),
        because="the rest is the spread of the target about its mean, which is left when the output is that mean",
    )


@derivation(
    "conv-gradient",
    title="Broadcast loss: weight",
    of=r"\frac{\partial L}{\partial w_{pq}}",
    facts=INSIDE,
    implements=broadcast_gradients,
    arguments=(weight, bias, image, target),
    free_indices=(p, q),
    oracles=ORACLES,
    calling=_single(0),
    instances=random_instances(lambda size, m, n: (m, n), lambda size, m, n: (m, n)),
)
def conv_gradient() -> Iterator[Step]:
    """An image of any size m × n and a kernel of the same size, so that there is one output."""
    s, w = output(weight, image), weight[p, q]
    yield Step(sp.Derivative(pixels((s - target[i, j]) ** 2), w), because="definition of the loss, broadcast")
    yield Step(pixels(sp.Derivative((s - target[i, j]) ** 2, w)), because="a finite sum, term by term")
    yield Step(pixels(2 * (s - target[i, j]) * sp.Derivative(s, w)), because="chain rule")
    yield Step(
        pixels(2 * (s - target[i, j]) * image[p, q]),
        because="the output is linear in the weight: only its own pixel is left",
    )
    yield Step(2 * pixels(s - target[i, j]) * image[p, q], because="the pixel $x_{pq}$ does not depend on $i$ and $j$")
    yield Step(
        2 * (rows * columns * s - pixels(target[i, j])) * image[p, q],
        because="nor does the output $s$: it is counted once per target pixel",
    )


@derivation(
    "conv-bias",
    title="Broadcast loss: bias",
    of=r"\frac{\partial L}{\partial b}",
    implements=broadcast_gradients,
    arguments=(weight, bias, image, target),
    oracles=ORACLES,
    calling=_single(1),
    instances=random_instances(lambda size, m, n: (m, n), lambda size, m, n: (m, n)),
)
def conv_gradient_bias() -> Iterator[Step]:
    """As for the weight, with one in the place of the pixel."""
    s = output(weight, image)
    yield Step(sp.Derivative(pixels((s - target[i, j]) ** 2), bias), because="definition of the loss, broadcast")
    yield Step(pixels(2 * (s - target[i, j]) * sp.Derivative(s, bias)), because="chain rule, term by term")
    yield Step(2 * pixels(s - target[i, j]), because="the bias enters the output with factor one")
    yield Step(2 * (rows * columns * s - pixels(target[i, j])), because="the output is counted once per target pixel")


_SIDE = sp.Integer(32)


@derivation(
    "conv-32",
    title="Broadcast loss, 32 × 32: weight",
    of=r"\frac{\partial L}{\partial w_{pq}}",
    facts=(sp.Le(p, _SIDE - 1), sp.Le(q, _SIDE - 1)),
    uses=("conv-gradient",),
    implements=broadcast_gradients,
    arguments=tuple(array(name, _SIDE, _SIDE) if name != "b" else bias for name in "wbxy"),
    free_indices=(p, q),
    oracles={"autograd through nn.Conv2d": autograd_gradients},
    calling=_single(0),
    instances=lambda rng: tuple(rng.standard_normal((32, 32) if name != "b" else ()) for name in "wbxy"),
)
def conv_gradient_32() -> Iterator[Step]:
    """32 × 32 pixels: the count is 1,024."""
    w, x, y = (array(name, _SIDE, _SIDE) for name in "wxy")
    s = output(w, x)
    loss = total((s - y[i, j]) ** 2, (i, _SIDE), (j, _SIDE))
    yield Step(sp.Derivative(loss, w[p, q]), because="definition of the loss, broadcast")
    yield Step(
        2 * (_SIDE**2 * s - total(y[i, j], (i, _SIDE), (j, _SIDE))) * x[p, q],
        because="the general result at this size",
    )
