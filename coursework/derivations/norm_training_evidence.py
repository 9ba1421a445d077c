"""Evidence for study S-TR from training: where gradients end, which models learn, and what warm-up changes."""

from collections.abc import Sequence
from statistics import geometric_mean

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from coursework.derivations.initial_gradients import LABELS, NORMS
from coursework.derivations.residual_norm import Norm
from coursework.experiments.depth_norm import Config, name_of
from coursework.runs import Run

LAST_STEPS = 10
"""Steps at the end of training over which gradients and losses are averaged."""

HALF = 0.5
"""A model trains if it closes more than this share of the gap between the unigram model and the best model of all."""


def curve(run: Run, norm: Norm, depth: int, rate: float, warm_up: int, kind: str) -> Float[np.ndarray, " step"]:
    """Training loss per word (`losses`) or norm of the embedding's gradient (`embedding`) of one model, by step."""
    name = name_of(norm, depth, rate, warm_up)
    if kind == "losses":
        return run.arrays[f"{name}_losses"].numpy()
    return run.arrays[f"{name}_gradients"][:, 0].numpy()


def curves(run: Run, rate: float, kind: str, *, block: int = 5) -> dict[str, dict[str, Float[np.ndarray, " step"]]]:
    """Depth → norm and warm-up → values by step, each the mean over the last `block` steps."""
    config: Config = run.config
    return {
        f"{depth} layer{'s' * (depth > 1)}": {
            f"{LABELS[norm]}, {'warm-up' if warm_up else 'no warm-up'}": _running_mean(
                curve(run, norm, depth, rate, warm_up, kind), block
            )
            for norm in NORMS
            for warm_up in config.warm_ups
        }
        for depth in config.depths
    }


def _running_mean(values: Float[np.ndarray, " step"], block: int) -> Float[np.ndarray, " step"]:
    sums = np.cumsum(np.insert(values.astype(float), 0, 0.0))
    steps = np.arange(1, len(values) + 1)
    first = np.maximum(steps - block, 0)
    return (sums[steps] - sums[first]) / (steps - first)


def held_out(run: Run, norm: Norm, warm_up: int, split: str = "test") -> Float[np.ndarray, "depth rate"]:
    """Held-out loss per word of every depth and rate."""
    config: Config = run.config
    return np.array(
        [
            [run.metrics[f"{name_of(norm, depth, rate, warm_up)}_{split}_nll"] for rate in config.rates]
            for depth in config.depths
        ]
    )


def trains(run: Run, norm: Norm, warm_up: int) -> Bool[np.ndarray, "depth rate"]:
    """Whether each model closes more than half of the gap between the unigram model and the best of the run."""
    best = min(value for name, value in run.metrics.items() if name.endswith("_test_nll"))
    unigram = run.metrics["unigram_nll"]
    return held_out(run, norm, warm_up) < unigram - HALF * (unigram - best)


def end_gradient(run: Run, norm: Norm, depth: int, rate: float, warm_up: int) -> float:
    """Norm of the embedding's gradient, the geometric mean over the last steps."""
    return geometric_mean(np.maximum(curve(run, norm, depth, rate, warm_up, "embedding")[-LAST_STEPS:], 1e-30).tolist())


def start_gradient(run: Run, norm: Norm, depth: int, rate: float, warm_up: int) -> float:
    """Norm of the embedding's gradient before the first step."""
    return float(curve(run, norm, depth, rate, warm_up, "embedding")[0])


def gap_table(runs: Sequence[Run], rate: float, warm_up: int = 0) -> pd.DataFrame:
    """Per depth: the embedding's gradient before the first and over the last steps, post-LN, pre-LN and their ratio.

    Geometric means over runs that differ in their seed.
    """
    rows = []
    for depth in runs[0].config.depths:
        row: dict[str, object] = {"layers": depth}
        for when, measure in (("start", start_gradient), ("end", end_gradient)):
            post, pre = (geometric_mean([measure(run, norm, depth, rate, warm_up) for run in runs]) for norm in NORMS)
            row |= {
                f"post, {when}": f"{post:.1e}",
                f"pre, {when}": f"{pre:.1e}",
                f"pre / post, {when}": f"{pre / post:.2g}",
            }
        rows.append(row)
    return pd.DataFrame(rows)


