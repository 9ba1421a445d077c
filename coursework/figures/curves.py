"""Curves over training and distributions of numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from coursework.figures.style import PAGE_WIDTH, style


def line_curves(
    curves: Mapping[str, tuple[Sequence[float | int], Sequence[float | int]]],
    *,
    label: str,
    x_label: str = "training step",
    log: bool = True,
) -> Figure:
    """One curve per run or group.

    Args:
        curves: label → (abscissae, values).
        label: of the vertical axis, with its unit.
        x_label: of the horizontal axis.
        log: logarithmic vertical axis.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.3))
        axis = figure.subplots()
        for name, (steps, values) in curves.items():
            axis.plot(steps, values, label=name)
        axis.set(xlabel=x_label, ylabel=label, yscale="log" if log else "linear")
        if len(curves) > 1:
            axis.legend()
    return figure


def histograms(panels: Mapping[str, Mapping[str, ArrayLike]], *, bins: int = 40) -> Figure:
    """One panel per quantity, in it one filled histogram per group, all on the same bins and scaled to density.

    Args:
        panels: axis label → group → numbers.
        bins: per panel.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.4))
        axes = figure.subplots(1, len(panels), squeeze=False)
        for axis, (label, groups) in zip(axes[0], panels.items(), strict=True):
            everything = np.concatenate([np.ravel(np.asarray(values)) for values in groups.values()])
            edges = np.histogram_bin_edges(everything, bins=bins)
            for group, values in groups.items():
                axis.hist(np.ravel(np.asarray(values)), bins=edges, density=True, alpha=0.6, label=group)
            axis.set(xlabel=label, yticks=[])
            axis.spines["left"].set_visible(False)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        axes[0, 0].set_ylabel("density")
    return figure
