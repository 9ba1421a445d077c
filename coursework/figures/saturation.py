"""How strongly the two losses of a generator pull, against how well its images are found out."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import ArrayLike

from coursework.figures.style import PAGE_WIDTH, style

_MARKS = ("o", "s")


def pull_figure(probability: ArrayLike, pulls: Mapping[str, ArrayLike], at_logit: Mapping[str, ArrayLike]) -> Figure:
    """Two panels against D(G(z)): the gradient at the logit, as derived, and that of all weights, as measured.

    Args:
        probability: D(G(z)) at each measurement.
        pulls: loss → norm of the gradient for the generator's weights, at each of them.
        at_logit: loss → modulus of its gradient at the logit, on an even grid of probabilities inside 0…1.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.3))
        left, right = figure.subplots(1, 2)
        for line, (name, sizes) in zip(("-", "--"), at_logit.items(), strict=False):
            values = np.asarray(sizes)
            left.plot((np.arange(len(values)) + 0.5) / len(values), values, line, label=name)
        for mark, (name, found) in zip(_MARKS, pulls.items(), strict=False):
            right.plot(np.asarray(probability), np.asarray(found), mark, markersize=3.5, label=name)
        left.set(xlabel="D(G(z))", ylabel="gradient at the logit", xlim=(0, 1), ylim=(0, 1.02))
        right.set(xlabel="D(G(z)), mean of a batch", ylabel="gradient of all weights", xscale="log", yscale="log")
        for axis in (right.xaxis, right.yaxis):
            axis.set_minor_formatter(NullFormatter())
        left.legend()
    return figure
