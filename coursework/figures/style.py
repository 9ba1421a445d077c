"""One look for every figure, and the settings that make its bytes the same each time."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
from cycler import cycler

COLOURS = ("#1b4b8a", "#c8552b", "#3a7d44", "#7b4fa0", "#b58900", "#5a6570")
"""Blue, vermilion, green, purple, ochre, grey: told apart in print and by colour-blind readers."""

PAGE_WIDTH = 6.3
"""Inches: the text width of the PDFs."""

_SETTINGS: dict[Any, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "lines.linewidth": 1.4,
    "image.cmap": "gray_r",
    "svg.hashsalt": "coursework",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The project's look inside; matplotlib's settings as they were outside."""
    with plt.rc_context(_SETTINGS):
        yield


def vector_output() -> None:
    """For notebooks: show figures as SVG in HTML and PDF in LaTeX, with bytes that depend on the content alone."""
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")
    plt.rcParams["svg.hashsalt"] = _SETTINGS["svg.hashsalt"]
    set_matplotlib_formats("svg", "pdf")
