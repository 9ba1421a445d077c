"""Sentence pairs by name, vocabularies and padding."""

import pytest
import torch

from coursework.data.text import (
    BOS,
    EOS,
    PAD,
    UNKNOWN,
    Vocabulary,
    bucketed_batches,
    is_word,
    load_pairs,
    padded,
    trimmed,
)
from coursework.errors import ConfigError

SENTENCES = [("a", "b", "a"), ("c", "a")]


def test_a_vocabulary_lists_marks_first_and_then_by_frequency():
    vocabulary = Vocabulary.of(SENTENCES)
    assert vocabulary.words[4:] == ("a", "b", "c")
    assert len({PAD, BOS, EOS, UNKNOWN}) == 4 == len(vocabulary) - 3
    assert vocabulary.encode(SENTENCES) == [[4, 5, 4, EOS], [6, 4, EOS]]


def test_decoding_undoes_encoding_and_stops_at_the_end():
    vocabulary = Vocabulary.of(SENTENCES)
    for sentence, numbers in zip(SENTENCES, vocabulary.encode(SENTENCES), strict=True):
        assert vocabulary.decode([*numbers, 5, 5]) == list(sentence)


def test_unknown_words_are_marked_and_counted():
    vocabulary = Vocabulary.of(SENTENCES)
    new = [("a", "d", "d"), ("e",)]
    assert vocabulary.encode(new) == [[4, UNKNOWN, UNKNOWN, EOS], [UNKNOWN, EOS]]
    assert vocabulary.missing(new) == {"d": 2, "e": 1}


@pytest.mark.parametrize("nothing", [[], [()]])
def test_a_vocabulary_of_nothing_is_refused(nothing):
    with pytest.raises(ConfigError, match="needs sentences"):
        Vocabulary.of(nothing)


def test_padding_and_trimming():
    numbers = padded([[4, EOS], [4, 5, 6, EOS], [4, 4, EOS]])
    assert numbers.tolist() == [[4, EOS, PAD, PAD], [4, 5, 6, EOS], [4, 4, EOS, PAD]]
    assert is_word(numbers).sum(1).tolist() == [2, 4, 3]
    assert trimmed(numbers[[0, 2]]).tolist() == [[4, EOS, PAD], [4, 4, EOS]]
    assert torch.equal(trimmed(numbers), numbers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pairs-generatd", "train", 3), "name = 'pairs-generatd' is unknown. Did you mean 'pairs-generated'"),
        (("pairs-generated", "tests", 3), "split = 'tests' is unknown. Did you mean 'test'"),
        (("pairs-generated", "test", 0), "n = 0: ask for at least one"),
    ],
)
def test_what_is_asked_wrongly_is_refused(arguments, message):
    name, split, n = arguments
    with pytest.raises(ConfigError, match=message):
        load_pairs(name, split, n=n)


def test_a_set_of_pairs_knows_its_sentences():
    found = load_pairs("pairs-generated", "validation", n=5, seed=3)
    assert len(found) == 5
    assert (found.name, found.split) == ("pairs-generated", "validation")
    assert found.sources[2] == found.pairs[2].source
    assert found.targets[2] == found.pairs[2].target


def test_buckets_hold_every_sentence_once_an_epoch_and_similar_lengths():
    lengths = torch.randint(3, 30, (205,), generator=torch.Generator().manual_seed(1))
    batches = bucketed_batches(lengths, 10, 4, pool=30)
    for epoch in range(2):
        rows = [batches(21 * epoch + k) for k in range(21)]
        assert sorted(torch.cat(rows).tolist()) == list(range(205))
        assert sorted(map(len, rows)) == [5, *[10] * 20]
        spreads = [int(lengths[r].max() - lengths[r].min()) for r in rows]
        assert max(spreads) <= 6  # 27 lengths over 21 batches, in order
        assert rows[0].tolist() != sorted(rows[0].tolist())
    assert torch.equal(batches(3), bucketed_batches(lengths, 10, 4, pool=30)(3))
    assert [len(batches(21 + k)) for k in range(21)] != sorted(len(batches(21 + k)) for k in range(21))
    assert batches(0).tolist() != batches(21).tolist()


@pytest.mark.parametrize(("count", "size"), [(0, 3), (3, 0)])
def test_batches_of_nothing_are_refused(count, size):
    with pytest.raises(ValueError, match="at least 1"):
        bucketed_batches(torch.ones(count, dtype=torch.int64), size, 0)
