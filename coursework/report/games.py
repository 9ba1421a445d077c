"""Tables and verdicts of the pages on adversarial games and on diffusion."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from coursework.metrics.generated import LEAST_SHARE
from coursework.report.tables import mean_and_spread
from coursework.runs import Run

GAMES: dict[str, dict[str, Any]] = {
    "saturating": {"game": "saturating"},
    "non-saturating": {"game": "non-saturating"},
    "non-saturating, smoothed": {"game": "non-saturating", "smooth": 0.9},
    "critic, clipped": {"game": "clipping"},
    "critic, penalised": {"game": "penalty"},
}
"""Label → what of the config makes the game."""

Scores = Mapping[str, float]


def quality_rows(
    measured: Mapping[str, Sequence[Scores]], seconds: Mapping[str, Sequence[float]], num_classes: int = 10
) -> pd.DataFrame:
    """One row per model: F-FID, precision, recall, classes covered and share of the rarest, CPU seconds of training.

    Args:
        measured: label → `sample_scores` per seed; cells are means ± spreads.
        seconds: label → CPU seconds per seed, of those that were trained.
        num_classes: of the data.
    """
    rows = []
    for label, found in measured.items():
        column = {name: [scores[name] for scores in found] for name in found[0]}
        rows.append(
            {
                "images": label,
                "F-FID": mean_and_spread(column["ffid"], ".2f"),
                "precision": mean_and_spread(column["precision"], ".3f"),
                "recall": mean_and_spread(column["recall"], ".3f"),
                f"classes ≥ {LEAST_SHARE:.0%}": f"{min(column['covered']):.0f} of {num_classes}",
                "rarest class": f"{100 * min(column['least_share']):.1f} %",
                "training, CPU s": mean_and_spread(seconds[label], ".0f") if label in seconds else "–",
            }
        )
    return pd.DataFrame(rows)


def training_seconds(runs: Mapping[str, Sequence[Run]]) -> dict[str, list[float]]:
    """Label → CPU seconds of training per seed."""
    return {label: [run.provenance["cpu_seconds"]["training"] for run in found] for label, found in runs.items()}


def effect(first: Sequence[Scores], second: Sequence[Scores], metric: str = "ffid") -> tuple[float, str]:
    """Mean change of a metric that is better when lower, from the first group to the second, and what that says.

    >>> effect([{"ffid": 3.0}, {"ffid": 4.0}], [{"ffid": 1.0}, {"ffid": 3.5}])
    (-1.25, 'helps on every seed')
    >>> effect([{"ffid": 3.0}, {"ffid": 4.0}], [{"ffid": 1.0}, {"ffid": 4.5}])[1]
    'helps on 1 of 2 seeds'
    """
    changes = [after[metric] - before[metric] for before, after in zip(first, second, strict=True)]
    better = sum(change < 0 for change in changes)
    words = {0: "does not help on any seed", len(changes): "helps on every seed"}
    if len(changes) == 1:
        words = {0: "does not help on this one seed", 1: "helps on this one seed"}
    return sum(changes) / len(changes), words.get(better, f"helps on {better} of {len(changes)} seeds")


def mean_of(found: Sequence[Scores], metric: str) -> float:
    """Mean of a metric over seeds."""
    return sum(scores[metric] for scores in found) / len(found)


def sampler_rows(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per number of steps of a diffusion model's samplers, the ancestral one last."""
    names = [*(str(k) for k in runs[0].config.steps), *(["all"] if runs[0].config.ancestral else [])]
    rows = []
    for name in names:
        column = {key: [run.metrics[f"{key}_{name}"] for run in runs] for key in ("ffid", "precision", "recall")}
        seconds = [run.metrics[f"seconds_{name}"] for run in runs]
        rows.append(
            {
                "sampler": "ancestral" if name == "all" else "deterministic",
                "steps": str(runs[0].config.length) if name == "all" else name,
                "F-FID": mean_and_spread(column["ffid"], ".2f"),
                "precision": mean_and_spread(column["precision"], ".3f"),
                "recall": mean_and_spread(column["recall"], ".3f"),
                "classes covered": f"{min(run.metrics[f'covered_{name}'] for run in runs):.0f} of 10",
                "CPU s per 1,000": f"{min(seconds):.1f}",
            }
        )
    return pd.DataFrame(rows)


def bound_rows(runs: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """One row per schedule: the bound in bits per dimension, its parts, and its standard error."""
    rows = []
    for label, found in runs.items():
        names = ("", "_prior", "_denoising", "_decoder")
        parts = {name: [run.metrics[f"bits{name}"] for run in found] for name in names}
        rows.append(
            {
                "schedule": label,
                "bits per dimension": mean_and_spread(parts[""], ".3f"),
                "prior term": mean_and_spread(parts["_prior"], ".1e"),
                "denoising terms": mean_and_spread(parts["_denoising"], ".3f"),
                "first term": mean_and_spread(parts["_decoder"], ".3f"),
                "standard error": f"{max(run.metrics['bits_error'] for run in found):.3f}",
            }
        )
    return pd.DataFrame(rows)
