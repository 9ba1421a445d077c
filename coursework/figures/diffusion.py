"""Pictures of noising schedules."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from coursework.figures.style import PAGE_WIDTH, style


def schedule_curves(curves: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Two panels: what is left of the signal after t steps, and the prior term were the chain to end there.

    Args:
        curves: schedule → (ᾱ_t, prior term in bits per pixel), each for t = 1 … T.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.1))
        left, right = figure.subplots(1, 2)
        for line, (name, (kept, bits)) in zip(("-", "--", ":", "-."), curves.items(), strict=False):
            steps = np.arange(1, len(np.asarray(kept)) + 1)
            left.plot(steps, np.asarray(kept), line, label=name)
            right.plot(steps, np.asarray(bits), line, label=name)
        left.set(xlabel="step t", ylabel="signal left")
        right.set(xlabel="step t, if the last", ylabel="prior term (bits)", yscale="log")
        left.legend()
    return figure
