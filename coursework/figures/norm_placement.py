"""LayerNorm after or before the sum, in pictures: gradients by depth and by layer, training, and what trains."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator
from numpy.typing import ArrayLike

from coursework.figures.style import COLOURS, PAGE_WIDTH, style

_MARKERS = "os^Dv"


def gradients_by_depth(
    depths: Sequence[int],
    panels: Mapping[str, Mapping[str, ArrayLike]],
    fits: Mapping[str, Mapping[str, float]],
    theory: Mapping[str, float],
) -> Figure:
    """One panel per norm, both axes logarithmic: means and spread over seeds, the fitted power, a theoretical slope.

    Args:
        depths: abscissae.
        panels: title → width → gradient norms (seed, depth).
        fits: title → width → fitted exponent, drawn through the points' centre.
        theory: title → exponent of a dashed line above the points.
    """
    x = np.asarray(depths, dtype=float)
    centre = np.exp(np.log(x).mean())
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.7))
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (title, by_width) in zip(axes, panels.items(), strict=True):
            top = 0.0
            for colour, marker, (width, values) in zip(COLOURS, _MARKERS, by_width.items(), strict=False):
                logs = np.log(np.asarray(values))
                middle, spread = np.exp(logs.mean(0)), np.exp(logs.std(0, ddof=1))
                bars = [middle - middle / spread, middle * spread - middle]
                axis.errorbar(x, middle, bars, fmt=marker, color=colour, markersize=4, elinewidth=0.8, label=width)
                axis.plot(x, np.exp(logs.mean()) * (x / centre) ** fits[title][width], color=colour, linewidth=1)
                top = max(top, float(np.exp(logs.mean())))
            line = 1.5 * top * (x / centre) ** theory[title]
            axis.plot(x, line, "--", color=COLOURS[5], label=f"depth to the power {theory[title]:g}".replace("-", "−"))
            axis.set(title=title, xscale="log", yscale="log", xlabel="layers")
            axis.set_xticks(x, [str(depth) for depth in depths])
            axis.minorticks_off()
            axis.legend(fontsize=7)
        _plain_numbers(axes[0])
        axes[0].set_ylabel("gradient norm, last layer")
    return figure


def _plain_numbers(axis: Axes) -> None:
    """Ticks at one, two and five of every decade of a logarithmic vertical axis, as plain numbers."""
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.tick_params(axis="y", which="minor", length=0, labelleft=False)


def layers_and_lengths(
    gradients: Mapping[str, ArrayLike], lengths: Mapping[str, ArrayLike], bounds: tuple[float, float]
) -> Figure:
    """Gradient norm by layer of one deep stack; squared length by layer, with the band between two growths.

    Args:
        gradients: label → norms (seed, layer).
        lengths: label → squared lengths over the dimension (seed, state), the input first.
        bounds: growths per layer of the band's edges, which start at one.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.4))
        left, right = figure.subplots(1, 2)
        for colour, marker, (label, values) in zip(COLOURS, _MARKERS, gradients.items(), strict=False):
            norms = np.asarray(values)
            places = np.arange(1, norms.shape[1] + 1)
            left.plot(places, norms.T, color=colour, linewidth=0.4, alpha=0.5)
            left.plot(places, norms.mean(0), marker=marker, markersize=3, color=colour, label=label)
        left.set(xlabel="layer", ylabel="gradient norm", yscale="log")
        _plain_numbers(left)
        left.legend()
        for colour, marker, (label, values) in zip(COLOURS, _MARKERS, lengths.items(), strict=False):
            squares = np.asarray(values)
            places = np.arange(squares.shape[1])
            right.plot(places, squares.mean(0), marker=marker, markersize=3, color=colour, label=label)
        low, high = (1 + growth * places for growth in bounds)
        right.fill_between(places, low, high, color=COLOURS[5], alpha=0.2, linewidth=0, label="between the bounds")
        right.set(xlabel="after layer", ylabel="squared length / width")
        right.legend()
    return figure


def training_panels(
    losses: Mapping[str, Mapping[str, ArrayLike]],
    gradients: Mapping[str, Mapping[str, ArrayLike]],
    *,
    baseline: float,
    baseline_label: str,
) -> Figure:
    """Two rows of panels, one column per depth: training loss, and norm of the embedding's gradient, by step.

    Args:
        losses: column title → curve label → values by step.
        gradients: the same columns and curves.
        baseline: a dashed line across the losses.
        baseline_label: what it is.
    """
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 3.6))
        axes = figure.subplots(2, len(losses), sharex=True, sharey="row", squeeze=False)
        for column, title in enumerate(losses):
            for axis, by_curve in zip(axes[:, column], (losses[title], gradients[title]), strict=True):
                for place, (label, values) in enumerate(by_curve.items()):
                    drawn = {"color": COLOURS[place // 2], "linestyle": ("-", ":")[place % 2], "linewidth": 1.1}
                    numbers = np.asarray(values)
                    axis.plot(np.arange(1, len(numbers) + 1), numbers, label=label, **drawn)
            axes[0, column].axhline(baseline, color=COLOURS[5], linestyle="--", linewidth=0.8, label=baseline_label)
            axes[0, column].set_title(title)
            axes[1, column].set(yscale="log", xlabel="step")
        axes[0, 0].set_ylabel("loss per word (nats)")
        axes[1, 0].set_ylabel("embedding gradient")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=7)
    return figure


def stability_maps(
    maps: Mapping[str, ArrayLike], trains: Mapping[str, ArrayLike], depths: Sequence[int], rates: Sequence[float]
) -> Figure:
    """One map per setting, depth by rate: the held-out loss in words and shade; a cross where a model does not train.

    Args:
        maps: title → losses (depth, rate).
        trains: title → whether each model trains (depth, rate).
        depths: of the rows.
        rates: of the columns.
    """
    everything = np.concatenate([np.ravel(np.asarray(values)) for values in maps.values()])
    low, high = float(everything.min()), float(everything.max())
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 0.9 + 0.36 * len(depths) * -(-len(maps) // 2)))
        axes = figure.subplots(-(-len(maps) // 2), 2, sharex=True, sharey=True, squeeze=False)
        for axis, (title, values) in zip(axes.flat, maps.items(), strict=False):
            losses, learns = np.asarray(values), np.asarray(trains[title])
            axis.imshow(losses, cmap="Purples", vmin=low, vmax=high + 0.35 * (high - low), aspect="auto")
            for (row, column), loss in np.ndenumerate(losses):
                text = f"{loss:.2f}" if learns[row, column] else f"× {loss:.2f}"
                weight = "normal" if learns[row, column] else "bold"
                axis.text(column, row, text, ha="center", va="center", fontsize=7, fontweight=weight)
            axis.set_title(title)
            axis.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
            axis.set_yticks(range(len(depths)), [str(depth) for depth in depths])
            axis.tick_params(length=0)
            axis.spines[:].set_visible(False)
        for axis in axes[-1]:
            axis.set_xlabel("rate")
        for axis in axes[:, 0]:
            axis.set_ylabel("layers")
    return figure
