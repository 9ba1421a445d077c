"""Scores of translations and alignments against counting by hand."""

import pytest
import torch

from coursework.metrics.translation import (
    alignment_error_rate,
    best_links,
    diagonal_links,
    exact_match,
    token_accuracy,
)


def test_words_without_filling():
    target = torch.tensor([[5, 6, 2], [7, 2, 0]])
    assert token_accuracy(torch.tensor([[5, 9, 2], [7, 9, 0]]), target, 0) == pytest.approx(3 / 5)
    assert token_accuracy(target, target, 0) == 1


def test_sentences_word_by_word():
    assert exact_match([["a", "b"], ["a"]], [("a", "b"), ("a", "b")]) == 0.5


def test_the_best_word_of_each_row():
    assert best_links(torch.tensor([[0.1, 0.9], [0.6, 0.4], [0.2, 0.8]])) == {(0, 1), (1, 0), (2, 1)}


def test_the_diagonal_runs_from_corner_to_corner():
    assert diagonal_links(3, 3) == {(0, 0), (1, 1), (2, 2)}
    assert diagonal_links(5, 3) == {(0, 0), (1, 0), (2, 1), (3, 2), (4, 2)}
    assert diagonal_links(1, 4) == {(0, 0)}


def test_alignment_error_of_a_published_kind_of_example():
    """Sure 0-0, 1-1; possible 1-2. Found 0-0, 1-2, 2-2: one sure, one possible, one wrong."""
    rate = alignment_error_rate([{(0, 0), (1, 2), (2, 2)}], [{(0, 0), (1, 1)}], [{(1, 2)}])
    assert rate == pytest.approx(1 - (1 + 2) / (3 + 2))
    assert alignment_error_rate([{(0, 0)}], [{(0, 0)}], [set()]) == 0
    assert alignment_error_rate([{(0, 1)}], [{(0, 0)}], [set()]) == 1


def test_a_corpus_adds_up_links_and_not_rates():
    found = [{(0, 0)}, {(0, 1), (1, 0), (2, 2)}]
    gold = [{(0, 0)}, {(0, 0), (1, 1), (2, 2)}]
    assert alignment_error_rate(found, gold, [set(), set()]) == pytest.approx(1 - 4 / 8)
