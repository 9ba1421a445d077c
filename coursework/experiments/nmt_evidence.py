"""Tables and examples of study S-NMT: runs of the experiment `nmt` in, data frames out."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from coursework.data.text import PairSet, Vocabulary
from coursework.experiments.nmt_scores import sentences
from coursework.metrics.bleu import bleu_difference, bleu_of
from coursework.report.tables import mean_and_spread
from coursework.runs import Run

Runs = Mapping[str, Sequence[Run]]
"""Label → runs that differ in their seed."""

EDGES = (6, 8, 10, 12)
"""Source lengths at which one group of sentences ends and the next begins."""

STEP, FORCED, FREE, FORCED_ACCURACY, FREE_ACCURACY = range(5)
"""Columns of a run's curve."""


def of(runs: Sequence[Run], name: str, form: str = ".3f") -> str:
    """A metric's mean and spread over seeds; a dash when the runs have no such number."""
    return mean_and_spread([run.metrics[name] for run in runs], form) if name in runs[0].metrics else "–"


def interval(run: Run, name: str) -> str:
    """A corpus score of a run with its 95 per cent bootstrap interval over sentences."""
    return f"{run.metrics[name]:.1f} [{run.metrics[f'{name}_low']:.1f}, {run.metrics[f'{name}_high']:.1f}]"


def quality_table(runs: Runs) -> pd.DataFrame:
    """A row per model: weights, BLEU, its interval, chrF, sentences and words right."""
    return pd.DataFrame(
        [
            {
                "model": label,
                "weights": f"{own[0].metrics['parameters']:,.0f}",
                "BLEU": of(own, "bleu", ".1f"),
                "95 %, first seed": f"{own[0].metrics['bleu_low']:.1f} to {own[0].metrics['bleu_high']:.1f}",
                "chrF": of(own, "chrf", ".1f"),
                "sentences right": of(own, "exact_match", ".3f"),
                "words right": of(own, "forced_accuracy", ".3f"),
            }
            for label, own in runs.items()
        ]
    )


def difference(ours: Sequence[Run], theirs: Sequence[Run]) -> tuple[float, float, float]:
    """BLEU of `ours` less that of `theirs` and its 95 per cent interval, sentences of all seeds resampled in pairs."""
    one, other = (torch.cat([run.arrays["statistics"] for run in runs]) for runs in (ours, theirs))
    return bleu_difference(one, other)


def by_length(runs: Runs, held_out: PairSet) -> tuple[list[str], dict[str, list[float]]]:
    """Groups of held-out sentences by the words of their source, and BLEU of every model in each."""
    lengths = np.array([len(source) for source in held_out.sources])
    group = np.digitize(lengths, EDGES)
    used = [k for k in range(len(EDGES) + 1) if (group == k).sum() >= 10]
    low, high = (0, *EDGES), (*EDGES, lengths.max() + 1)
    names = [f"{max(low[k], lengths.min())} to {high[k] - 1}" for k in used]
    scores = {
        label: [
            bleu_of(torch.cat([run.arrays["statistics"][torch.from_numpy(group == k)] for run in own])) for k in used
        ]
        for label, own in runs.items()
    }
    return names, scores


