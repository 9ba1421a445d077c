"""Pictures of what discriminators and critics say about a distance."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from coursework.figures.style import COLOURS, PAGE_WIDTH, style

_MARKS = ("o", "s", "^", "D")
_LINES = ("-", "--", ":", "-.")
_SMALLEST = 1e-12


def values_and_slopes(thetas: ArrayLike, values: Mapping[str, ArrayLike], slopes: Mapping[str, ArrayLike]) -> Figure:
    """Two panels against the distance: values, and the strength of the pull on the generator.

    Args:
        thetas: distances.
        values: what is measured → its value at each of them.
        slopes: loss of the generator → modulus of its slope; less than 1e-12 is drawn there.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.3))
        left, right = figure.subplots(1, 2)
        grid = np.asarray(thetas)
        left.plot(grid, grid, color=COLOURS[5], linewidth=0.6, label="distance itself")
        for axis, curves in ((left, values), (right, slopes)):
            for mark, line, (name, found) in zip(_MARKS, _LINES, curves.items(), strict=False):
                axis.plot(grid, np.maximum(np.asarray(found), _SMALLEST), mark + line, markersize=3.5, label=name)
            axis.set(xlabel="distance θ", xscale="log", yscale="log")
            axis.set_xticks(grid, [f"{value:g}" for value in grid])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.legend(fontsize=7)
        left.set(ylabel="value")
        right.set(ylabel="slope for θ")
    return figure


def distances_and_journeys(
    shifts: ArrayLike,
    distances: Mapping[str, ArrayLike],
    journeys: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> Figure:
    """Two panels: divergences of two Gaussians against the distance of their means; θ of each generator over training.

    Args:
        shifts: distances of the means.
        distances: divergence → its value at each of them.
        journeys: game → (steps, θ).
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.2))
        left, right = figure.subplots(1, 2)
        for line, (name, found) in zip(_LINES, distances.items(), strict=False):
            left.plot(np.asarray(shifts), np.asarray(found), line, label=name)
        for line, (name, (steps, thetas)) in zip(_LINES, journeys.items(), strict=False):
            right.plot(steps, thetas, line, label=name)
        right.axhline(0, color=COLOURS[5], linewidth=0.5)
        left.set(xlabel="distance of the means", ylabel="divergence", ylim=(0, float(np.max(np.asarray(shifts)))))
        right.set(xlabel="step", ylabel="θ of the generator")
        left.legend()
        right.legend()
    return figure
