"""Byte-pair merges against the plain algorithm, which counts all pairs anew for every merge."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from coursework.data.pairs import Pair
from coursework.data.subwords import Subwords, in_pieces, joined, learn_subwords
from coursework.data.text import PairSet

WORDS = Counter({"low": 5, "lower": 2, "newest": 6, "widest": 3, "aaaa": 4, "banana": 3, "é": 2, "bab": 1})


def by_counting_anew(counts, num_merges):
    words = {word: [*(letter + "@@" for letter in word[:-1]), word[-1]] for word in counts}
    merges = []
    for _ in range(num_merges):
        totals = Counter()
        for word, pieces in words.items():
            for pair in pairwise(pieces):
                totals[pair] += counts[word]
        if not totals or max(totals.values()) < 2:
            break
        best = min(totals, key=lambda pair: (-totals[pair], pair))
        merges.append(best)
        for pieces in words.values():
            place = 0
            while place < len(pieces) - 1:
                if (pieces[place], pieces[place + 1]) == best:
                    pieces[place : place + 2] = [best[0][:-2] + best[1]]
                place += 1
    return tuple(merges), words


@pytest.mark.parametrize("num_merges", [0, 1, 5, 12, 1000])
def test_merges_and_pieces_are_those_of_the_plain_algorithm(num_merges):
    generator = random.Random(num_merges)
    drawn = Counter("".join(generator.choices("abcd", k=generator.randint(1, 7))) for _ in range(150))
    for counts in (WORDS, drawn):
        merges, words = by_counting_anew(counts, num_merges)
        learnt = learn_subwords(counts, num_merges)
        assert learnt.merges == merges
        for word, pieces in words.items():
            assert list(learnt.cut([word])) == pieces


def test_pieces_join_to_the_words_seen_or_not():
    learnt = learn_subwords(WORDS, 8)
    sentence = ["slowest", "banana", "x", "newer"]
    pieces = learnt.cut(sentence)
    assert len(pieces) > len(sentence)
    assert joined(pieces) == sentence
    assert joined(pieces[:1]) == [pieces[0].removesuffix("@@")]


def test_pairs_in_pieces_have_no_alignment():
    pair = Pair(("low",), ("lot", "low"), frozenset({(0, 0)}), frozenset({(1, 0)}))
    cut = in_pieces(PairSet((pair,), "own", "test"), Subwords((("l@@", "o@@"), ("lo@@", "w"))))
    assert cut.sources == [("low",)]
    assert cut.targets == [("lo@@", "t", "low")]
    assert not cut.pairs[0].sure | cut.pairs[0].possible
    assert (cut.name, cut.split) == ("own", "test")
