"""Alignments of study S-NMT: error rates by head, maps to show, sentences by word order, attention behind the end."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from coursework.data.pairs import Pair
from coursework.data.text import PairSet, Vocabulary, padded
from coursework.data.words import detokenised
from coursework.experiments.nmt_evidence import Runs, of
from coursework.experiments.nmt_scores import sentences
from coursework.experiments.translation import is_reordered
from coursework.metrics.translation import best_links
from coursework.models.decoding import greedy
from coursework.models.recurrent import RecurrentTranslator
from coursework.models.transformer import TransformerTranslator
from coursework.report.plain import plain
from coursework.runs import Run


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


def hits(rows: Float[Tensor, "target source"], pair: Pair) -> int:
    """How many target words have their largest weight at a gold link, sure or possible."""
    return len(best_links(rows) & (pair.sure | pair.possible))


def word_order_examples(
    held_out: PairSet, french: Vocabulary, runs: Mapping[str, Run], *, each: int = 1
) -> pd.DataFrame:
    """The first held-out sentences with a negation, with an adjective behind its noun, and with neither."""

    def kind(pair: Pair) -> str:
        if "pas" in pair.target:
            return "negation"
        return "adjective behind its noun" if is_reordered(pair.sure) else "same order"

    written = {label: sentences(run.arrays["translations"], french, False) for label, run in runs.items()}

    def row(order: str, who: str, sentence: str) -> dict[str, str]:
        return {"order": order, "who": who, "sentence": plain(sentence)}

    rows = []
    for name in ("negation", "adjective behind its noun", "same order"):
        for place in [k for k, pair in enumerate(held_out.pairs) if kind(pair) == name][:each]:
            pair = held_out.pairs[place]
            rows.append(row(name, "English", " ".join(pair.source)))
            rows.append(row("", "reference", detokenised(pair.target)))
            rows += [row("", label, detokenised(own[place])) for label, own in written.items()]
    return pd.DataFrame(rows)


def written(
    run: Run, held_out: PairSet, english: Vocabulary, *, most: int
) -> tuple[Int[Tensor, "sentence step"], Float[Tensor, "sentence step source"]]:
    """What the run's model writes for the first `most` sentences, likeliest word by word, and its mean attention."""
    model = run.modules()["translator"]
    assert isinstance(model, RecurrentTranslator | TransformerTranslator)
    words, maps = greedy(model, padded(english.encode(held_out.sources[:most])), run.config.longest)
    return words, maps.mean(1)


def around_the_end(
    maps: Float[Tensor, "sentence step source"], source_lengths: Sequence[int], target_lengths: Sequence[int]
) -> pd.DataFrame:
    """Attention of the steps up to the reference's last word, and of those behind it.

    Args:
        maps: rows of weights; the source's words come first, then its end.
        source_lengths: words of each source sentence, its end not counted.
        target_lengths: of each reference, its end not counted.
    """
    parts: dict[str, list[Tensor]] = {"up to the reference's last word": [], "behind it": []}
    for rows, source, target in zip(maps, source_lengths, target_lengths, strict=True):
        seen = rows[:, : source + 1]
        numbers = torch.stack([seen.amax(1), torch.special.entr(seen).sum(1), seen[:, source - 1 :].sum(1)], 1)
        for name, part in zip(parts, (numbers[:target], numbers[target:]), strict=True):
            parts[name].append(part)
    means = {name: torch.cat(found).mean(0).tolist() for name, found in parts.items()}
    labels = ("largest weight", "entropy, nats", "on the full stop and the end")
    return pd.DataFrame(
        [
            {"words written": name, **{label: f"{value:.2f}" for label, value in zip(labels, row, strict=True)}}
            for name, row in means.items()
        ]
    )
