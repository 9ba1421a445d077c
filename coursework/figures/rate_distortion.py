"""Curves that say what a nat buys, and curves with their spread over runs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from coursework.figures.style import COLOURS, PAGE_WIDTH, style


def rate_distortion(
    points: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[str]]],
    reference: Mapping[str, tuple[ArrayLike, ArrayLike]],
) -> Figure:
    """Distortion against rate, both axes logarithmic.

    Args:
        points: label → (rates, distortions, a word beside each point); joined in the order given.
        reference: label → (rates, distortions) of thin grey curves.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.9))
        axis = figure.subplots()
        for (label, (rates, errors)), dashes in zip(reference.items(), ("--", ":"), strict=False):
            axis.plot(rates, errors, color=COLOURS[-1], linewidth=1, linestyle=dashes, label=label)
        for colour, marker, (label, (rates, errors, words)) in zip(COLOURS, "os^D", points.items(), strict=False):
            axis.plot(rates, errors, color=colour, marker=marker, markersize=4, label=label)
            for x, y, word in zip(rates, errors, words, strict=True):
                axis.annotate(word, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7, color=colour)
        axis.set(xscale="log", yscale="log", xlabel="rate (nats per image)", ylabel="distortion (MSE per pixel)")
        axis.legend()
    return figure


def spread_curves(
    x: Sequence[float], groups: Mapping[str, ArrayLike], *, x_label: str, label: str, log: bool = True
) -> Figure:
    """Means over runs with a bar of one standard deviation on either side, one curve per group.

    Args:
        x: abscissae.
        groups: label → numbers (run, abscissa).
        x_label: of the horizontal axis.
        label: of the vertical axis, with its unit.
        log: logarithmic vertical axis.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.9))
        axis = figure.subplots()
        for colour, marker, (name, values) in zip(COLOURS, "os^Dvx", groups.items(), strict=False):
            rows = np.asarray(values)
            spread = rows.std(0, ddof=1) if len(rows) > 1 else None
            axis.errorbar(
                x, rows.mean(0), yerr=spread, color=colour, marker=marker, markersize=3.5, capsize=2, label=name
            )
        axis.set(xlabel=x_label, ylabel=label, yscale="log" if log else "linear")
        figure.legend(loc="outside upper center", ncols=3)
    return figure