def length_table(names: Sequence[str], scores: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """BLEU by source length, a row per model."""
    return pd.DataFrame(
        [
            {"BLEU of sentences of": label, **{f"{n} words": f"{v:.1f}" for n, v in zip(names, own, strict=True)}}
            for label, own in scores.items()
        ]
    )


def end_table(runs: Runs) -> pd.DataFrame:
    """A row per training with or without the end: lengths, cut sentences, repeated pairs, BLEU."""
    rows = [
        {
            "loss": label,
            "mean length": of(own, "length", ".1f"),
            "length error": of(own, "length_error", ".2f"),
            "cut at the limit": of(own, "cut", ".3f"),
            "repeated pairs": of(own, "repeated", ".3f"),
            "BLEU": of(own, "bleu", ".1f"),
            "words right, told": of(own, "forced_accuracy_inside", ".3f"),
        }
        for label, own in runs.items()
    ]
    first = next(iter(runs.values()))[0].metrics
    reference = dict.fromkeys(rows[0], "–") | {
        "loss": "the reference itself",
        "mean length": f"{first['length_reference']:.1f}",
        "repeated pairs": f"{first['repeated_reference']:.3f}",
    }
    return pd.DataFrame([*rows, reference])


def right_until_the_end(run: Run, held_out: PairSet, french: Vocabulary) -> float:
    """The share of held-out sentences that are the reference if cut where it ends."""
    written = sentences(run.arrays["translations"], french, False)
    pairs = zip(written, held_out.targets, strict=True)
    return sum(tuple(own[: len(right)]) == tuple(right) for own, right in pairs) / len(held_out)


def curve(run: Run, column: int) -> tuple[list[float], list[float]]:
    """Steps and values of a column of the run's measurements on validation pairs."""
    values = run.arrays["curve"]
    values = values[values[:, STEP].isfinite()]
    return values[:, STEP].tolist(), values[:, column].tolist()


def common_loss(runs: Mapping[float, Run], column: int = FORCED) -> float:
    """The lowest loss that every one of the runs reached."""
    return max(min(curve(run, column)[1]) for run in runs.values())


def steps_to(run: Run, level: float, column: int = FORCED) -> int:
    """The first measured step at which the loss was at most `level`.

    Raises:
        ValueError: it never was.
    """
    for step, value in zip(*curve(run, column), strict=True):
        if value <= level:
            return int(step)
    raise ValueError(f"the loss never fell to {level:.3g}.")


def forcing_table(runs: Mapping[float, Run]) -> pd.DataFrame:
    """A row per ratio: steps to the losses that all reach (`common_loss`), words right, their gap, BLEU."""
    told, untold = common_loss(runs), common_loss(runs, FREE)
    return pd.DataFrame(
        [
            {
                "ratio": f"{ratio:g}",
                "steps, told": steps_to(run, told),
                "steps, untold": steps_to(run, untold, FREE),
                "right, told": f"{run.metrics['forced_accuracy']:.3f}",
                "right, untold": f"{run.metrics['free_accuracy']:.3f}",
                "gap": f"{gap(run):+z.3f}",
                "BLEU": interval(run, "bleu"),
            }
            for ratio, run in runs.items()
        ]
    )


def gap(run: Run) -> float:
    """Share of words right when told the words before, less the share when the decoder reads its own."""
    return run.metrics["forced_accuracy"] - run.metrics["free_accuracy"]


def position_table(runs: Mapping[str, tuple[Sequence[Run], Sequence[Run]]]) -> pd.DataFrame:
    """A row per model: BLEU without positions and with them, and the difference with its interval."""
    rows = []
    for label, (without, with_them) in runs.items():
        value, low, high = difference(with_them, without)
        rows.append(
            {
                "model": label,
                "BLEU without": of(without, "bleu", ".1f"),
                "BLEU with": of(with_them, "bleu", ".1f"),
                "difference [95 %]": f"{value:+.1f} [{low:+.1f}, {high:+.1f}]",
            }
        )
    return pd.DataFrame(rows)


def record_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """A row per run of record: weights, passes, batches, BLEU of the likeliest words and of beams, chrF, time."""
    return pd.DataFrame(
        [
            {
                "model": label,
                "weights, million": f"{run.metrics['parameters'] / 1e6:.1f}",
                "passes": run.config.epochs,
                "batch": run.config.batch_size,
                "BLEU, greedy": f"{run.metrics['greedy_bleu']:.1f}",
                "BLEU, beams [95 %]": interval(run, "bleu"),
                "chrF": f"{run.metrics['chrf']:.1f}",
                "CPU min": f"{run.provenance['cpu_seconds']['total'] / 60:.0f}",
            }
            for label, run in runs.items()
        ]
    )


def trial_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """A row per trial: −log p per piece and BLEU of the likeliest words, both of the pairs the run was scored on."""
    return pd.DataFrame(
        [
            {
                "batches of": label,
                "−log p per piece, told": f"{run.metrics['forced_nll']:.3f}",
                "BLEU, greedy": f"{run.metrics['bleu']:.1f}",
            }
            for label, run in runs.items()
        ]
    )
