"""Pictures of what nets compute and of how gradients pass through them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from coursework.figures.style import COLOURS, PAGE_WIDTH, style

_MARKERS = "os^Dv"


def fits_and_errors(
    x: ArrayLike,
    target: ArrayLike,
    fits: Mapping[str, ArrayLike],
    errors: Mapping[str, Mapping[int, Sequence[float]]],
    *,
    reference: float,
    reference_label: str,
) -> Figure:
    """One panel per net with its fit over the target; then errors by power, a mark per run, a line through means.

    Args:
        x: abscissae of target and fits.
        target: values to be fitted.
        fits: label → values.
        errors: label → power → errors of several runs, in the order of `fits`.
        reference: error of the simplest guess, a dashed line.
        reference_label: what it is.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.1))
        axes = figure.subplots(1, len(fits) + 1, width_ratios=[1] * len(fits) + [1.4])
        for axis, colour, (label, values) in zip(axes, COLOURS, fits.items(), strict=False):
            axis.plot(np.asarray(x), np.asarray(target), color="0.75", linewidth=0.8)
            axis.plot(np.asarray(x), np.asarray(values), color=colour, linewidth=1.2)
            axis.set(title=label, xticks=[0, 1], yticks=[0, 1], ylim=(-0.25, 1.25), xlabel="x")
        last = axes[-1]
        for marker, colour, (label, by_power) in zip(_MARKERS, COLOURS, errors.items(), strict=False):
            powers = list(by_power)
            last.plot(powers, [np.mean(by_power[power]) for power in powers], color=colour)
            points = [(power, value) for power in powers for value in by_power[power]]
            last.plot(*zip(*points, strict=True), marker, color=colour, markersize=3.5, label=label)
        last.axhline(reference, color=COLOURS[5], linestyle="--", linewidth=1, label=reference_label)
        last.set(xlabel="power k of the map", ylabel="mean squared error", yscale="log")
        last.xaxis.set_major_locator(MaxNLocator(integer=True))
        last.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1.2)
    return figure


def matrices_and_accuracies(
    matrices: Mapping[str, ArrayLike], accuracies: Mapping[str, Mapping[int, Sequence[float]]]
) -> Figure:
    """Matrices as pictures, each under its own scale, white for zero; then accuracy by distance moved.

    Args:
        matrices: title → (row, column).
        accuracies: label → distance in pixels → accuracy of several runs.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.0))
        axes = figure.subplots(1, len(matrices) + 1, width_ratios=[1] * len(matrices) + [1.5])
        for axis, (title, values) in zip(axes, matrices.items(), strict=False):
            matrix = np.asarray(values)
            limit = np.abs(matrix).max()
            axis.imshow(matrix, cmap="PuOr", vmin=-limit, vmax=limit, interpolation="nearest")
            axis.set(title=title, xticks=[], yticks=[])
        last = axes[-1]
        for marker, colour, (label, by_distance) in zip(_MARKERS, COLOURS, accuracies.items(), strict=False):
            distances = list(by_distance)
            last.plot(distances, [np.mean(by_distance[distance]) for distance in distances], color=colour)
            points = [(distance, value) for distance in distances for value in by_distance[distance]]
            last.plot(*zip(*points, strict=True), marker, color=colour, markersize=3.5, label=label)
        last.set(xlabel="moved by (pixels)", ylabel="test accuracy", ylim=(0, 1))
        last.xaxis.set_major_locator(MaxNLocator(integer=True))
        last.legend(fontsize=7, loc="lower left")
    return figure


def before_and_after(
    panels: Mapping[str, Mapping[str, Sequence[ArrayLike]]],
    *,
    label: str,
    x_labels: Sequence[str],
    log: bool = True,
    reference: Mapping[str, float] | None = None,
) -> Figure:
    """A panel per net: curves without and with its remedy, one per run.

    Args:
        panels: title → group → curves; each group has a colour.
        label: of the vertical axis.
        x_labels: of the horizontal axes.
        log: logarithmic vertical axis.
        reference: label → height of a dashed line in every panel.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 1.9))
        axes = figure.subplots(1, len(panels))
        for axis, x_label, (title, groups) in zip(axes, x_labels, panels.items(), strict=True):
            for colour, (group, curves) in zip((COLOURS[1], COLOURS[0]), groups.items(), strict=False):
                for number, values in enumerate(curves):
                    heights = np.asarray(values)
                    axis.plot(np.arange(1, len(heights) + 1), heights, color=colour, label="_" * (number > 0) + group)
            for name, height in (reference or {}).items():
                axis.axhline(height, color=COLOURS[5], linestyle="--", linewidth=1, label=name)
            axis.set(title=title, xlabel=x_label, yscale="log" if log else "linear")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0].set_ylabel(label)
        axes[0].legend(fontsize=7)
    return figure
