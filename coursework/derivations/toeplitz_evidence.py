"""Evidence for question D2: matrix against layer, parameters counted on real modules, one step of a freed matrix."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from coursework.data import load
from coursework.derivations.conv_matrix import conv_matrix, convolve, kernel_gradient
from coursework.derivations.toeplitz import matrix_gradient
from coursework.runs import Run

TOLERANCE = 1e-12
SIDE = 8
SHIFTS = tuple(itertools.product(range(SIDE), repeat=2))
NETS = {"cnn": "convolutional", "mlp": "fully connected, same size", "wide": "fully connected, wide"}

LAYERS = {"1 to 16 channels, 28 × 28": (28, 1, 16), "3 to 64 channels, 224 × 224": (224, 3, 64)}
"""Image side, channels in and channels out of layers that keep the image's size, with kernels of 3 × 3 pixels."""


def largest_discrepancy(count: int, seed: int = 0) -> float:
    """The largest relative difference between matrix product and torch's conv2d over `count` random instances."""
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for instance in range(count):
        rows, columns = torch.randint(3, 15, (2,), generator=generator).tolist()
        height = int(torch.randint(1, rows + 1, (), generator=generator))
        width = int(torch.randint(1, columns + 1, (), generator=generator))
        kernel, x = (
            torch.randn(*shape, generator=generator, dtype=torch.float64)
            for shape in ((height, width), (rows, columns))
        )
        circular = instance % 2 == 1
        expected = convolve(kernel, x, circular=circular).flatten()
        found = conv_matrix(kernel, rows, columns, circular=circular) @ x.flatten()
        worst = max(worst, float((found - expected).abs().max() / expected.abs().max().clamp(min=1)))
    return worst


def parameter_table() -> pd.DataFrame:
    """Weights and biases of a convolution and of a linear layer between the same images, counted on torch's modules."""
    rows = []
    for name, (side, inputs, outputs) in LAYERS.items():
        with torch.device("meta"):
            conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            dense = nn.Linear(inputs * side**2, outputs * side**2)
        counts = [sum(parameter.numel() for parameter in layer.parameters()) for layer in (conv, dense)]
        rows.append({"layer": name, "convolution": f"{counts[0]:,}", "linear layer": f"{counts[1]:,}"})
    return pd.DataFrame(rows)


def formulas_hold() -> bool:
    """Whether C'(9 C + 1) and C' n² (C n² + 1) are what the modules of `LAYERS` have."""
    counted = parameter_table()
    rows = [(c2 * (9 * c1 + 1), c2 * n**2 * (c1 * n**2 + 1)) for n, c1, c2 in LAYERS.values()]
    pairs = zip(counted["convolution"], counted["linear layer"], strict=True)
    return list(pairs) == [(f"{conv:,}", f"{dense:,}") for conv, dense in rows]


def commuting_dimension(rows: int, columns: int) -> int:
    """How many free numbers a matrix on images of rows × columns pixels keeps if it commutes with both unit shifts.

    The dimension of the null space of M ↦ (M S − S M) over both shifts, all of them zeros and ones.
    """
    identity = np.eye(rows * columns)
    shifts = [
        np.stack([np.roll(pixel.reshape(rows, columns), 1, axis).ravel() for pixel in identity], 1) for axis in (0, 1)
    ]
    equations = np.vstack([np.kron(shift, identity) - np.kron(identity, shift.T) for shift in shifts])
    return (rows * columns) ** 2 - int(np.linalg.matrix_rank(equations))


def circulant_is_general(rows: int = 3, columns: int = 4) -> bool:
    """Whether the matrices that commute with shifts are just as many as the kernels of the image's own size."""
    kernels = torch.eye(rows * columns, dtype=torch.float64).reshape(-1, rows, columns)
    matrices = torch.stack([conv_matrix(kernel, rows, columns, circular=True).flatten() for kernel in kernels])
    return commuting_dimension(rows, columns) == rows * columns == int(torch.linalg.matrix_rank(matrices))


def stepped_matrices(rate: float = 2.0**-10) -> dict[str, Float[Tensor, "out in"]]:
    """A kernel's matrix; the matrix after a gradient step of the kernel; after a step with every entry free.

    A digit is to be turned into another one, with circular edges and a sum of squares. All numbers are multiples of
    powers of two that double precision holds exactly.
    """
    kernel, x, y = example()
    outer = 2 * (convolve(kernel, x, circular=True) - y)
    around = torch.cat([torch.cat([x, x[:, :2]], 1), torch.cat([x[:2], x[:2, :2]], 1)])
    moved_kernel = kernel - rate * kernel_gradient(outer, around)
    start = conv_matrix(kernel, SIDE, SIDE, circular=True)
    return {
        "start of both": start,
        "kernel, after a step": conv_matrix(moved_kernel, SIDE, SIDE, circular=True),
        "free matrix, after a step": start - rate * matrix_gradient(outer.flatten(), x.flatten()),
    }


def step_table() -> pd.DataFrame:
    """What is left of a convolution after one step: ties, zeros, and the largest change when moving first or last."""
    kernel, x, y = example()
    used = conv_matrix(torch.ones_like(kernel), SIDE, SIDE, circular=True) > 0
    return pd.DataFrame(
        [
            {
                "matrix": name,
                "loss": f"{float(((matrix @ x.flatten() - y.flatten()) ** 2).sum()):.3f}",
                "different numbers in the bands": f"{len(matrix[used].unique()):,}",
                "non-zero outside": f"{int(matrix[~used].count_nonzero()):,}",
                "shift error": f"{shift_error(matrix):.2g}",
            }
            for name, matrix in stepped_matrices().items()
        ]
    )


def example() -> tuple[Float[Tensor, "3 3"], Float[Tensor, "row column"], Float[Tensor, "row column"]]:
    """A kernel with nine different weights, a digit of 8 × 8 pixels and another one."""
    digits = load("digits", "test", n=2).images.double() / 16
    image, target = digits.round() / 16
    return torch.arange(1, 10, dtype=torch.float64).reshape(3, 3) / 64, image, target


def shift_error(matrix: Float[Tensor, "out in"]) -> float:
    """Largest difference between moving the first digit before and after the matrix, over all shifts of the image."""
    x = example()[1]
    output = (matrix @ x.flatten()).reshape(SIDE, SIDE)
    gaps = [
        ((matrix @ x.roll(shift, (0, 1)).flatten()).reshape(SIDE, SIDE) - output.roll(shift, (0, 1))).abs().max()
        for shift in SHIFTS
    ]
    return float(torch.stack(gaps).max())


def accuracies(runs: Sequence[Run]) -> dict[str, dict[int, list[float]]]:
    """Net → distance in pixels → accuracy on test images moved so far, one per run."""
    distances = range(runs[0].config.margin + 1)
    return {name: {d: [run.metrics[f"{name}_{d}"] for run in runs] for d in distances} for name in NETS}


def accuracy_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Parameters, and the mean accuracy over the runs by distance moved."""
    rows = []
    for name, by_distance in accuracies(runs).items():
        cells = {f"{distance} px": f"{np.mean(values):.3f}" for distance, values in by_distance.items()}
        parameters = int(runs[0].metrics[f"{name}_parameters"])
        rows.append({"net": NETS[name], "parameters": f"{parameters:,}", **cells})
    return pd.DataFrame(rows)
