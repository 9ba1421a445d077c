"""Losses during training side by side: told the right words before, and untold."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from coursework.figures.style import PAGE_WIDTH, style


def loss_panels(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float | int], Sequence[float | int]]]], *, label: str
) -> Figure:
    """A panel per kind of loss, in each a curve per run, on one logarithmic axis.

    Args:
        panels: title → label → (steps, values).
        label: of the vertical axis, with its unit.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.3))
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            for name, (steps, values) in curves.items():
                axis.plot(steps, values, label=name)
            axis.set(title=title, xlabel="training step", yscale="log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
        axes[0].set_ylabel(label)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure
