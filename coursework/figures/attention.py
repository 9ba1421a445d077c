"""Attention maps: a row per target word, a column per source word, white for a weight of one."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from coursework.figures.style import COLOURS, PAGE_WIDTH, style

Box = tuple[int, int, int]
"""Row, first column, last column."""


def attention_map(
    weights: ArrayLike, source: Sequence[str], target: Sequence[str], readings: Mapping[str, Box]
) -> Figure:
    """The map with its words, a frame and a letter for each reading, and each row's largest weight and sum beside it.

    Args:
        weights: (target, source), on 0…1.
        source: words over the columns.
        target: words beside the rows.
        readings: letter → the pixels that it points at.
    """
    shown = np.asarray(weights)
    rows, columns = shown.shape
    with style():
        figure = Figure(figsize=(min(PAGE_WIDTH, 2.4 + 0.3 * columns), 0.6 + 0.15 * rows))
        axis = figure.subplots()
        picture = axis.imshow(shown, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axis.set_xticks(range(columns), list(source), rotation=45, ha="left", rotation_mode="anchor")
        axis.set_yticks(range(rows), list(target))
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        for colour, (letter, (row, first, last)) in zip(COLOURS[1:], readings.items(), strict=False):
            frame = Rectangle((first - 0.5, row - 0.5), last - first + 1, 1, fill=False, edgecolor=colour, lw=1.6)
            frame.set_clip_on(False)
            axis.add_patch(frame)
            axis.text(last + 0.42, row - 0.1, letter, color=colour, ha="right", va="center", weight="bold", fontsize=8)
        for place, heading, numbers in (
            (columns, "max", shown.max(1)),
            (columns + 1.6, "sum", shown.sum(1)),
        ):
            axis.text(place, -0.9, heading, fontsize=7, ha="left", va="center", color=COLOURS[5])
            for row, number in enumerate(numbers):
                axis.text(place, row, f"{number:.2f}", fontsize=7, ha="left", va="center", color=COLOURS[5])
        scale = figure.colorbar(picture, ax=axis, pad=0.05, aspect=18)
        scale.ax.set_title("weight", fontsize=7, color=COLOURS[5], pad=5)
    return figure
