"""Several configs beside one another: seeds, and one change at a time."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from coursework.experiments.registry import variation
from coursework.runs import Run, run


def run_all(configs: Iterable[Any]) -> list[Run]:
    """The finished runs of the configs, in order; those that exist are found, the others are made."""
    return [run(config) for config in configs]


def ablate(base: Any, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Run]:
    """The run of `base` changed in one way at a time, by label; a change of nothing is the base itself.

    Raises:
        ConfigError: a change names an unknown field or a value that is not allowed; before anything runs.
    """
    configs = {label: variation(base, **change) for label, change in changes.items()}
    return {label: run(config) for label, config in configs.items()}


def ablation_table(runs: Mapping[str, Run], metric: str, form: str = ".4f") -> pd.DataFrame:
    """One row per change: the metric, and its difference from the first row's."""
    values = [finished.metrics[metric] for finished in runs.values()]
    return pd.DataFrame(
        {
            "change": list(runs),
            "validation score": [f"{value:{form}}" for value in values],
            "difference": ["–", *(f"{value - values[0]:+{form}}" for value in values[1:])],
        }
    )
