"""Generated pairs: French that a reader can check, gold links, splits that share no sentence."""

import random

import pytest

from coursework.data.grammar import FRENCH, Clause, NounPhrase, draw_clause
from coursework.data.pairs import generated_pairs, realise, split_of
from coursework.errors import ConfigError

BOOK = NounPhrase("the", "book")


def said(clause):
    pair = realise(clause)
    return " ".join(pair.source), " ".join(pair.target)


# Written by hand: agreement, elision, adjective order, negation, tenses, contraction-free places.
SENTENCES = [
    (Clause("i", "buy", "present", False, BOOK), "i buy the book .", "j' achète le livre ."),
    (Clause("i", "love", "present", True, BOOK), "i do not love the book .", "je n' aime pas le livre ."),
    (Clause("she", "see", "past", True, BOOK), "she did not see the book .", "elle n' a pas vu le livre ."),
    (Clause("we", "take", "past", False, BOOK), "we took the book .", "nous avons pris le livre ."),
    (Clause("they", "see", "future", False, BOOK), "they will see the book .", "ils verront le livre ."),
    (Clause("he", "sell", "future", True, BOOK), "he will not sell the book .", "il ne vendra pas le livre ."),
    (
        Clause(NounPhrase("this", "woman", True, ("old",)), "draw", "present", False, NounPhrase("a", "tree")),
        "these old women draw a tree .",
        "ces vieilles femmes dessinent un arbre .",
    ),
    (
        Clause(NounPhrase("this", "man", False, ("old",)), "lose", "past", False, NounPhrase("my", "horse", True)),
        "this old man lost my horses .",
        "ce vieil homme a perdu mes chevaux .",
    ),
    (
        Clause("he", "hide", "present", False, NounPhrase("my", "house", False, ("beautiful", "white"))),
        "he hides my beautiful white house .",
        "il cache ma belle maison blanche .",
    ),
    (
        Clause("he", "follow", "present", False, NounPhrase("this", "bird", False, ("black",))),
        "he follows this black bird .",
        "il suit cet oiseau noir .",
    ),
    (
        Clause("she", "choose", "past", False, BOOK, ("in front of", NounPhrase("the", "hotel")), "yesterday"),
        "she chose the book in front of the hotel yesterday .",
        "elle a choisi le livre devant l' hôtel hier .",
    ),
]


@pytest.mark.parametrize(("clause", "english", "french"), SENTENCES, ids=[entry[1] for entry in SENTENCES])
def test_sentences_against_those_written_by_hand(clause, english, french):
    assert said(clause) == (english, french)


def named(pair, links):
    return {(pair.target[t], pair.source[s]) for t, s in links}


def test_gold_links_of_a_negated_past_and_of_crossing_adjectives():
    pair = realise(Clause("i", "see", "past", True, NounPhrase("the", "car", False, ("red",))))
    assert " ".join(pair.target) == "je n' ai pas vu la voiture rouge ."
    assert named(pair, pair.sure) == {
        ("je", "i"),
        ("n'", "not"),
        ("pas", "not"),
        ("ai", "did"),
        ("vu", "see"),
        ("la", "the"),
        ("voiture", "car"),
        ("rouge", "red"),
        (".", "."),
    }
    assert not pair.possible


def test_what_one_language_lacks_is_linked_to_what_carries_it():
    past = realise(Clause("i", "see", "past", False, BOOK))
    assert {("ai", "saw"), ("vu", "saw")} <= named(past, past.sure)
    future = realise(Clause("i", "see", "future", False, BOOK, ("in front of", NounPhrase("the", "school"))))
    assert {("verrai", "see"), ("devant", "front")} <= named(future, future.sure)
    assert named(future, future.possible) == {("verrai", "will"), ("devant", "in"), ("devant", "of")}


def test_every_target_word_is_linked_and_links_are_inside():
    for pair in generated_pairs("validation", 200, 5):
        assert {t for t, _ in pair.sure} == set(range(len(pair.target)))
        assert all(0 <= s < len(pair.source) for _, s in pair.sure | pair.possible)
        assert not pair.sure & pair.possible


def test_splits_share_no_source_and_no_sentence_comes_twice():
    found = {split: generated_pairs(split, 150, 0) for split in ("train", "validation", "test")}
    sources = {split: {pair.source for pair in pairs} for split, pairs in found.items()}
    assert all(len(sentences) == 150 for sentences in sources.values())
    assert not sources["train"] & (sources["validation"] | sources["test"])
    assert not sources["validation"] & sources["test"]
    other_seed = {pair.source for pair in generated_pairs("test", 150, 1)}
    assert other_seed != sources["test"]
    assert not other_seed & sources["train"]
    assert all(split_of(source) == split for split, group in sources.items() for source in group)


def test_the_same_pairs_every_time_and_more_begin_with_fewer():
    first = generated_pairs("test", 30, 2)
    assert first == generated_pairs("test", 30, 2) == generated_pairs("test", 60, 2)[:30]


def test_a_source_sentence_has_one_translation():
    pairs = generated_pairs("train", 400, 0)
    again = {pair.source: pair.target for seed in (1, 2) for pair in generated_pairs("train", 200, seed)}
    assert all(again.get(pair.source, pair.target) == pair.target for pair in pairs)


def test_only_what_both_languages_say_alike_is_drawn():
    clauses = [draw_clause(random.Random(k)) for k in range(500)]
    phrases = [p for c in clauses for p in (c.subject, c.object) if isinstance(p, NounPhrase)]
    assert not any(phrase.determiner == "a" and phrase.plural for phrase in phrases)
    assert not any(clause.negated and clause.object.determiner == "a" for clause in clauses)
    assert {clause.when for clause in clauses if clause.tense == "past"} == {None, "yesterday"}
    assert FRENCH["yesterday"] == "hier"


def test_more_than_the_grammar_has_is_refused(monkeypatch):
    monkeypatch.setattr("coursework.data.pairs.draw_clause", lambda rng: SENTENCES[0][0])
    split = split_of(tuple(SENTENCES[0][1].split()))
    assert len(generated_pairs(split, 1, 0)) == 1
    with pytest.raises(ConfigError, match="only 1 different sentences"):
        generated_pairs(split, 2, 0)
