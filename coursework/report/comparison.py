"""Tables of page W3: models beside one another, and errors by the share of hidden pixels."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.report.tables import mean_and_spread


def comparison_table(measured: Mapping[str, Sequence[Mapping[str, float]]]) -> pd.DataFrame:
    """One row per model, means ± spread over seeds; the Monte Carlo error of the evidence stands beside it."""
    rows = []
    for label, numbers in measured.items():
        column = {name: [n[name] for n in numbers] for name in numbers[0]}
        rows.append(
            {
                "model": label,
                "test score": mean_and_spread(column["score"], ".4f"),
                "ELBO": mean_and_spread(column["elbo"], ".0f"),
                "−log p(x)": mean_and_spread(column["nll"], ".0f"),
                "MC error": f"{max(column['standard_error']):.2f}",
                "k-NN": mean_and_spread(column["accuracy"], ".3f"),
                "CPU s": mean_and_spread(column["training"], ".0f"),
            }
        )
    return pd.DataFrame(rows)


def psnr_table(errors: Mapping[str, Float[Tensor, "run fraction"]], fractions: Sequence[float]) -> pd.DataFrame:
    """One row per method, one column per hidden share: PSNR in decibels, mean ± spread over runs."""
    decibels = {method: -10 * torch.log10(values) for method, values in errors.items()}
    return pd.DataFrame(
        [
            {"method": method}
            | {
                f"{100 * fraction:.0f} %": mean_and_spread(values[:, i].tolist(), ".1f")
                for i, fraction in enumerate(fractions)
            }
            for method, values in decibels.items()
        ]
    )


def from_words(fraction: float | None) -> str:
    """Where a method beats another, in words.

    >>> from_words(0.3), from_words(None)
    ('from 30 % hidden pixels on', 'at no share of hidden pixels from which on it stays ahead')
    """
    if fraction is None:
        return "at no share of hidden pixels from which on it stays ahead"
    return f"from {100 * fraction:.0f} % hidden pixels on"
