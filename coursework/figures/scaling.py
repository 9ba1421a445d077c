"""How costs grow: panels of curves with both axes logarithmic."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from coursework.figures.style import COLOURS, PAGE_WIDTH, style


def scaling_panels(
    sizes: Sequence[float | int], panels: Mapping[str, Mapping[str, Sequence[float | int]]], *, size_label: str
) -> Figure:
    """One panel per quantity, one curve per way to get it, each against the same sizes.

    Args:
        sizes: abscissae, positive.
        panels: label of the vertical axis → label of the curve → positive values, one per size.
        size_label: of the horizontal axis.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 1.9))
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (label, curves) in zip(axes, panels.items(), strict=True):
            for colour, marker, (name, values) in zip(COLOURS, "os^Dvx", curves.items(), strict=False):
                axis.plot(sizes, values, marker=marker, markersize=3.5, color=colour, label=name)
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            axis.set(xlabel=size_label, ylabel=label)
        axes[0].legend()
    return figure
