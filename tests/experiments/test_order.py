"""The task about order: what its sequences are, and who can solve it."""

import itertools

import pytest
import torch

from coursework.derivations import positions_evidence as evidence
from coursework.errors import ConfigError
from coursework.experiments import configure
from coursework.experiments.order import sequences
from coursework.runs import run


def test_sequences_hold_both_marks_once_and_say_which_is_first():
    tokens, first = sequences(500, 7, 5, torch.Generator().manual_seed(3))
    for row, answer in zip(tokens.tolist(), first.tolist(), strict=True):
        assert row.count(0) == row.count(1) == 1
        assert max(row) <= 4
        assert (row.index(0) < row.index(1)) is answer


def test_places_and_answers_are_uniform():
    tokens, first = sequences(20_000, 4, 5, torch.Generator().manual_seed(0))
    places = [(row.index(0), row.index(1)) for row in tokens.tolist()]
    for pair in itertools.permutations(range(4), 2):
        assert places.count(pair) / 20_000 == pytest.approx(1 / 12, abs=5 * (1 / 12 / 20_000) ** 0.5)
    assert first.double().mean() == pytest.approx(0.5, abs=0.02)


def test_a_vocabulary_of_marks_alone_is_refused():
    with pytest.raises(ConfigError, match="num_tokens = 2"):
        configure("order", num_tokens=2)


def test_recurrence_solves_what_attention_without_positions_cannot(runs_folder):
    small = {"num_steps": 120, "length": 6, "num_test": 1000}
    gru = run(configure("order", "fast", **small)).metrics
    blind = run(configure("order", "fast", body="attention", **small)).metrics
    seeing = run(configure("order", "fast", body="attention", positions="add", **small)).metrics
    assert evidence.verdict([gru["accuracy"], seeing["accuracy"]]) == "solved"
    assert evidence.verdict([blind["accuracy"], blind["longer_accuracy"]]) == "chance"


def test_verdicts():
    assert evidence.verdict([1.0, 0.95]) == "solved"
    assert evidence.verdict([0.5, 0.46]) == "chance"
    assert evidence.verdict([0.7]) == "between"
    assert evidence.verdict([0.5, 1.0]) == "mixed"
