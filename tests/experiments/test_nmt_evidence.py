"""Tables of the translation study, on runs whose numbers are made up."""

from pathlib import Path

import pytest
import torch

from coursework.data.pairs import Pair
from coursework.data.text import EOS, PAD, PairSet, Vocabulary
from coursework.experiments import configure
from coursework.experiments import nmt_alignment as alignment
from coursework.experiments import nmt_evidence as evidence
from coursework.experiments.nmt import corpus
from coursework.metrics.bleu import bleu, bleu_statistics
from coursework.runs import Run, finished, run

FRENCH = Vocabulary.of([("le", "chat", "noir", "n'", "a", "pas", ".")])


def pair(source, target, links=()):
    return Pair(tuple(source.split()), tuple(target.split()), frozenset(links))


PAIRS = (
    pair("the cat .", "le chat .", {(0, 0), (1, 1), (2, 2)}),
    pair("the black cat .", "le chat noir .", {(0, 0), (1, 2), (2, 1), (3, 3)}),
    pair("the cat did not .", "le chat n' a pas .", {(0, 0), (1, 1), (2, 3), (3, 2), (4, 3), (5, 4)}),
)


def made_up(metrics=None, arrays=None):
    made = Run(configure("nmt", "fast"), "key", Path("nowhere"))
    made.__dict__.update(metrics=metrics or {}, arrays=arrays or {})
    return made


def with_curve(told, untold):
    steps = torch.arange(float(len(told))) * 10
    rows = torch.stack([steps, torch.tensor(told), torch.tensor(untold), steps, steps], 1)
    empty = torch.full((1, 5), torch.nan)
    return made_up({}, {"curve": torch.cat([rows, empty])})


def test_steps_to_the_lowest_loss_that_all_reach():
    runs = {
        1.0: with_curve([5.0, 2.0, 1.0, 0.5], [5.0, 4.0, 3.0, 2.0]),
        0.0: with_curve([5.0, 3.0, 2.0], [4.0, 3.0, 1.0]),
    }
    assert evidence.common_loss(runs) == 2.0
    assert evidence.common_loss(runs, evidence.FREE) == 2.0
    assert [evidence.steps_to(found, 2.0) for found in runs.values()] == [10, 20]
    with pytest.raises(ValueError, match="never fell"):
        evidence.steps_to(runs[0.0], 1.0)


def test_bleu_in_groups_of_length_is_bleu_of_the_group():
    held_out = PairSet(
        tuple(pair(" ".join(["w"] * n), "un chat dort ici .") for n in [5] * 12 + [9] * 11 + [14] * 3), "x", "test"
    )
    texts = ["un chat dort ici."] * 12 + ["un chat dort là."] * 14
    statistics = bleu_statistics(texts, ["un chat dort ici."] * 26)
    names, scores = evidence.by_length({"m": [made_up({}, {"statistics": statistics})]}, held_out)
    assert names == ["5 to 5", "8 to 9"]
    assert scores["m"][0] == pytest.approx(100)
    assert scores["m"][1] == pytest.approx(bleu(texts[12:23], ["un chat dort ici."] * 11, 0).value)


def test_the_most_reordered_pair_and_its_gold_map():
    assert [alignment.crossings(p) for p in PAIRS] == [0, 1, 1]
    assert alignment.most_reordered(PAIRS, kept=3) == 1
    assert alignment.most_reordered(PAIRS, kept=1) == 0
    with pytest.raises(ValueError, match="at most 2"):
        alignment.most_reordered(PAIRS, kept=3, longest=2)
    assert alignment.gold_map(PAIRS[1]).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert (
        alignment.hits(torch.tensor([[0.9, 0, 0, 0.1], [0, 0.8, 0.2, 0], [0, 0.6, 0.4, 0], [0, 0, 0, 1]]), PAIRS[1])
        == 3
    )
    loose = Pair(("a", "b"), ("c",), frozenset({(0, 1)}), frozenset({(0, 0)}))
    assert alignment.gold_map(loose).tolist() == [[0.5, 1.0]]


def test_sentences_right_up_to_the_end_and_examples():
    numbers = [FRENCH.encode([p.target])[0] for p in PAIRS]
    endless = [[*row[:-1], *row[:2]] for row in numbers[:2]] + [[*numbers[2][:2], EOS]]
    width = max(map(len, endless))
    written = torch.tensor([row + [PAD] * (width - len(row)) for row in endless])
    held_out = PairSet(PAIRS, "own", "test")
    found = made_up({}, {"translations": written})
    assert evidence.right_until_the_end(found, held_out, FRENCH) == pytest.approx(2 / 3)
    examples = alignment.word_order_examples(held_out, FRENCH, {"m": found})
    assert examples["order"][examples["order"] != ""].tolist() == [
        "negation",
        "adjective behind its noun",
        "same order",
    ]
    assert examples["sentence"].tolist()[:3] == ["the cat did not .", "le chat n'a pas.", "le chat"]


def test_attention_up_to_the_end_and_behind_it():
    sharp, even = [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]
    maps = torch.tensor([[sharp, sharp, even], [[0.5, 0.5, 0.0, 0.0], even, even]])
    table = alignment.around_the_end(maps, [3, 3], [2, 1]).set_index("words written")
    assert table.loc["up to the reference's last word"].tolist() == ["0.83", "0.23", "0.00"]
    assert table.loc["behind it"].tolist() == ["0.50", "0.69", "1.00"]


def test_only_finished_runs_are_found(runs_folder):
    config = configure("nmt", "fast", num_train=20, num_test=5, epochs=1)
    assert finished({"one": config}) == {}
    made = run(config)
    held_out, english = corpus(config)[1:3]
    words, maps = alignment.written(made, held_out, english, most=3)
    assert words.shape == maps.shape[:2]
    torch.testing.assert_close(maps.sum(-1), torch.ones(words.shape))
    found = finished({"one": config, "never made": configure("nmt", "fast", seed=1)})
    assert list(found) == ["one"]
    assert found["one"].metrics == made.metrics
    (made.path / "metrics.json").write_text("{}", encoding="utf-8")
    assert finished({"one": config}) == {}