def ratio(runs: Sequence[Run], depth: int, rate: float, warm_up: int, when: str) -> float:
    """Embedding's gradient of pre-LN over that of post-LN, at the `start` or the `end`: geometric mean over runs."""
    measure = {"start": start_gradient, "end": end_gradient}[when]
    return geometric_mean(
        [measure(run, "pre", depth, rate, warm_up) / measure(run, "post", depth, rate, warm_up) for run in runs]
    )


def best_rates(runs: Sequence[Run]) -> pd.DataFrame:
    """Per depth, norm and warm-up: the rate with the lowest validation loss, and the test loss there; first run."""
    run = runs[0]
    config: Config = run.config
    rows = []
    for depth_place, depth in enumerate(config.depths):
        row: dict[str, object] = {"layers": depth}
        for norm in NORMS:
            for warm_up in config.warm_ups:
                place = int(held_out(run, norm, warm_up, "validation")[depth_place].argmin())
                losses = [held_out(one, norm, warm_up)[depth_place, place] for one in runs]
                label = f"{LABELS[norm]}, {'warm-up' if warm_up else 'no warm-up'}"
                row[label] = f"{np.mean(losses):.2f} ({config.rates[place]:g})"
        rows.append(row)
    return pd.DataFrame(rows)


def widest_gap(runs: Sequence[Run]) -> tuple[int, float]:
    """Depth and rate at which, without warm-up, the embedding's gradients of both norms end farthest apart."""
    config: Config = runs[0].config
    places = [(depth, rate) for depth in config.depths for rate in config.rates]
    return max(places, key=lambda place: ratio(runs, place[0], place[1], config.warm_ups[0], "end"))


def maps(run: Run) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Norm and warm-up → held-out losses (depth, rate), and whether each model trains."""
    places = [(norm, warm_up) for norm in NORMS for warm_up in run.config.warm_ups]
    titles = {place: f"{LABELS[place[0]]}, {_warm_up_label(place[1])}" for place in places}
    losses = {titles[place]: held_out(run, *place) for place in places}
    return losses, {titles[place]: trains(run, *place) for place in places}


def _warm_up_label(warm_up: int) -> str:
    return f"warm-up of {warm_up} steps" if warm_up else "no warm-up"


def warm_up_word(runs: Sequence[Run], warm_up: int) -> str:
    """What warm-up does to the post-LN model at the widest gap: `prevents`, `does not prevent`, or in some runs."""
    depth, rate = widest_gap(runs)
    config: Config = runs[0].config
    place = config.depths.index(depth), config.rates.index(rate)
    helped = [bool(trains(run, "post", warm_up)[place]) for run in runs]
    return "prevents" if all(helped) else "does not prevent" if not any(helped) else "sometimes prevents"


def count_sentence(runs: Sequence[Run]) -> str:
    """How many models train, by norm and warm-up."""
    parts = []
    for norm in NORMS:
        for warm_up in runs[0].config.warm_ups:
            found = np.array([trains(run, norm, warm_up) for run in runs])
            parts.append(f"{found.sum()} of {found.size} ({LABELS[norm]}, {_warm_up_label(warm_up)})")
    return "Of all depths, rates and seeds there train " + ", ".join(parts) + "."


def stuck_sentence(runs: Sequence[Run]) -> str:
    """Where the post-LN model of the widest gap ends, without warm-up, beside the unigram model and pre-LN."""
    depth, rate = widest_gap(runs)
    config: Config = runs[0].config
    place = config.depths.index(depth), config.rates.index(rate)
    post, pre = (np.mean([held_out(run, norm, config.warm_ups[0])[place] for run in runs]) for norm in NORMS)
    return f"With {depth} layers post-LN ends at a held-out loss of {post:.2f} nats per word, pre-LN at {pre:.2f}."


def after_training(runs: Sequence[Run], warm_up: int, arises: bool) -> str:
    """How the sentence about the gap ends: what happened to post-LN, and what warm-up changes about it."""
    if not arises:
        return ". These models are too few layers deep, or trained for too few steps, to show it."
    return f": post-LN has fallen into a state that no gradient leaves. Warm-up {warm_up_word(runs, warm_up)} it there."


def gap_verdict(arises: bool) -> str:
    """What the gap between the norms is about, or that it was not seen."""
    shown = "gap of many powers of ten that is shown for these two orders"
    if arises:
        return f"So the {shown} is a statement about trained models, and about their rate."
    return f"The {shown} is not in these runs."
