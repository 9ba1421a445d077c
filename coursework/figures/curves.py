"""Curves over training and distributions of numbers."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from coursework.figures.style import PAGE_WIDTH, style


def training_curves(
    histories: Mapping[str, Sequence[Mapping[str, float]]], key: str, *, label: str, log: bool = True
) -> Figure:
    """One curve per run: the record `key` against the step.

    Args:
        histories: run's label → its records, each with `step`.
        key: the record shown.
        label: of the vertical axis, with its unit.
        log: logarithmic vertical axis.
    """
    with style():
        figure, axis = plt.subplots(figsize=(PAGE_WIDTH, 2.3))
        for name, records in histories.items():
            axis.plot([record["step"] for record in records], [record[key] for record in records], label=name)
        axis.set(xlabel="training step", ylabel=label, yscale="log" if log else "linear")
        if len(histories) > 1:
            axis.legend()
    return figure


def histograms(panels: Mapping[str, Mapping[str, ArrayLike]], *, bins: int = 40) -> Figure:
    """One panel per quantity, in it one filled histogram per group, all on the same bins and scaled to density.

    Args:
        panels: axis label → group → numbers.
        bins: per panel.
    """
    with style():
        figure, axes = plt.subplots(1, len(panels), figsize=(PAGE_WIDTH, 2.4), squeeze=False)
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
