"""Scores of a translator: words, sentences, lengths, repetition, alignments, and what it does with its own words."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from coursework.data.corpora import references
from coursework.data.subwords import joined
from coursework.data.text import EOS, PAD, PairSet, Vocabulary, is_word, padded
from coursework.data.words import detokenised
from coursework.experiments.translation import is_reordered
from coursework.metrics.bleu import bleu, bleu_statistics, chrf, repeated_share
from coursework.metrics.translation import (
    alignment_error_rate,
    best_links,
    diagonal_links,
    exact_match,
    token_accuracy,
)
from coursework.models.decoding import beam, greedy
from coursework.models.recurrent import RecurrentTranslator
from coursework.models.transformer import TransformerTranslator
from coursework.training.task import Arrays, Metrics

CURVE_PAIRS = 200
_CHUNK = 128

Translator = RecurrentTranslator | TransformerTranslator


@dataclass(frozen=True)
class Setting:
    """What the scores depend on: the corpus, its split, whether words are in pieces, the limit, the beams."""

    dataset: str
    holdout: str
    pieces: bool
    longest: int
    beams: int


class Curve(nn.Module):
    """Measurements during training, kept among the weights so that a resumed run has them all.

    A row is: step, −log p per word told the right words before, the same told its own words, both as word accuracies.
    """

    values: Tensor

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.full((rows, 5), torch.nan))

    def add(self, step: int, measured: tuple[float, ...]) -> None:
        """Fill the first empty row."""
        row = int(self.values[:, 0].isfinite().sum())
        self.values[row] = torch.tensor([float(step), *measured])


@torch.no_grad()
def forced_and_free(
    model: Translator, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch step"]
) -> tuple[float, float, float, float]:
    """−log p per word told the right words before and told its own, and both word accuracies, without dropout.

    A transformer is measured with the right words alone; its other numbers are not a number.
    """
    training = model.training
    model.eval()
    forced, _ = told(model, source, target)
    free = own_words(model, source, target)
    model.train(training)
    loss, accuracy = _per_word(forced, target)
    own_loss, own_accuracy = (torch.nan, torch.nan) if free is None else _per_word(free, target)
    return loss, own_loss, accuracy, own_accuracy


def told(
    model: Translator, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch step"]
) -> tuple[Float[Tensor, "batch step vocab"], Float[Tensor, "batch map step source"]]:
    """Logits and attention maps of a model that is told the right words before."""
    return model.maps(source, target) if isinstance(model, TransformerTranslator) else model(source, target)


def own_words(
    model: Translator, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch step"]
) -> Float[Tensor, "batch step vocab"] | None:
    """Logits of the target's words when the decoder reads what it wrote itself; None for a transformer."""
    if isinstance(model, TransformerTranslator):
        return None
    return model(source, target, torch.zeros_like(target, dtype=torch.bool))[0]


def _per_word(logits: Tensor, target: Tensor) -> tuple[float, float]:
    loss = cross_entropy(logits.transpose(1, 2), target, ignore_index=PAD)
    return float(loss), token_accuracy(logits.argmax(-1), target, PAD)


def sentences(numbers: Int[Tensor, "batch step"], french: Vocabulary, pieces: bool) -> list[list[str]]:
    """The words that were written, whole ones also where the model writes pieces."""
    decoded = [[word for word in french.decode(row) if word != french.words[PAD]] for row in numbers.tolist()]
    return [joined(words) for words in decoded] if pieces else decoded


@torch.no_grad()
def write(
    model: Translator, source: Int[Tensor, "batch source"], max_length: int, beams: int
) -> Int[Tensor, "batch step"]:
    """Translations of all rows, in chunks, `PAD` after their end."""
    parts = [
        greedy(model, part, max_length)[0] if beams == 1 else beam(model, part, max_length, beams)
        for part in source.split(_CHUNK)
    ]
    longest = max(part.shape[1] for part in parts)
    return torch.cat([nn.functional.pad(part, (0, longest - part.shape[1]), value=PAD) for part in parts]).cpu()


