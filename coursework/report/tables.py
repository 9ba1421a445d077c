"""Tables for pages: runs in, data frames and Markdown out."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from IPython.display import Markdown

from coursework.runs import Run


def table(frame: pd.DataFrame) -> Markdown:
    """A data frame as a Markdown table, which HTML and PDF both set as a table."""
    right = ["left", *["right"] * (frame.shape[1] - 1)]
    return Markdown(frame.to_markdown(index=False, colalign=right, disable_numparse=True))


def summarise(
    groups: Mapping[str, Sequence[Run]], columns: Mapping[str, tuple[str, str]], first: str
) -> pd.DataFrame:
    """One row per group of runs that differ in their seed, each cell the mean over them and, from two on, ± the spread.

    Args:
        groups: row label → runs.
        columns: heading → (metric, format); the spread is the sample standard deviation, in the same format.
        first: heading of the labels.
    """
    rows = []
    for label, runs in groups.items():
        cells = {first: label}
        for heading, (metric, form) in columns.items():
            cells[heading] = mean_and_spread([run.metrics[metric] for run in runs], form)
        rows.append(cells)
    return pd.DataFrame(rows)


def mean_and_spread(values: Sequence[float], form: str = ".4f") -> str:
    """Mean ± sample standard deviation; the number alone when there is one.

    >>> mean_and_spread([1.0, 2.0, 3.0], ".1f"), mean_and_spread([2.0], ".1f")
    ('2.0 ± 1.0', '2.0')
    """
    mean = f"{np.mean(values):{form}}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):{form}}"
