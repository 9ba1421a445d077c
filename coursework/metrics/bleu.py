"""BLEU and chrF by sacrebleu, their bootstrap intervals, and what a sentence contributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from torch import Tensor, as_tensor

RESAMPLES = 1000
_ORDERS = 4


@dataclass(frozen=True)
class Score:
    """A corpus score on 0…100, the ends of its 95 per cent bootstrap interval, and sacrebleu's signature."""

    value: float
    low: float
    high: float
    signature: str


def bleu(hypotheses: Sequence[str], references: Sequence[str], resamples: int = RESAMPLES) -> Score:
    """Corpus BLEU of lower-cased text, split into words by sacrebleu's 13a rules (arXiv:1804.08771).

    Raises:
        ValueError: no sentences, or not as many hypotheses as references.
    """
    return _score(BLEU(lowercase=True), hypotheses, references, resamples)


def chrf(hypotheses: Sequence[str], references: Sequence[str], resamples: int = RESAMPLES) -> Score:
    """Corpus chrF2 of lower-cased text: F-score of n-grams of letters (Popović, 2015).

    Raises:
        ValueError: as `bleu`.
    """
    return _score(CHRF(lowercase=True), hypotheses, references, resamples)


def bleu_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> Int[Tensor, "sentence 10"]:
    """What each sentence adds to corpus BLEU: n-grams found, n-grams written (n = 1…4), length, reference length.

    Raises:
        ValueError: as `bleu`.
    """
    _check(hypotheses, references)
    metric = BLEU(lowercase=True, effective_order=True)
    rows = []
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        score = metric.sentence_score(hypothesis, [reference])
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len])
    return as_tensor(rows)


def bleu_of(statistics: Int[Tensor, "sentence 10"]) -> float:
    """Corpus BLEU from the sentences' statistics."""
    return _bleu(statistics.numpy().sum(0))


def bleu_difference(
    ours: Int[Tensor, "sentence 10"], theirs: Int[Tensor, "other 10"], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """BLEU of `ours` less BLEU of `theirs`, and the ends of its 95 per cent interval by paired bootstrap.

    Each resample draws sentences with replacement, the same ones for both systems (Koehn, 2004).

    Raises:
        ValueError: the two are not of the same sentences.
    """
    if len(ours) != len(theirs) or not len(ours):
        raise ValueError(f"{len(ours)} and {len(theirs)} sentences: a paired bootstrap needs the same ones, and some.")
    one, other = ours.numpy(), theirs.numpy()
    generator = np.random.default_rng(seed)
    gaps = []
    for _ in range(resamples):
        drawn = np.bincount(generator.integers(len(one), size=len(one)), minlength=len(one))
        gaps.append(_bleu(drawn @ one) - _bleu(drawn @ other))
    low, high = np.percentile(gaps, [2.5, 97.5])
    return _bleu(one.sum(0)) - _bleu(other.sum(0)), float(low), float(high)


def repeated_share(sentences: Sequence[Sequence[str]]) -> float:
    """The share of word pairs that stood in their sentence before: 0 without loops, near 1 for one word over and over.

    >>> repeated_share([["a", "b", "a", "b", "a"]])
    0.5
    """
    pairs = [list(pairwise(words)) for words in sentences]
    total = sum(map(len, pairs))
    return 1 - sum(len(set(found)) for found in pairs) / total if total else 0.0


def _bleu(total: NDArray[np.int_]) -> float:
    counts, written = total[:_ORDERS].tolist(), total[_ORDERS : 2 * _ORDERS].tolist()
    return float(BLEU.compute_bleu(counts, written, int(total[-2]), int(total[-1]), smooth_method="exp").score)


def _score(metric: BLEU | CHRF, hypotheses: Sequence[str], references: Sequence[str], resamples: int) -> Score:
    """The score, and percentiles of it over resampled sentences.

    Sacrebleu's own interval mixes number types that Python's `statistics` refuses; its statistics are summed here.
    """
    _check(hypotheses, references)
    found = metric.corpus_score(list(hypotheses), [list(references)])
    statistics = np.array(metric._extract_corpus_statistics(list(hypotheses), [list(references)]))
    generator = np.random.default_rng(0)
    values = [found.score]
    for _ in range(resamples):
        total = np.bincount(generator.integers(len(statistics), size=len(statistics)), minlength=len(statistics))
        values.append(metric._compute_score_from_stats((total @ statistics).tolist()).score)
    low, high = np.percentile(values, [2.5, 97.5])
    return Score(found.score, float(low), float(high), str(metric.get_signature()))


def _check(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if not references or len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses, {len(references)} references: give as many of both, and some.")
