"""Softmax rows on random scores, and the readings of a map against maps made by hand."""

import pytest
import torch

from coursework.data.pairs import Pair
from coursework.derivations import softmax_evidence as evidence
from coursework.derivations.softmax import context_slope, softmax_jacobian


@pytest.mark.parametrize("seed", range(50))
def test_jacobian_and_context_against_autograd(seed):
    generator = torch.Generator().manual_seed(seed)
    size = int(torch.randint(1, 12, (), generator=generator))
    s = 3 * torch.randn(size, generator=generator, dtype=torch.float64)
    states = torch.randn(size, 4, generator=generator, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: torch.softmax(x, -1), s)
    torch.testing.assert_close(softmax_jacobian(s), jacobian, rtol=0, atol=1e-12)
    torch.testing.assert_close(softmax_jacobian(s).sum(0), torch.zeros(size).double(), rtol=0, atol=1e-12)
    slope = torch.autograd.functional.jacobian(lambda x: torch.softmax(x, -1) @ states, s)
    torch.testing.assert_close(context_slope(s, states), slope, rtol=0, atol=1e-12)


def pair(length):
    words = tuple(f"w{k}" for k in range(length))
    return Pair(words, words, frozenset((k, k) for k in range(length)))


def maps_of(*rows_of_sentences):
    """Maps with a given largest weight per row, at the diagonal, the rest shared out; words and end."""
    size = max(len(rows) for rows in rows_of_sentences) + 1
    maps = torch.zeros(len(rows_of_sentences), size, size)
    for index, peaks in enumerate(rows_of_sentences):
        width = len(peaks) + 1
        for row, peak in enumerate([*peaks, 0.5]):
            maps[index, row, :width] = (1 - peak) / (width - 1)
            maps[index, row, row] = peak
    return maps


def test_the_sentence_with_the_widest_range_is_picked():
    flat = [0.8] * 8
    ranged = [0.8, 0.99, 0.7, 0.3, 0.8, 0.8, 0.8, 0.2]  # the last row is the full stop's
    found = evidence.pick(maps_of(flat, ranged), [pair(8), pair(8)])
    assert (found.concentrated, found.spread) == (1, 3)
    assert found.weights[3, 3] == pytest.approx(0.3)
    assert found.source == (*pair(8).source, "end")
    boxes = found.boxes
    assert boxes["b"] == (1, 0, 8)
    assert boxes["c"] == (3, 0, 8)
    assert boxes["d"] == (3, 3, 3)
    frame = evidence.reading_table(found)
    assert list(frame["word"]) == ["w1", "w3"]
    assert frame["brightest"][1] == "w3 0.30"
    # The steepest slope of a softmax row is a (1 − a) of the weight nearest to one half.
    assert float(frame["steepest slope"][1]) == pytest.approx(0.3 * 0.7, abs=6e-4)


def test_sentences_too_short_or_long_are_not_picked():
    with pytest.raises(ValueError, match="no sentence"):
        evidence.pick(maps_of([0.5] * 3), [pair(3)])


def test_facts_of_rows():
    facts = evidence.row_facts(maps_of([0.95] * 4, [0.4, 0.95]), [pair(4), pair(2)])
    assert facts["rows"] == 8
    assert facts["sum_error"] < 1e-6
    assert facts["filling"] == 0
    assert facts["one_pixel"] == pytest.approx(5 / 8)
    assert facts["several"] == pytest.approx(3 / 8)
    assert facts["largest"] == pytest.approx(0.95)
    spoilt = maps_of([0.95] * 4, [0.4, 0.95])
    spoilt[1, 0, 4] = 0.25
    assert evidence.row_facts(spoilt, [pair(4), pair(2)])["filling"] == 0.25
    assert evidence.row_facts(2 * spoilt, [pair(4), pair(2)])["sum_error"] == pytest.approx(1)


def test_words_are_ordered_by_their_largest_weight():
    frame = evidence.word_table(maps_of([0.9, 0.4], [0.7, 0.6]), [pair(2), pair(2)], least=2, rows=1)
    assert list(frame["word"]) == ["w0", "w1"]
    assert list(frame["largest weight"]) == ["0.80", "0.50"]
    assert list(frame["weight on gold words"]) == ["0.80", "0.50"]


def test_scores_beside_their_baselines():
    names = ("token_accuracy", "token_baseline", "exact_match", "attention_error", "diagonal_error")
    frame = evidence.score_table([dict.fromkeys(names, value) for value in (0.5, 0.7)])
    assert frame["model"][0] == "0.600 ± 0.141"
    assert frame["baseline"][1] == "–"
