"""Rows of images with a label each."""

from collections.abc import Mapping

from jaxtyping import Num
from matplotlib.figure import Figure
from torch import Tensor

from coursework.figures.style import PAGE_WIDTH, style


def image_rows(rows: Mapping[str, Num[Tensor, "image height width"]], *, largest: float = 255.0) -> Figure:
    """One row of images per entry, its label at the left; black is `largest`, white is 0.

    Args:
        rows: label → images; the longest row sets the number of columns.
        largest: value shown as black.

    Raises:
        ValueError: there is nothing to show.
    """
    columns = max((len(images) for images in rows.values()), default=0)
    if columns == 0:
        raise ValueError("rows: give at least one row with at least one image.")
    label_width = 1.05
    side = (PAGE_WIDTH - label_width) / columns
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, side * len(rows)), layout="none")  # type: ignore[arg-type]
        axes = figure.subplots(len(rows), columns, squeeze=False)
        left = label_width / PAGE_WIDTH
        figure.subplots_adjust(left=left, right=1, bottom=0, top=1, wspace=0.04, hspace=0.04)
        for line, (label, images) in zip(axes, rows.items(), strict=True):
            for axis in line:
                axis.set_axis_off()
            for axis, image in zip(line, images, strict=False):
                axis.imshow(image.numpy(), vmin=0, vmax=largest, interpolation="nearest")
            box = line[0].get_position()
            figure.text(left - 0.01, (box.y0 + box.y1) / 2, label, ha="right", va="center")
    return figure
