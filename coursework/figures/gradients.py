"""Pictures of gradients: an image, a target, the gradient that they give, and the loss along one direction."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from coursework.figures.style import COLOURS, PAGE_WIDTH, style


def gradient_and_loss(
    x: ArrayLike, y: ArrayLike, gradient: ArrayLike, outputs: ArrayLike, losses: ArrayLike, *, here: float, best: float
) -> Figure:
    """An image, a target and the weight's gradient as pictures; beside them the loss against the layer's output.

    Args:
        x: image (row, column).
        y: target (row, column).
        gradient: of the loss for each weight (row, column); white is zero.
        outputs: points of the curve.
        losses: the loss at each of them.
        here: the layer's output, marked on the curve.
        best: the output with the lowest loss, marked too.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 1.8))
        axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.3))
        limit = float(np.abs(np.asarray(gradient)).max())
        panels: list[tuple[str, ArrayLike, dict[str, Any]]] = [
            ("image x", x, {"vmin": 0}),
            ("target y", y, {"vmin": 0}),
            ("∂L/∂w", gradient, {"cmap": "PuOr", "vmin": -limit, "vmax": limit}),
        ]
        for axis, (title, picture, scale) in zip(axes, panels, strict=False):
            shown = axis.imshow(np.asarray(picture), **scale)
            axis.set(title=title, xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            figure.colorbar(shown, cax=axis.inset_axes((0, -0.12, 1, 0.06)), orientation="horizontal")
        axes[3].plot(outputs, losses, color=COLOURS[5])
        heights = np.interp([here, best], np.asarray(outputs), np.asarray(losses))
        axes[3].plot([here], heights[:1], "o", color=COLOURS[1], label="layer")
        axes[3].plot([best], heights[1:], "s", color=COLOURS[0], label="mean of y")
        axes[3].set(xlabel="output s", ylabel="loss L")
        axes[3].legend()
    return figure
