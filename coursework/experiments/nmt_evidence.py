"""Tables and examples of study S-NMT: runs of the experiment `nmt` in, data frames out."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.data.pairs import Pair
from coursework.data.text import PairSet, Vocabulary
from coursework.data.words import detokenised
from coursework.experiments.nmt_scores import sentences
from coursework.experiments.translation import is_reordered
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
    """A row per model: weights, BLEU and chrF, sentences right, words right, −log p per word."""
    return pd.DataFrame(
        [
            {
                "model": label,
                "weights": f"{own[0].metrics['parameters']:,.0f}",
                "BLEU": of(own, "bleu", ".1f"),
                "first seed [95 %]": interval(own[0], "bleu"),
                "chrF": of(own, "chrf", ".1f"),
                "sentences right": of(own, "exact_match", ".3f"),
                "words right": of(own, "forced_accuracy", ".3f"),
                "nats a word": of(own, "forced_nll", ".3f"),
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


def alignment_table(runs: Runs) -> pd.DataFrame:
    """Alignment error rate of every head, and of the mean of the heads, on all and on reordered pairs; the diagonal."""
    rows = []
    for label, own in runs.items():
        heads = sorted(
            (n for n in own[0].metrics if n.startswith("head_") and n.endswith("_error")),
            key=lambda name: int(name.split("_")[1]),
        )
        names = dict.fromkeys(["attention_error"]) if len(heads) == 1 else dict.fromkeys([*heads, "attention_error"])
        layers = own[0].config.num_layers
        for name in names:
            if name == "attention_error":
                shown = label if len(heads) == 1 else f"{label}, mean of all heads"
            else:
                layer, head = divmod(int(name.split("_")[1]), len(heads) // layers)
                shown = f"{label}, layer {layer + 1}, head {head + 1}"
            rows.append({"attention": shown, "all pairs": of(own, name), "reordered": of(own, f"{name}_reordered")})
    first = next(iter(runs.values()))
    rows.append(
        {
            "attention": "the diagonal (no model)",
            "all pairs": f"{first[0].metrics['diagonal_error']:.3f}",
            "reordered": f"{first[0].metrics['diagonal_error_reordered']:.3f}",
        }
    )
    return pd.DataFrame(rows)


def end_table(runs: Runs) -> pd.DataFrame:
    """A row per training with or without the end: lengths, cut sentences, repeated pairs, BLEU and chrF."""
    rows = [
        {
            "loss": label,
            "mean length": of(own, "length", ".1f"),
            "length error": of(own, "length_error", ".2f"),
            "cut at the limit": of(own, "cut", ".3f"),
            "repeated pairs": of(own, "repeated", ".3f"),
            "BLEU": of(own, "bleu", ".1f"),
            "chrF": of(own, "chrf", ".1f"),
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
    """A row per ratio: steps to the losses that all reach, words right told and untold, their gap, BLEU."""
    told, untold = common_loss(runs), common_loss(runs, FREE)
    return pd.DataFrame(
        [
            {
                "ratio": f"{ratio:g}",
                f"steps to {told:.2f} nats told": steps_to(run, told),
                f"steps to {untold:.2f} nats untold": steps_to(run, untold, FREE),
                "words right, told": f"{run.metrics['forced_accuracy']:.3f}",
                "words right, untold": f"{run.metrics['free_accuracy']:.3f}",
                "gap": f"{gap(run):+.3f}",
                "BLEU": interval(run, "bleu"),
            }
            for ratio, run in runs.items()
        ]
    )


def gap(run: Run) -> float:
    """Share of words right when told the words before, less the share when the decoder reads its own."""
    return run.metrics["forced_accuracy"] - run.metrics["free_accuracy"]


def position_table(runs: Mapping[str, tuple[Run, Run]]) -> pd.DataFrame:
    """A row per model: BLEU without positions and with them, and the difference with its interval."""
    rows = []
    for label, (without, with_them) in runs.items():
        value, low, high = difference([with_them], [without])
        rows.append(
            {
                "model": label,
                "BLEU without": f"{without.metrics['bleu']:.1f}",
                "BLEU with": f"{with_them.metrics['bleu']:.1f}",
                "difference [95 %]": f"{value:+.1f} [{low:+.1f}, {high:+.1f}]",
            }
        )
    return pd.DataFrame(rows)


def crossings(pair: Pair) -> int:
    """How many pairs of gold links cross."""
    return sum(t < u and s > v for t, s in pair.sure for u, v in pair.sure)


def most_reordered(pairs: Sequence[Pair], *, kept: int, longest: int = 12) -> int:
    """The place of the pair with the most crossing links among the first `kept`, no longer than `longest` words."""
    fits = [k for k, p in enumerate(pairs[:kept]) if max(len(p.source), len(p.target)) <= longest]
    if not fits:
        raise ValueError(f"none of {kept} pairs has at most {longest} words.")
    return max(fits, key=lambda k: (crossings(pairs[k]), -k))


def gold_map(pair: Pair) -> Float[Tensor, "target source"]:
    """The gold alignment as a map: one for a sure link, one half for a possible one."""
    gold = torch.zeros(len(pair.target), len(pair.source))
    for links, weight in ((pair.possible, 0.5), (pair.sure, 1.0)):
        for t, s in links:
            gold[t, s] = weight
    return gold


def word_order_examples(
    held_out: PairSet, french: Vocabulary, runs: Mapping[str, Run], *, each: int = 1
) -> pd.DataFrame:
    """The first held-out sentences with a negation, with an adjective behind its noun, and with neither."""

    def kind(pair: Pair) -> str:
        if "pas" in pair.target:
            return "negation"
        return "adjective behind its noun" if is_reordered(pair.sure) else "same order"

    written = {label: sentences(run.arrays["translations"], french, False) for label, run in runs.items()}
    rows = []
    for name in ("negation", "adjective behind its noun", "same order"):
        for place in [k for k, pair in enumerate(held_out.pairs) if kind(pair) == name][:each]:
            pair = held_out.pairs[place]
            rows.append({"order": name, "who": "English", "sentence": " ".join(pair.source)})
            rows.append({"order": "", "who": "reference", "sentence": detokenised(pair.target)})
            rows += [{"order": "", "who": label, "sentence": detokenised(own[place])} for label, own in written.items()]
    return pd.DataFrame(rows)
