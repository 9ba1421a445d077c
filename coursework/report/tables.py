"""Tables for pages: runs in, data frames and Markdown out."""

import dataclasses
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Markdown

from coursework.runs import Run

_SCORES = {
    "score": ("course score", ".4f"),
    "mse": ("MSE", ".5f"),
    "psnr": ("PSNR (dB)", ".2f"),
    "ssim": ("SSIM", ".3f"),
}

_NUMBER = re.compile(r"[-+−]?[\d.]|$")
"""How a cell of a column of numbers begins."""


def counted(number: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "seed"), counted(3, "seed")
    ('one seed', '3 seeds')
    """
    return f"one {what}" if number == 1 else f"{number:,} {what}s"


def table(frame: pd.DataFrame) -> Markdown:
    """A data frame as a Markdown table, which HTML and PDF both set as one; columns of numbers stand right."""
    text = [not all(isinstance(v, int | float) or _NUMBER.match(str(v)) for v in frame[c]) for c in frame.columns]
    aligned = ["left" if left else "right" for left in text]
    return Markdown(frame.to_markdown(index=False, colalign=aligned, disable_numparse=True))


def score_table(
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]], models: Mapping[str, Sequence[Run]]
) -> pd.DataFrame:
    """Two rows per model, training and test: the course's score, MSE, PSNR and SSIM.

    Args:
        baselines: label → split → scores, of models without randomness.
        models: label → runs that differ in their seed; cells are means and, from two runs on, ± the spread.
    """
    rows = [
        (label, split, {k: [v] for k, v in scores.items()})
        for label, by in baselines.items()
        for split, scores in by.items()
    ]
    for label, runs in models.items():
        for split in ("train", "test"):
            rows.append((label, split, {name: [r.metrics[f"{split}_{name}"] for r in runs] for name in _SCORES}))
    return pd.DataFrame(
        [
            {"model": label, "images": split}
            | {heading: mean_and_spread(scores[name], form) for name, (heading, form) in _SCORES.items()}
            for label, split, scores in rows
        ]
    )


def settings(config: Any) -> pd.DataFrame:
    """Every field of a config: its name, its value, and what its class says about it."""
    meanings = _attributes(type(config))
    rows = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        rows.append({"parameter": f"`{field.name}`", "value": shown, "meaning": meanings.get(field.name, "")})
    return pd.DataFrame(rows)


def mean_and_spread(values: Sequence[float], form: str = ".4f") -> str:
    """Mean ± sample standard deviation; the number alone when there is one.

    >>> mean_and_spread([1.0, 2.0, 3.0], ".1f"), mean_and_spread([2.0], ".1f")
    ('2.0 ± 1.0', '2.0')
    """
    mean = f"{np.mean(values):{form}}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):{form}}"


def _attributes(cls: type) -> dict[str, str]:
    """Name → sentence from the `Attributes:` section of the class's docstring and its parents'."""
    found: dict[str, str] = {}
    for parent in reversed(cls.__mro__):
        section = inspect.cleandoc(parent.__doc__ or "").partition("Attributes:\n")[2]
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE):
            found[name] = " ".join(text.split()).rstrip(".")
    return found
