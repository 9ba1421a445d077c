"""Nets with one input, one output and ReLU, as plain layers: exact weights for a sawtooth, exact counts of pieces."""

import itertools
from collections.abc import Sequence
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

Layer = tuple[Float[Tensor, "_ _"], Float[Tensor, "_"]]
"""Weight (out, in) and bias (out,); a net is a sequence of them, with ReLU between."""

Line = tuple[Fraction, Fraction]
"""Slope and value at 0."""

Piece = tuple[Fraction, Fraction, list[Line]]
"""Left end, right end, and the line that each unit follows between them."""


def triangle(x: Float[Tensor, "*shape"], power: int = 1) -> Float[Tensor, "*shape"]:
    """The triangle map 1 − |2x − 1| of 0…1 onto itself, composed `power` times; nothing but its definition."""
    for _ in range(power):
        x = 1 - (2 * x - 1).abs()
    return x


def deep_sawtooth(power: int) -> list[Layer]:
    """`power` hidden layers of two ReLU units that are, on 0…1, the triangle map composed `power` times.

    Two units, relu(x) and relu(x − 1/2), give the map as 2 relu(x) − 4 relu(x − 1/2); the next layer reads that.
    """
    both, fold = torch.ones(2, 1, dtype=torch.float64), torch.tensor([[2.0, -4.0]], dtype=torch.float64)
    bias = torch.tensor([0.0, -0.5], dtype=torch.float64)
    hidden = [(both, bias), *((both @ fold, bias) for _ in range(power - 1))]
    return [*hidden, (fold, torch.zeros(1, dtype=torch.float64))]


def shallow_sawtooth(power: int) -> list[Layer]:
    """One hidden layer of 2^power ReLU units with the same values: each unit after the first turns one corner."""
    count = 2**power
    corners = torch.arange(count, dtype=torch.float64) / count
    turns = 2 * count * (-1.0) ** torch.arange(count, dtype=torch.float64)
    turns[0] = count
    return [
        (torch.ones(count, 1, dtype=torch.float64), -corners),
        (turns[None], torch.zeros(1, dtype=torch.float64)),
    ]


def evaluate(layers: Sequence[Layer], x: Float[Tensor, " point"]) -> Float[Tensor, " point"]:
    """The net's output at every point."""
    h = x[:, None]
    for weight, bias in layers[:-1]:
        h = torch.relu(h @ weight.T + bias)
    weight, bias = layers[-1]
    return (h @ weight.T + bias)[:, 0]


def count_parameters(layers: Sequence[Layer]) -> int:
    """Weights and biases, zeros included."""
    return sum(weight.numel() + bias.numel() for weight, bias in layers)


def count_units(layers: Sequence[Layer]) -> int:
    """Hidden units."""
    return sum(len(bias) for _, bias in layers[:-1])


def linear_pieces(layers: Sequence[Layer]) -> list[tuple[Fraction, Fraction, Line]]:
    """The net on 0…1 as straight pieces (left end, right end, line), in exact arithmetic on its weights as they are.

    Neighbouring pieces that follow one line are merged, so that the length of the list is the number of pieces.
    """
    pieces: list[Piece] = [(Fraction(0), Fraction(1), [(Fraction(1), Fraction(0))])]
    for number, (weight, bias) in enumerate(layers):
        rows = [[Fraction(value) for value in row] for row in weight.tolist()]
        offsets = [Fraction(value) for value in bias.tolist()]
        pieces = [(low, high, _affine(rows, offsets, lines)) for low, high, lines in pieces]
        if number < len(layers) - 1:
            pieces = [part for piece in pieces for part in _rectified(piece)]
    merged: list[tuple[Fraction, Fraction, Line]] = []
    for low, high, (line,) in pieces:
        if merged and merged[-1][2] == line:
            low = merged.pop()[0]
        merged.append((low, high, line))
    return merged


def count_pieces(layers: Sequence[Layer]) -> int:
    """Number of straight pieces of the net on 0…1, exact."""
    return len(linear_pieces(layers))


def most_pieces(widths: Sequence[int]) -> int:
    """The largest number of pieces that hidden layers of these widths can make: the product of width + 1.

    On a piece of what a layer reads, each of its units is a straight line and bends once at the most.
    """
    bound = 1
    for width in widths:
        bound *= width + 1
    return bound


def smallest_width(pieces: int, depth: int) -> int:
    """The smallest width at which `depth` equal hidden layers may have that many pieces: the bound allows no less.

    >>> smallest_width(1024, 1), smallest_width(1024, 2), smallest_width(1024, 10)
    (1023, 31, 1)
    """
    width = 1
    while most_pieces([width] * depth) < pieces:
        width += 1
    return width


def _affine(rows: list[list[Fraction]], offsets: list[Fraction], lines: list[Line]) -> list[Line]:
    out = []
    for row, offset in zip(rows, offsets, strict=True):
        used = [(value, line) for value, line in zip(row, lines, strict=True) if value]
        slope = sum((value * line[0] for value, line in used), Fraction(0))
        out.append((slope, offset + sum((value * line[1] for value, line in used), Fraction(0))))
    return out


def _rectified(piece: Piece) -> list[Piece]:
    """The piece cut where units change sign, each unit its line or zero."""
    low, high, lines = piece
    roots = {-start / slope for slope, start in lines if slope}
    ends = [low, *sorted(root for root in roots if low < root < high), high]
    flat = (Fraction(0), Fraction(0))
    out = []
    for left, right in itertools.pairwise(ends):
        middle = (left + right) / 2
        out.append((left, right, [line if line[0] * middle + line[1] > 0 else flat for line in lines]))
    return out