@torch.no_grad()
def scores(
    model: Translator, held_out: PairSet, english: Vocabulary, french: Vocabulary, setting: Setting, curve: Curve
) -> tuple[Metrics, Arrays]:
    """Scores beside their baselines, and what the page needs to draw: translations, maps, statistics, the curve."""
    device = next(model.parameters()).device
    source = padded(english.encode(held_out.sources)).to(device)
    target = padded(french.encode(held_out.targets)).to(device)
    written = write(model, source, setting.longest, 1)
    chosen = written if setting.beams == 1 else write(model, source, setting.longest, setting.beams)
    right = [joined(words) if setting.pieces else list(words) for words in held_out.targets]
    goals = references(setting.dataset, setting.holdout, len(held_out)) or [detokenised(words) for words in right]
    metrics: Metrics = {
        "parameters": float(sum(p.numel() for p in model.parameters())),
        "unknown_words": float(sum(english.missing(held_out.sources).values())),
        "source_words": float(sum(map(len, held_out.sources))),
    }
    arrays: Arrays = {"translations": chosen, "curve": curve.values.clone()}
    for name, numbers in ({"": chosen} | ({} if setting.beams == 1 else {"greedy_": written})).items():
        words = sentences(numbers, french, setting.pieces)
        texts = [detokenised(sentence) for sentence in words]
        for kind, score in (("bleu", bleu(texts, goals)), ("chrf", chrf(texts, goals))):
            metrics |= {f"{name}{kind}": score.value, f"{name}{kind}_low": score.low, f"{name}{kind}_high": score.high}
        arrays[f"{name}statistics"] = bleu_statistics(texts, goals)
    words = sentences(chosen, french, setting.pieces)
    lengths, wanted = is_word(chosen).sum(1), is_word(target).sum(1).cpu()
    metrics |= {
        "exact_match": exact_match(words, right),
        "repeated": repeated_share(words),
        "repeated_reference": repeated_share(right),
        "length": float(lengths.double().mean()),
        "length_reference": float(wanted.double().mean()),
        "length_error": float((lengths - wanted).abs().double().mean()),
        "cut": float((lengths >= setting.longest).double().mean()),
    }
    arrays |= {"lengths": lengths, "reference_lengths": wanted}
    _add_words(metrics, model, source, target)
    if held_out.pairs[0].sure:
        _add_alignments(metrics, arrays, model, held_out, source, target)
    return metrics, arrays


def _add_words(metrics: Metrics, model: Translator, source: Tensor, target: Tensor) -> None:
    """Loss and accuracy per word, the end counted and not: told the right words before, and told its own."""
    passes: dict[str, Callable[[Tensor, Tensor], Tensor | None]] = {
        "forced": lambda read, right: told(model, read, right)[0],
        "free": lambda read, right: own_words(model, read, right),
    }
    for name, logits_of in passes.items():
        totals = torch.zeros(5, dtype=torch.double)
        for read, right in zip(source.split(_CHUNK), target.split(_CHUNK), strict=True):
            logits = logits_of(read, right)
            if logits is not None:
                loss = cross_entropy(logits.transpose(1, 2), right, ignore_index=PAD, reduction="sum")
                hit, inside = logits.argmax(-1) == right, is_word(right) & (right != EOS)
                parts = (loss, (hit & is_word(right)).sum(), is_word(right).sum(), (hit & inside).sum(), inside.sum())
                totals += torch.tensor([float(part) for part in parts])
        if totals[2]:
            nll, hits, count, hits_inside, count_inside = totals.tolist()
            metrics |= {
                f"{name}_nll": nll / count,
                f"{name}_accuracy": hits / count,
                f"{name}_accuracy_inside": hits_inside / count_inside,
            }


def _add_alignments(
    metrics: Metrics, arrays: Arrays, model: Translator, held_out: PairSet, source: Tensor, target: Tensor
) -> None:
    """Alignment error rates of each head's largest weights, of the heads' mean, and of the diagonal."""
    pairs = held_out.pairs
    maps = told(model, source, target)[1].cpu()
    crossed = [is_reordered(pair.sure) for pair in pairs]
    metrics["reordered"] = sum(crossed) / len(crossed)
    found = {"diagonal": [diagonal_links(len(pair.target), len(pair.source)) for pair in pairs]}
    if maps.shape[1]:
        named = {f"head_{k}": maps[:, k] for k in range(maps.shape[1])} | {"attention": maps.mean(1)}
        for name, rows in named.items():
            found[name] = [
                best_links(row[: len(pair.target), : len(pair.source)]) for row, pair in zip(rows, pairs, strict=True)
            ]
        arrays["maps"] = maps[:_CHUNK]
    for name, links in found.items():
        for subset, used in (("", [True] * len(pairs)), ("_reordered", crossed)):
            links_of = [(a, p.sure, p.possible) for a, p, use in zip(links, pairs, used, strict=True) if use]
            if links_of:
                metrics[f"{name}_error{subset}"] = alignment_error_rate(*zip(*links_of, strict=True))
