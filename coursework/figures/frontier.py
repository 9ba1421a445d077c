"""Two measures against one another, a point per model, and the region that was asked for."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from coursework.figures.style import COLOURS, PAGE_WIDTH, style

_MARKERS = "os^Dvx"
_PLACES = ((-5, 3), (-5, -8), (5, 3), (5, -8))
"""Offsets of labels in points."""


def frontier(
    groups: Mapping[str, Sequence[tuple[float, float, str]]],
    *,
    x_label: str,
    y_label: str,
    x_most: float,
    y_most: float,
) -> Figure:
    """Labelled points per group; the region up to both limits is shaded.

    Args:
        groups: legend → points: abscissa, ordinate, label.
        x_label: of the horizontal axis.
        y_label: of the vertical one, which is logarithmic.
        x_most: right end of the region.
        y_most: its upper end.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 3.2))
        axis = figure.subplots()
        for (name, points), colour, marker in zip(groups.items(), COLOURS, _MARKERS, strict=False):
            axis.plot([x for x, _, _ in points], [y for _, y, _ in points], marker, color=colour, label=name)
            for rank, (x, y, text) in enumerate(sorted(points)):
                place = _PLACES[rank % len(_PLACES)]  # neighbours' labels go different ways
                side = "left" if place[0] > 0 else "right"
                axis.annotate(text, (x, y), place, textcoords="offset points", fontsize=7, color=colour, ha=side)
        axis.set(xlabel=x_label, ylabel=y_label, yscale="log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        left, bottom = axis.get_xlim()[0], axis.get_ylim()[0]
        axis.fill_between([left, x_most], bottom, y_most, color=COLOURS[5], alpha=0.12, lw=0, zorder=0)
        axis.set(xlim=(left, None), ylim=(bottom, None))
        figure.legend(loc="outside upper center", ncols=3)
    return figure
