"""Byte-pair encoding: frequent words whole, rare ones in pieces (arXiv:1508.07909)."""

import dataclasses
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from coursework.data.text import PairSet

MORE = "@@"
"""End of a piece that its word goes on after."""

_Pair = tuple[str, str]


@dataclass(frozen=True)
class Subwords:
    """Merges in the order in which they were learnt; a word is cut into letters and merged in that order."""

    merges: tuple[_Pair, ...]
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _rank: dict[_Pair, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._rank.update({pair: rank for rank, pair in enumerate(self.merges)})

    def cut(self, words: Iterable[str]) -> tuple[str, ...]:
        """The pieces of all words.

        >>> Subwords((("l@@", "o@@"), ("lo@@", "w"))).cut(["low", "lot"])
        ('low', 'lo@@', 't')
        """
        return tuple(piece for word in words for piece in self._cut(word))

    def _cut(self, word: str) -> tuple[str, ...]:
        if word not in self._known:
            pieces = _letters(word)
            while len(pieces) > 1:
                best = min(pairwise(pieces), key=lambda pair: self._rank.get(pair, len(self._rank)))
                if best not in self._rank:
                    break
                pieces = _merged(pieces, best)
            self._known[word] = tuple(pieces)
        return self._known[word]


def joined(pieces: Iterable[str]) -> list[str]:
    """Words from pieces; a piece that should go on and is the last one ends its word.

    >>> joined(["lo@@", "w", "tide"])
    ['low', 'tide']
    """
    text = " ".join(pieces).replace(f"{MORE} ", "")
    return text.removesuffix(MORE).split()


def in_pieces(pairs: PairSet, subwords: Subwords) -> PairSet:
    """The pairs in pieces, which have no alignment."""
    return dataclasses.replace(
        pairs,
        pairs=tuple(
            dataclasses.replace(
                pair,
                source=subwords.cut(pair.source),
                target=subwords.cut(pair.target),
                sure=frozenset(),
                possible=frozenset(),
            )
            for pair in pairs.pairs
        ),
    )


def learn_subwords(counts: Mapping[str, int], num_merges: int) -> Subwords:
    """The `num_merges` merges, each of the pair of neighbours that is most frequent once those before are done.

    Among pairs of equal frequency the first in alphabetical order is merged. Merging ends early when no pair occurs
    twice.

    Args:
        counts: word → how often.
        num_merges: most merges to learn.
    """
    words = [(_letters(word), count) for word, count in counts.items()]
    pieces = [letters for letters, _ in words]
    totals: Counter[_Pair] = Counter()
    where: defaultdict[_Pair, set[int]] = defaultdict(set)
    for number, (letters, count) in enumerate(words):
        for pair in pairwise(letters):
            totals[pair] += count
            where[pair].add(number)
    queue = [(-total, pair) for pair, total in totals.items()]
    heapq.heapify(queue)
    merges: list[_Pair] = []
    while queue and len(merges) < num_merges:
        total, best = heapq.heappop(queue)
        if totals[best] != -total:
            if totals[best] > 0:
                heapq.heappush(queue, (-totals[best], best))
            continue
        if total > -2:
            break
        merges.append(best)
        for number in where.pop(best):
            count = words[number][1]
            before, after = pieces[number], _merged(pieces[number], best)
            pieces[number] = after
            totals.subtract({pair: count * times for pair, times in Counter(pairwise(before)).items()})
            for pair, times in Counter(pairwise(after)).items():
                totals[pair] += count * times
                where[pair].add(number)
                heapq.heappush(queue, (-totals[pair], pair))
    return Subwords(tuple(merges))


def _letters(word: str) -> list[str]:
    return [letter + MORE for letter in word[:-1]] + [word[-1]]


def _merged(pieces: Sequence[str], pair: _Pair) -> list[str]:
    """The pieces with every occurrence of the pair, from the left, made one."""
    result: list[str] = []
    for piece in pieces:
        if result and (result[-1], piece) == pair:
            result[-1] = result[-1].removesuffix(MORE) + piece
        else:
            result.append(piece)
    return result
