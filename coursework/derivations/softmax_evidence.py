"""Measured evidence for question D7: what a trained model's attention maps show, read by rule."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.data.pairs import Pair
from coursework.derivations.softmax import softmax_jacobian
from coursework.report.tables import mean_and_spread

TOLERANCE = 1e-5
"""Largest distance of a row's sum from one that rounding in single precision explains."""

WHITE, GREY = 0.9, 0.6
"""A row whose largest weight is above the first is called one pixel, below the second several."""

_END = "end"


@dataclass(frozen=True, eq=False)
class Reading:
    """One sentence's map and the rows to point at; words and map include the sentence's end."""

    weights: Float[Tensor, "target source"]
    source: tuple[str, ...]
    target: tuple[str, ...]
    concentrated: int
    spread: int
    middle: int

    @property
    def boxes(self) -> dict[str, tuple[int, int, int]]:
        """Letter of the question → row, first and last column: a pixel, two rows, and the best pixel of a grey row."""
        last = len(self.source) - 1
        pixel, best = (int(self.weights[row].argmax()) for row in (self.middle, self.spread))
        return {
            "a": (self.middle, pixel, pixel),
            "b": (self.concentrated, 0, last),
            "c": (self.spread, 0, last),
            "d": (self.spread, best, best),
        }


def cut_map(maps: Float[Tensor, "sentence row column"], index: int, pair: Pair) -> Float[Tensor, "target source"]:
    """One sentence's map without the filling, with the rows and columns of both ends."""
    return maps[index, : len(pair.target) + 1, : len(pair.source) + 1]


def pick(maps: Float[Tensor, "sentence row column"], pairs: Sequence[Pair], *, longest: int = 12) -> Reading:
    """The sentence whose most concentrated row and most spread row differ most, among those of 8 to `longest` words.

    A row is as concentrated as its largest weight; rows of the full stop and of the end are not asked.
    """
    best: tuple[float, int] | None = None
    for index, pair in enumerate(pairs):
        if len(pair.target) >= 8 and max(len(pair.target), len(pair.source)) <= longest:
            peaks = cut_map(maps, index, pair)[:-2].max(1).values
            gap = float(peaks.max() - peaks.min())
            best = max(best or (gap, index), (gap, index))
    if best is None:
        raise ValueError(f"no sentence of 8 to {longest} words among {len(pairs)}.")
    pair = pairs[best[1]]
    weights = cut_map(maps, best[1], pair)
    order = weights[:-2].max(1).values.argsort().tolist()
    return Reading(weights, (*pair.source, _END), (*pair.target, _END), order[-1], order[0], order[len(order) // 2])


def reading_table(reading: Reading) -> pd.DataFrame:
    """The three rows that are pointed at: their two largest weights and what is left."""
    rows = []
    for name, row in (("(b) most concentrated", reading.concentrated), ("(c) most spread", reading.spread)):
        weights, places = reading.weights[row].sort(descending=True)
        first, second = (f"{reading.source[int(p)]} {w:.2f}" for w, p in zip(weights[:2], places[:2], strict=True))
        slope = softmax_jacobian(reading.weights[row].double().log()).abs().max()
        rows.append(
            {
                "row": name,
                "word": reading.target[row],
                "brightest": first,
                "next": second,
                "all others": f"{weights[2:].sum():.2f}",
                "steepest slope": f"{slope:.3f}",
            }
        )
    return pd.DataFrame(rows)


def row_facts(maps: Float[Tensor, "sentence row column"], pairs: Sequence[Pair]) -> dict[str, float]:
    """Over all rows of all maps: how many, the farthest sum from one, the smallest and largest pixel, kinds of rows."""
    rows = [row for index, pair in enumerate(pairs) for row in cut_map(maps, index, pair)]
    peaks = torch.stack([row.max() for row in rows])
    filling = [maps[index, : len(pair.target) + 1, len(pair.source) + 1 :] for index, pair in enumerate(pairs)]
    return {
        "rows": float(len(rows)),
        "sum_error": max(abs(float(row.double().sum()) - 1) for row in rows),
        "smallest": min(float(row.min()) for row in rows),
        "largest": float(peaks.max()),
        "filling": max((float(part.abs().max()) for part in filling if part.numel()), default=0.0),
        "one_pixel": float((peaks > WHITE).double().mean()),
        "several": float((peaks < GREY).double().mean()),
    }


def word_table(
    maps: Float[Tensor, "sentence row column"], pairs: Sequence[Pair], *, least: int = 20, rows: int = 4
) -> pd.DataFrame:
    """The target words with the most concentrated and the most spread rows, among those met `least` times.

    For each: the mean of its rows' largest weight, and the mean weight that falls on its gold source words.
    """
    peaks: dict[str, list[float]] = defaultdict(list)
    gold: dict[str, list[float]] = defaultdict(list)
    for index, pair in enumerate(pairs):
        weights = cut_map(maps, index, pair)
        for t, word in enumerate(pair.target):
            peaks[word].append(float(weights[t].max()))
            gold[word].append(sum(float(weights[t, s]) for u, s in pair.sure if u == t))
    means = sorted(
        ((sum(values) / len(values), word) for word, values in peaks.items() if len(values) >= least), reverse=True
    )
    chosen = means if len(means) <= 2 * rows else [*means[:rows], *means[-rows:]]
    return pd.DataFrame(
        [
            {
                "word": word,
                "times": len(peaks[word]),
                "largest weight": f"{mean:.2f}",
                "weight on gold words": f"{sum(gold[word]) / len(gold[word]):.2f}",
            }
            for mean, word in chosen
        ]
    )


def score_table(metrics: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """The model's scores on held-out sentences and those of its baselines, mean and spread over seeds."""

    def cell(name: str) -> str:
        return mean_and_spread([run[name] for run in metrics], ".3f") if name in metrics[0] else "–"

    names = {
        "words right, given the words before": ("token_accuracy", "token_baseline", "the commonest token"),
        "sentences right, word by word": ("exact_match", "", "–"),
        "alignment error rate": ("attention_error", "diagonal_error", "the diagonal"),
        "the same, reordered sentences": ("attention_error_reordered", "diagonal_error_reordered", "the diagonal"),
    }
    return pd.DataFrame(
        [
            {"on held-out sentences": label, "model": cell(ours), "baseline": cell(theirs), "which": which}
            for label, (ours, theirs, which) in names.items()
        ]
    )
