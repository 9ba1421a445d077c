"""Maps of latents in the plane, one panel per model, under one legend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from coursework.figures.style import PAGE_WIDTH, style

CLASS_COLOURS = (
    "#1b4b8a",
    "#c8552b",
    "#3a7d44",
    "#7b4fa0",
    "#b58900",
    "#5a6570",
    "#2aa5a0",
    "#d1698f",
    "#8a5a2b",
    "#94b447",
)
"""A colour per class; a class's number stands beside its points too, for whoever cannot tell them apart."""

_DOTS = 130.0
"""Per inch, of one panel's points, which are drawn as an image: a thousand of them as vectors would weigh more."""


@dataclass(frozen=True)
class Panel:
    """What one map shows.

    Attributes:
        points: of training images.
        labels: their classes.
        placed: points of other images, drawn as crosses.
        placed_labels: their classes.
        path: points joined in order, its ends marked.
    """

    points: Float[Tensor, "image 2"]
    labels: Int[Tensor, " image"]
    placed: Float[Tensor, "other 2"] | None = None
    placed_labels: Int[Tensor, " other"] | None = None
    path: Float[Tensor, "step 2"] | None = None


def latent_maps(panels: Mapping[str, Panel], class_names: Sequence[str], *, columns: int = 3) -> Figure:
    """One panel per entry, its label above, and one legend of the classes for all.

    Args:
        panels: label → what to draw.
        class_names: by class.
        columns: panels beside one another.

    Raises:
        ValueError: there is no panel, or there are more classes than colours.
    """
    if not panels or len(class_names) > len(CLASS_COLOURS):
        raise ValueError(f"{len(panels)} panels of {len(class_names)} classes: give panels, and at most ten classes.")
    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
    with style():
        side = min(PAGE_WIDTH / columns, 4.2)
        figure = Figure(figsize=(PAGE_WIDTH, lines * (side + 0.2) + 0.6), dpi=_DOTS / columns**0.5)
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, (label, panel) in zip(axes, panels.items(), strict=False):
            _draw(axis, panel, size=30 / columns)
            axis.set(title=label)
            axis.set_aspect("equal", adjustable="datalim")
        handles = [
            Line2D([], [], marker="o", linestyle="", markersize=4, color=CLASS_COLOURS[i], label=f"{i} {name}")
            for i, name in enumerate(class_names)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=5, columnspacing=1, handletextpad=0.1)
    return figure


def _draw(axis: Axes, panel: Panel, size: float) -> None:
    colours = np.array(CLASS_COLOURS)
    x, y = panel.points.numpy().T
    axis.scatter(x, y, s=size / 3, c=colours[panel.labels.numpy()], linewidths=0, rasterized=True)
    if panel.placed is not None:
        assert panel.placed_labels is not None
        shades = colours[panel.placed_labels.numpy()]
        x, y = panel.placed.numpy().T
        axis.scatter(x, y, s=size / 2, c=shades, marker="x", linewidths=0.5, rasterized=True)
    halo = {"boxstyle": "square,pad=0.05", "facecolor": "white", "alpha": 0.7, "linewidth": 0}
    for number in panel.labels.unique().tolist():
        middle = panel.points[panel.labels == number].median(0).values
        axis.annotate(str(number), tuple(middle.tolist()), ha="center", va="center", bbox=halo)
    if panel.path is not None:
        axis.plot(*panel.path.numpy().T, color="black", marker="o", markersize=2.5, linewidth=1)
