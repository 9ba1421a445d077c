"""Convolution as a linear map: its matrix, its shifts, its number of weights, its gradient (question D2)."""

from collections.abc import Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor, nn

from coursework.derivations.conv_matrix import (
    autograd_gradient,
    by_layer,
    by_matrix,
    convolve,
    count_nonzero,
    kernel_gradient,
    tied_gradient,
)
from coursework.derivations.core import Step, derivation

rows, columns, height, width = sp.symbols("m n r c", integer=True, positive=True)
i, j, k, ell, p, q = sp.symbols("i j k l p q", integer=True, nonnegative=True)
down, right = sp.symbols("a b", integer=True, nonnegative=True)
out_rows, out_columns = sp.symbols("m' n'", integer=True, positive=True)


def _array(name: str, *shape: sp.Expr | int) -> sp.IndexedBase:
    return sp.IndexedBase(sp.Symbol(name, real=True), shape=tuple(map(sp.sympify, shape)))


KERNEL = _array("w", 2, 2)
IMAGE = _array("x", 3, 3)


def _output(i: int, j: int) -> sp.Sum:
    return sp.Sum(KERNEL[k, ell] * IMAGE[i + k, j + ell], (k, 0, 1), (ell, 0, 1))


def small_matrix() -> sp.Matrix:
    """The matrix of a 2 × 2 kernel on 3 × 3 pixels, read row by row: four outputs, nine inputs."""
    places = ((divmod(row, 2), divmod(column, 3)) for row, column in np.ndindex(4, 9))
    offsets = ((below - i, right - j) for (i, j), (below, right) in places)
    return sp.Matrix(4, 9, [KERNEL[k, ell] if {k, ell} <= {0, 1} else sp.Integer(0) for k, ell in offsets])


@derivation(
    "conv-matrix",
    title="Convolution as a matrix",
    of=r"\operatorname{vec}(w \ast x)",
    implements=by_matrix,
    arguments=(KERNEL, IMAGE),
    oracles={"torch's conv2d": by_layer},
    instances=lambda rng: (rng.standard_normal((2, 2)), rng.standard_normal((3, 3))),
)
def conv_as_matrix() -> Iterator[Step]:
    """A 2 × 2 kernel on 3 × 3 pixels, everything symbolic."""
    pixels = sp.Matrix([IMAGE[place] for place in np.ndindex(3, 3)])
    yield Step(sp.Matrix([_output(*place) for place in np.ndindex(2, 2)]), because="definition, the outputs row by row")
    yield Step(small_matrix() * pixels, because="the product of $M$ with the pixels, multiplied out row by row")


def count_pairs(rows: int, columns: int, height: int, width: int) -> int:
    """Pairs of an output and a pixel inside its window, one by one."""
    outputs, pixels = np.ndindex(rows - height + 1, columns - width + 1), list(np.ndindex(rows, columns))
    return sum(0 <= row - i < height and 0 <= column - j < width for i, j in outputs for row, column in pixels)


@derivation(
    "conv-nonzeros",
    title="Entries of the matrix in use",
    of=r"\#\{M \neq 0\}",
    facts=(sp.Le(height, rows), sp.Le(width, columns)),
    implements=count_nonzero,
    arguments=(rows, columns, height, width),
    oracles={"pairs of output and input counted": count_pairs},
    calling=lambda function: lambda *sizes: function(*map(int, sizes)),
    instances=lambda rng: (*(size := rng.integers(2, 8, 2)).tolist(), *rng.integers(1, size + 1).tolist()),
)
def conv_nonzeros() -> Iterator[Step]:
    """Every output reads as many pixels as the kernel has weights."""
    ranges = (i, 0, rows - height), (j, 0, columns - width), (k, 0, height - 1), (ell, 0, width - 1)
    yield Step(sp.Sum(1, *ranges), because="one entry for each output $(i, j)$ and weight $(k, l)$")
    yield Step((rows - height + 1) * (columns - width + 1) * height * width, because="the ranges multiplied")


def shifted_output(
    w: Float[Tensor, "height width"], x: Float[Tensor, "row column"], a: Tensor, b: Tensor
) -> Float[Tensor, "row column"]:
    """The circular convolution of the image, then moved down by a and right by b."""
    return convolve(w, x, circular=True).roll((int(a), int(b)), (0, 1))


