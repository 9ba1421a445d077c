"""What the translation study changes of the experiment `nmt`: for the transformer, and for its runs of record."""

from typing import Any

TRANSFORMER: dict[str, Any] = {"model": "transformer", "rate": 3e-3, "warm_fraction": 0.1}
"""What a transformer on generated pairs is trained with, beside the defaults."""

MULTI30K: dict[str, dict[str, Any]] = {
    "GRU with attention": {"model": "gru-attention", "embed_dim": 192, "dim": 192, "epochs": 10, "rate": 2e-3,
                           "dropout": 0.2},
    "transformer": {"model": "transformer", "dim": 128, "num_layers": 3, "hidden": 512, "epochs": 12, "rate": 2e-3,
                    "dropout": 0.1, "warm_fraction": 0.1},
    "transformer, four times the steps": {"model": "transformer", "dim": 128, "num_layers": 3, "hidden": 512,
                                          "epochs": 24, "batch_size": 64, "rate": 4e-3, "dropout": 0.15,
                                          "warm_fraction": 0.04, "num_merges": 5000},
}  # fmt: skip
"""Label → what a run of record on Multi30K changes."""

_MULTI30K = {
    **{"dataset": "multi30k", "num_train": 0, "num_test": 0, "num_merges": 3000, "longest": 100},
    **{"batch_size": 128, "smoothing": 0.1, "beams": 4},
}


def on_multi30k(label: str) -> dict[str, Any]:
    """The settings of a run of record on Multi30K, by its label: for `configure("nmt", ...)` or `Page.vary`."""
    return {**_MULTI30K, **MULTI30K[label]}


def trials_on_multi30k() -> dict[str, dict[str, Any]]:
    """Label → settings: two passes of the last transformer, scored on validation pairs, for both batches and rates."""
    two, one = (on_multi30k(label) for label in ("transformer, four times the steps", "transformer"))
    short = {"epochs": 2, "warm_fraction": 0.3, "holdout": "validation", "beams": 1}
    return {
        f"{size} pairs, rate {rate:g}": {**two, **short, "batch_size": size, "rate": rate}
        for size in (one["batch_size"], two["batch_size"])
        for rate in (one["rate"], two["rate"])
    }
