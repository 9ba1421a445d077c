"""Dots along a line: a few numbers per row, compared with each other and with a baseline."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from coursework.figures.style import COLOURS, PAGE_WIDTH, style


def dot_rows(
    rows: Mapping[str, Mapping[str, Sequence[float | int]]], *, label: str, baseline: float, baseline_label: str
) -> Figure:
    """One row per entry, in it a dot for every number, coloured by group; the baseline is a dashed line.

    Args:
        rows: row label → group → numbers; every row has the same groups.
        label: of the horizontal axis.
        baseline: where the dashed line stands.
        baseline_label: what it says.
    """
    groups = list(next(iter(rows.values())))
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 0.8 + 0.24 * len(rows)))
        axis = figure.subplots()
        axis.axvline(baseline, color=COLOURS[5], linestyle="--", linewidth=0.8, label=baseline_label)
        for place, (colour, marker, group) in enumerate(zip(COLOURS, "os^D", groups, strict=False)):
            points = [(value, row) for row, numbers in enumerate(rows.values()) for value in numbers[group]]
            heights = [row + 0.24 * (place - (len(groups) - 1) / 2) for _, row in points]
            axis.plot([value for value, _ in points], heights, marker, color=colour, markersize=4, label=group)
        axis.set_yticks(range(len(rows)), list(rows))
        axis.invert_yaxis()
        axis.set(xlabel=label)
        axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