def output_of_shifted(
    w: Float[Tensor, "height width"], x: Float[Tensor, "row column"], a: Tensor, b: Tensor
) -> Float[Tensor, "row column"]:
    """The real layer with circular padding on the moved image; a kernel of odd size, placed as the layer centres it."""
    (height, width), moved = w.shape, x.roll((int(a), int(b)), (0, 1))
    layer = nn.Conv2d(
        1, 1, (height, width), padding=(height // 2, width // 2), padding_mode="circular", bias=False, dtype=x.dtype
    )
    layer.weight = nn.Parameter(w[None, None])
    return layer(moved[None, None])[0, 0].roll((-(height // 2), -(width // 2)), (0, 1)).detach()


def _draw_shift(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int, int]:
    sizes, kernel = rng.integers(3, 8, 2), 2 * rng.integers(0, 2, 2) + 1
    return (*(rng.standard_normal(tuple(shape)) for shape in (kernel, sizes)), *rng.integers(0, 5, 2).tolist())


@derivation(
    "conv-shift",
    title="Convolution and shifts",
    of=r"(w \ast S_{ab}x)_{ij}",
    implements=shifted_output,
    arguments=(_array("w", height, width), _array("x", rows, columns), down, right),
    free_indices=(i, j),
    oracles={"nn.Conv2d, circular padding, on the moved image": output_of_shifted},
    instances=_draw_shift,
)
def conv_shift() -> Iterator[Step]:
    """On an image that goes on around its edges; S moves it down by a and right by b."""
    w, x = _array("w", height, width), _array("x", rows, columns)

    def total(row: sp.Expr, column: sp.Expr) -> sp.Sum:
        return sp.Sum(w[k, ell] * x[row, column], (k, 0, height - 1), (ell, 0, width - 1))

    def mod(a: sp.Expr, b: sp.Expr) -> sp.Expr:
        return sp.Mod(a, b, evaluate=False)

    yield Step(
        total(mod(mod(i + k, rows) - down, rows), mod(mod(j + ell, columns) - right, columns)),
        because="the moved image at $(i + k, j + l)$ is the image $a$ rows higher and $b$ columns to the left",
    )
    yield Step(total(sp.Mod(i + k - down, rows), sp.Mod(j + ell - right, columns)), because="remainders of remainders")
    yield Step(
        total(mod(mod(i - down, rows) + k, rows), mod(mod(j - right, columns) + ell, columns)),
        because="the output at $(i - a, j - b)$: the convolution first, the move afterwards",
    )


OUTER = _array("g", out_rows, out_columns)


@derivation(
    "conv-tied",
    title="Gradient for a tied weight",
    of=r"\frac{\partial L}{\partial w_{kl}}",
    facts=(sp.Le(k, height - 1), sp.Le(ell, width - 1)),
    uses=("dense-gradient",),
    implements=kernel_gradient,
    arguments=(OUTER, _array("x", rows, columns)),
    free_indices=(k, ell),
    oracles={"∂L/∂M, summed over tied entries": tied_gradient, "autograd through conv2d": autograd_gradient},
    instances=lambda rng: (
        rng.standard_normal(tuple(out := rng.integers(1, 6, 2))),
        rng.standard_normal(tuple(out + rng.integers(0, 3, 2))),
    ),
)
def conv_tied() -> Iterator[Step]:
    """With g the gradient for the outputs."""
    w, x = _array("w", height, width), _array("x", rows, columns)
    outputs = (i, 0, out_rows - 1), (j, 0, out_columns - 1)
    inner = sp.Sum(w[p, q] * x[i + p, j + q], (p, 0, height - 1), (q, 0, width - 1))
    yield Step(
        sp.Derivative(sp.Sum(OUTER[i, j] * inner, *outputs), w[k, ell]),
        because="chain rule, $g = \\partial L/\\partial y$",
    )
    yield Step(sp.Sum(OUTER[i, j] * sp.Derivative(inner, w[k, ell]), *outputs), because="term by term")
    yield Step(
        sp.Sum(OUTER[i, j] * x[i + k, j + ell], *outputs),
        because="entries of $\\partial L/\\partial M$ in row $(i, j)$, column $(i + k, j + l)$, the weight's places",
    )


def matrix_gradient(g: Float[Tensor, " out"], x: Float[Tensor, " in"]) -> Float[Tensor, "out in"]:
    """∂L/∂M for y = M x, from g = ∂L/∂y."""
    return g[:, None] * x


def linear_gradient(g: Float[Tensor, " out"], x: Float[Tensor, " in"]) -> Float[Tensor, "out in"]:
    """The same by reverse mode through `nn.Linear`."""
    layer = nn.Linear(len(x), len(g), bias=False, dtype=x.dtype)
    return torch.autograd.grad(layer(x), layer.weight, g)[0]


@derivation(
    "dense-gradient",
    title="Gradient for a free matrix",
    of=r"\frac{\partial L}{\partial M_{pq}}",
    facts=(sp.Le(p, out_rows - 1), sp.Le(q, rows - 1)),
    implements=matrix_gradient,
    arguments=(_array("g", out_rows), _array("x", rows)),
    free_indices=(p, q),
    oracles={"autograd through nn.Linear": linear_gradient},
    instances=lambda rng: (rng.standard_normal(rng.integers(1, 6)), rng.standard_normal(rng.integers(1, 6))),
)
def dense_gradient() -> Iterator[Step]:
    """A product of one number for the row and one for the column, whatever M is."""
    g, x, matrix = _array("g", out_rows), _array("x", rows), _array("M", out_rows, rows)
    inner = sp.Sum(matrix[i, j] * x[j], (j, 0, rows - 1))
    yield Step(
        sp.Derivative(sp.Sum(g[i] * inner, (i, 0, out_rows - 1)), matrix[p, q]),
        because="chain rule, $g = \\partial L/\\partial y$",
    )
    yield Step(g[p] * x[q], because="only the entry's own row and column are left")
