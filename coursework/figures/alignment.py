"""Attention maps beside gold alignments: words of both languages on the axes."""

from collections.abc import Mapping, Sequence, Set

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from coursework.figures.style import COLOURS, PAGE_WIDTH, style


def alignment_maps(
    maps: Mapping[str, ArrayLike], source: Sequence[str], target: Sequence[str], gold: Set[tuple[int, int]]
) -> Figure:
    """Maps of one sentence side by side, black for a weight of one, with a frame around every gold link.

    Args:
        maps: title → (target, source), on 0…1.
        source: words over the columns.
        target: words beside the rows.
        gold: links (target, source).
    """
    height = 0.9 + 0.2 * len(target)
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, height))
        axes = figure.subplots(1, len(maps), sharey=True, squeeze=False)[0]
        for axis, (title, weights) in zip(axes, maps.items(), strict=True):
            axis.imshow(np.asarray(weights), vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            axis.set_xticks(range(len(source)), list(source), rotation=60, ha="left", rotation_mode="anchor")
            axis.set_yticks(range(len(target)), list(target))
            axis.xaxis.tick_top()
            axis.tick_params(length=0)
            axis.set_xlabel(title)
            for t, s in gold:
                axis.add_patch(Rectangle((s - 0.5, t - 0.5), 1, 1, fill=False, edgecolor=COLOURS[1], lw=1.2))
            axis.spines[:].set_visible(True)
    return figure


def grouped_bars(groups: Sequence[str], bars: Mapping[str, Sequence[float]], *, label: str, x_label: str) -> Figure:
    """One bar per series in every group.

    Args:
        groups: names under the horizontal axis.
        bars: series → a number per group.
        label: of the vertical axis.
        x_label: of the horizontal axis.
    """
    width = 0.8 / len(bars)
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.2))
        axis = figure.subplots()
        for k, (name, values) in enumerate(bars.items()):
            places = np.arange(len(groups)) + (k - (len(bars) - 1) / 2) * width
            axis.bar(places, values, width, label=name)
        axis.set_xticks(range(len(groups)), list(groups))
        axis.set(xlabel=x_label, ylabel=label, ylim=(0, max(1.0, axis.get_ylim()[1])))
        figure.legend(loc="outside upper center", ncols=len(bars))
    return figure


def length_histograms(lengths: Mapping[str, ArrayLike]) -> Figure:
    """How many sentences have each length, a row of bars per group under one another on one axis of lengths.

    Args:
        lengths: group → words of each sentence.
    """
    longest = max(int(np.max(np.asarray(values))) for values in lengths.values())
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 0.5 + 0.75 * len(lengths)))
        axes = figure.subplots(len(lengths), 1, sharex=True, squeeze=False)[:, 0]
        for colour, axis, (name, values) in zip(COLOURS, axes, lengths.items(), strict=False):
            counts = np.bincount(np.asarray(values, dtype=int), minlength=longest + 1)
            axis.bar(range(longest + 1), counts, color=colour, width=0.9)
            axis.set_title(name, loc="left", pad=2)
            axis.set_yticks([])
            axis.spines["left"].set_visible(False)
        axes[-1].set_xlabel("words written, the end included")
    return figure
