"""Many small images as one."""

from jaxtyping import Num
from matplotlib.figure import Figure
from torch import Tensor

from coursework.figures.style import style


def mosaic(
    images: Num[Tensor, "image height width"], columns: int, *, largest: float = 1.0, width: float = 4.2
) -> Figure:
    """Images side by side without gaps, row by row; black is `largest`, white is 0.

    Args:
        images: as many as fill the rows.
        columns: images in a row.
        largest: value shown as black.
        width: of the figure, in inches.

    Raises:
        ValueError: the rows are not filled.
    """
    if columns < 1 or len(images) % columns or len(images) == 0:
        raise ValueError(f"{len(images)} images in rows of {columns}: give whole rows.")
    rows = len(images) // columns
    height, breadth = images.shape[1:]
    tiles = images.reshape(rows, columns, height, breadth).transpose(1, 2).reshape(rows * height, columns * breadth)
    with style():
        figure = Figure(figsize=(width, width * rows * height / (columns * breadth)), layout="none")  # type: ignore[arg-type]
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_axis_off()
        axis.imshow(tiles.numpy(), vmin=0, vmax=largest, interpolation="nearest")
    return figure
