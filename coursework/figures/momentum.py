"""Pictures of descent on quadratics."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from coursework.figures.style import COLOURS, PAGE_WIDTH, style

_MARKS = ("o", "s", "^")
_LINES = ("-", "--", ":")


def descent_paths(paths: Mapping[str, ArrayLike], curvatures: tuple[float, float]) -> Figure:
    """Iterates over the level lines of a quadratic in the plane, and their first coordinate against the step.

    Args:
        paths: method → iterates (step, 2), minimum at the origin.
        curvatures: along the first and the second axis.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.1))
        left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
        points = np.concatenate([np.asarray(path) for path in paths.values()])
        reach = 1.15 * np.abs(points).max(0)
        x, y = np.meshgrid(np.linspace(-reach[0], reach[0], 121), np.linspace(-reach[1], reach[1], 121))
        heights = curvatures[0] * x**2 + curvatures[1] * y**2
        left.contour(x, y, np.sqrt(heights), levels=6, colors=COLOURS[5], linewidths=0.5)
        for colour, mark, (name, path) in zip(COLOURS, _MARKS, paths.items(), strict=False):
            steps = np.asarray(path)
            left.plot(*steps.T, mark + "-", color=colour, markersize=2.5, linewidth=0.8, label=name)
            right.plot(steps[:, 0], mark + "-", color=colour, markersize=2.5, linewidth=0.8, label=name)
        right.axhline(0, color=COLOURS[5], linewidth=0.5)
        left.set(xlabel="flat direction", ylabel="steep direction")
        right.set(xlabel="step", ylabel="flat direction")
        right.legend(loc="lower right")
    return figure


def iterations_against_condition(conditions: Sequence[float], counts: Mapping[str, ArrayLike]) -> Figure:
    """Steps to a fixed accuracy against the condition number, both axes logarithmic.

    Args:
        conditions: κ.
        counts: method → steps for each of them.
    """
    with style():
        figure = Figure(figsize=(0.65 * PAGE_WIDTH, 2.1))
        axis = figure.subplots()
        for mark, line, (name, values) in zip(_MARKS, _LINES, counts.items(), strict=False):
            axis.plot(conditions, np.asarray(values), mark + line, markersize=4, label=name)
        axis.set(xlabel="condition number κ", ylabel="steps", xscale="log", yscale="log")
        axis.legend()
    return figure
