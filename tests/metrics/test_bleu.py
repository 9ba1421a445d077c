"""BLEU and chrF against torchmetrics' own implementations; intervals against what resampling must give."""

import random

import numpy as np
import pytest
from torchmetrics.functional.text import chrf_score, sacre_bleu_score

from coursework.metrics.bleu import bleu, bleu_difference, bleu_of, bleu_statistics, chrf, repeated_share

REFERENCES = [
    "Le petit chat dort sur la grande chaise, dans le jardin.",
    "Une fille regarde l'oiseau noir derrière la maison.",
    "Il n'a pas acheté le livre rouge.",
    "Deux hommes parlent.",
    "Un chien court dans la rue avec une balle.",
]
CLOSE = [
    "le petit chat dort sur une grande chaise dans le jardin.",
    "une fille regarde un oiseau noir derrière la maison.",
    "il n'a pas acheté le rouge livre.",
    "deux femmes parlent .",
    "un chien court dans une rue avec la balle.",
]
FAR = ["le chat.", "une fille voit.", "il a le livre.", "deux hommes.", "le chien."]


def test_scores_are_those_of_another_library():
    for hypotheses in (CLOSE, FAR):
        found = bleu(hypotheses, REFERENCES, 20)
        theirs = sacre_bleu_score(hypotheses, [[reference] for reference in REFERENCES], lowercase=True, smooth=False)
        if theirs > 0:
            assert found.value == pytest.approx(100 * float(theirs), rel=1e-4)
    letters = chrf_score(CLOSE, [[reference] for reference in REFERENCES], n_word_order=0, lowercase=True)
    assert chrf(CLOSE, REFERENCES, 20).value == pytest.approx(100 * float(letters), rel=1e-3)
    assert "13a" in bleu(CLOSE, REFERENCES, 0).signature
    assert "case:lc" in chrf(CLOSE, REFERENCES, 0).signature


def test_statistics_add_up_to_the_corpus_score():
    statistics = bleu_statistics(CLOSE, REFERENCES)
    assert bleu_of(statistics) == pytest.approx(bleu(CLOSE, REFERENCES, 0).value, abs=1e-9)
    assert bleu_of(statistics[1:3]) == pytest.approx(bleu(CLOSE[1:3], REFERENCES[1:3], 0).value, abs=1e-9)
    assert statistics[3].tolist() == [3, 1, 0, 0, 4, 3, 2, 1, 4, 4]


def test_intervals_hold_the_score_and_shrink_with_sentences():
    few, many = (bleu(CLOSE * copies, REFERENCES * copies) for copies in (4, 64))
    for score in (few, many):
        assert score.low < score.value < score.high
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.35)


def test_difference_is_paired():
    ours, theirs = (bleu_statistics(h * 8, REFERENCES * 8) for h in (CLOSE, FAR))
    value, low, high = bleu_difference(ours, theirs, 200)
    assert value == pytest.approx(bleu_of(ours) - bleu_of(theirs))
    assert 0 < low < value < high
    assert bleu_difference(ours, ours, 50) == (0.0, 0.0, 0.0)
    order = random.Random(0).sample(range(40), 40)
    mixed = bleu_difference(ours, ours[order], 200)
    assert mixed[0] == pytest.approx(0, abs=1e-9)
    assert np.sign(mixed[1]) == -1
    assert mixed[2] > 0


def test_repetition():
    assert repeated_share([["a"], ["a", "b", "c"]]) == 0
    assert repeated_share([["x"] * 11]) == pytest.approx(0.9)


def test_sentences_must_match():
    with pytest.raises(ValueError, match="1 hypotheses, 2 references"):
        bleu(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="0 hypotheses, 0 references"):
        chrf([], [])
    with pytest.raises(ValueError, match="paired bootstrap"):
        bleu_difference(bleu_statistics(["a"], ["a"]), bleu_statistics(["a", "b"], ["a", "b"]))
