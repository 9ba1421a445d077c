"""How well a translation and its attention map fit a reference: words, whole sentences, alignments."""

from collections.abc import Sequence, Set

from jaxtyping import Float, Int
from torch import Tensor

Link = tuple[int, int]


def token_accuracy(guesses: Int[Tensor, "batch step"], target: Int[Tensor, "batch step"], padding: int) -> float:
    """The fraction of target words that are guessed, filling not counted."""
    words = target != padding
    return float((guesses == target)[words].double().mean())


def exact_match(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """The fraction of sentences that are the reference word by word."""
    pairs = list(zip(hypotheses, references, strict=True))
    return sum(list(one) == list(other) for one, other in pairs) / len(pairs)


def best_links(weights: Float[Tensor, "step source"]) -> set[Link]:
    """For every row of an attention map its largest weight, as a link (target, source)."""
    return {(row, int(best)) for row, best in enumerate(weights.argmax(-1))}


def diagonal_links(target_length: int, source_length: int) -> set[Link]:
    """Word for word: every target word linked to the source word in proportion to its place."""
    scale = (source_length - 1) / max(1, target_length - 1)
    return {(place, round(place * scale)) for place in range(target_length)}


def alignment_error_rate(found: Sequence[Set[Link]], sure: Sequence[Set[Link]], possible: Sequence[Set[Link]]) -> float:
    """1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|) over a corpus, P the sure and the possible links (Och and Ney, 2003).

    Args:
        found: the links A of every sentence.
        sure: gold links S.
        possible: links that are no error either, without S.
    """
    hits = links = 0
    for a, s, p in zip(found, sure, possible, strict=True):
        hits += len(a & s) + len(a & (s | p))
        links += len(a) + len(s)
    return 1 - hits / links
