"""Tables and verdicts of the comparison of all models: every conclusion of its page is computed here."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

QUESTIONS = {
    "bits": ("fewest bits for a grey image", "{:.3f} bits/dim", False),
    "F-FID": ("draws as a whole most like real images", "F-FID {:.1f}", False),
    "precision": ("most draws that could be real", "precision {:.3f}", True),
    "recall": ("most of what is real among the draws", "recall {:.3f}", True),
    "k-NN": ("classes told by neighbours", "k-NN {:.3f}", True),
    "training": ("shortest training", "{:.1f} CPU min", False),
    "drawing": ("fastest draws", "{:.2f} CPU s per 1,000", False),
}
"""Column → what it answers, how its value is written, and whether more is better."""

_TIE = 0.7
"""Rank correlation from which on two columns are said to go together: chance alone gives it once in twenty to nine
models."""

Rows = Mapping[str, Mapping[str, str | float]]


def quality(rows: Rows) -> pd.DataFrame:
    """Density, samples and representation, one row per model; a dash where a model has no value."""
    return _frame(rows, {"F-FID": ".1f", "precision": ".3f", "recall": ".3f", "k-NN": ".3f"}, with_density=True)


def costs(rows: Rows) -> pd.DataFrame:
    """Training images, training and drawing, one row per model."""
    out = _frame(rows, {"training images": ",.0f", "training": ".1f", "drawing": ".2f"}, with_density=False)
    return out.rename(columns={"training": "training, CPU min", "drawing": "1,000 draws, CPU s"})


def leaders(rows: Rows) -> dict[str, tuple[str, float]]:
    """Column of `QUESTIONS` → the model that leads it, the first of several, and its value."""
    out = {}
    for column, (_, _, more) in QUESTIONS.items():
        values = _column(rows, column)
        out[column] = (
            (str(values.idxmax()), float(values.max())) if more else (str(values.idxmin()), float(values.min()))
        )
    return out


def answers(rows: Rows) -> pd.DataFrame:
    """One row per question: the model that answers it best, and by what."""
    found = leaders(rows)
    return pd.DataFrame(
        [
            {"asked for": question, "model": found[column][0], "by": form.format(found[column][1])}
            for column, (question, form, _) in QUESTIONS.items()
        ]
    )


def verdicts(rows: Rows, real: Mapping[str, str | float]) -> dict[str, Any]:
    """Name → number or words for the page's prose, from the models' rows and that of real images."""
    found = leaders(rows)
    names = {name for name, _ in found.values()}
    ffid, drawing, accuracy = (_column(rows, name) for name in ("F-FID", "drawing", "k-NN"))
    bits, training, nats = (_column(rows, name) for name in ("bits", "training", "nats"))
    by_bits = list(bits.sort_values().index)
    by_ffid = list(ffid[by_bits].sort_values().index)
    pixels = float(real["k-NN"])
    tie = ffid.corr(training, method="spearman")
    return {
        **{f"best_{key}": found[column][0] for key, column in _SHORT.items()},
        **{f"best_{key}_value": found[column][1] for key, column in _SHORT.items()},
        "leading": f"The {names.pop()} leads every column" if len(names) == 1 else "No model leads every column",
        "worst_ffid": ffid.idxmax(),
        "worst_ffid_value": ffid.max(),
        "slowest": drawing.idxmax(),
        "slowest_factor": f"{drawing.max() / max(drawing.min(), 1e-3):,.0f}",
        "dearest": training.idxmax(),
        "dearest_minutes": training.max(),
        "same_cheapest": "one model" if found["training"][0] == found["drawing"][0] else "two models",
        "real_ffid": real["F-FID"],
        "pixel_knn": pixels,
        "above_pixels": listed(accuracy.index[accuracy > pixels]),
        "below_pixels": listed(accuracy.index[accuracy <= pixels]),
        "precise_is_various": "the same model" if found["precision"][0] == found["recall"][0] else "two models",
        "by_bits": listed(by_bits),
        "by_ffid": listed(by_ffid),
        "orders": "the same order as" if by_bits == by_ffid else "another order than",
        "fewer_nats": nats.idxmin(),
        "nats_gain": nats.max() - nats.min(),
        "nats_draw": "draws better" if ffid[nats.index].idxmin() == nats.idxmin() else "does not draw better",
        "better_game": ffid[["GAN", "WGAN-GP"]].idxmin(),
        "tie": tie,
        "tie_words": "models trained for longer draw better, by and large"
        if tie <= -_TIE
        else "models trained for longer draw worse, by and large"
        if tie >= _TIE
        else "length of training does not order the models",
    }


def listed(names: Iterable[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["a", "b", "c"]), listed(["a"]), listed([])
    ('a, b and c', 'a', 'none')
    """
    *most, last = [*names] or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


_SHORT = {"ffid": "F-FID", "knn": "k-NN", "drawing": "drawing", "training": "training"} | {
    name: name for name in ("bits", "precision", "recall")
}


def _column(rows: Rows, name: str) -> "pd.Series[float]":
    """A column's numbers by model, without the models that have none."""
    return pd.Series({label: float(row[name]) for label, row in rows.items()}).dropna()


def _frame(rows: Rows, forms: Mapping[str, str], *, with_density: bool) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"model": label}
            | ({"density of test images": row["density"]} if with_density else {})
            | {name: "–" if row[name] != row[name] else format(row[name], form) for name, form in forms.items()}
            for label, row in rows.items()
        ]
    )
