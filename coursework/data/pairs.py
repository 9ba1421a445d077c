"""Generated English–French sentence pairs with their gold word alignment: one specification, realised twice."""

import functools
import hashlib
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from coursework.data.grammar import (
    ADJECTIVES,
    FRENCH,
    NOUNS,
    PRONOUNS,
    VERBS,
    Clause,
    NounPhrase,
    Tense,
    draw_clause,
)
from coursework.errors import ConfigError

_SHARES = {"test": range(1), "validation": range(1, 2), "train": range(2, 10)}
"""Split → the tenths of all source sentences that belong to it, by the sentence's hash."""

_TENSES = {"en": {"present": "p", "past": "ps", "future": "f"}, "fr": {"present": "p", "past": "pc", "future": "f"}}

Link = tuple[int, int]


@dataclass(frozen=True)
class Pair:
    """A sentence in two languages.

    Attributes:
        source: English tokens, in lower case.
        target: French tokens.
        sure: gold links (place in the target, place in the source).
        possible: links that an alignment may have too: of "do", of "will", of the small words in "in front of".
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    sure: frozenset[Link]
    possible: frozenset[Link] = frozenset()


Word = tuple[str, str]
"""A token and the role that it plays in its phrase."""


def generated_pairs(split: str, n: int, seed: int) -> tuple[Pair, ...]:
    """The first `n` pairs of a split, drawn with `seed`, no source sentence twice.

    A source sentence belongs to one split by its hash, so that no two splits share one, whatever `n` and `seed`.

    Raises:
        ConfigError: the grammar does not have so many sentences.
    """
    rng = random.Random(f"pairs/{seed}")
    found: dict[tuple[str, ...], Pair] = {}
    for _ in range(100 * n + 10_000):
        if len(found) == n:
            return tuple(found.values())
        clause = draw_clause(rng)
        source = tuple(word for _, phrase in _phrases("en", clause) for word, _ in phrase)
        if source not in found and split_of(source) == split:
            found[source] = realise(clause)
    raise ConfigError(f"n = {n}: the grammar gave only {len(found)} different sentences for {split}. Lower n.")


def split_of(source: tuple[str, ...]) -> str:
    """The split that a source sentence belongs to: `train`, `validation` or `test`."""
    tenth = hashlib.sha256(" ".join(source).encode()).digest()[0] % 10
    return next(split for split, tenths in _SHARES.items() if tenth in tenths)


def realise(clause: Clause) -> Pair:
    """The clause in both languages, and which words say the same.

    Words are linked when they play the same role in the same phrase; what only one language has is linked to what
    carries its meaning in the other: both parts of a French past to the English verb, both parts of the French negation
    to "not".
    """
    english, french = (
        [(name, word, role) for name, phrase in _phrases(language, clause) for word, role in phrase]
        for language in ("en", "fr")
    )
    sure: set[Link] = set()
    possible: set[Link] = set()
    for t, (phrase, _, role) in enumerate(french):
        here = {kind for name, _, kind in french if name == phrase}
        there = {kind for name, _, kind in english if name == phrase}
        for s, (name, _, kind) in enumerate(english):
            if name == phrase and (link := _link(role, kind, here, there)):
                (sure if link == "sure" else possible).add((t, s))
    source, target = (tuple(word for _, word, _ in side) for side in (english, french))
    return Pair(source, target, frozenset(sure), frozenset(possible))


def _link(french: str, english: str, here: set[str], there: set[str]) -> str:
    """How two roles of one phrase are linked, `sure`, `possible` or not at all, when the phrase has these roles."""
    if french == english or (french == "auxiliary" and english == "verb" and "auxiliary" not in there):
        return "sure"
    extra = french == "verb" and english == "auxiliary" and "auxiliary" not in here
    return "possible" if extra or (french == "preposition" and english == "small word") else ""


def _phrases(language: str, clause: Clause) -> Iterator[tuple[str, tuple[Word, ...]]]:
    """The clause's phrases in order, each with its name: the same names in both languages."""
    if isinstance(clause.subject, str):
        person, number, gender = PRONOUNS[clause.subject]
    else:
        person, number, gender = 3, "p" if clause.subject.plural else "s", "m"
        yield "subject", _noun_phrase(language, clause.subject)
    verb = _verb_group(language, clause.verb, clause.tense, clause.negated, person, number, gender)
    yield "verb", verb if isinstance(clause.subject, str) else verb[1:]
    yield "object", _noun_phrase(language, clause.object)
    if clause.place is not None:
        preposition, phrase = clause.place
        yield "preposition", _preposition(language, preposition)
        yield "place", _noun_phrase(language, phrase)
    if clause.when is not None:
        yield "when", ((clause.when if language == "en" else FRENCH[clause.when], "when"),)
    yield "end", ((".", "end"),)


def _preposition(language: str, preposition: str) -> tuple[Word, ...]:
    if language == "fr":
        return ((FRENCH[preposition], "preposition"),)
    words = preposition.split()
    heavy = max(words, key=len)
    return tuple((word, "preposition" if word == heavy else "small word") for word in words)


@functools.cache
def _noun_phrase(language: str, phrase: NounPhrase) -> tuple[Word, ...]:
    """The tokens of a noun phrase and their roles: determiner, noun, and each adjective by its English lemma."""
    lemmas = {phrase.noun: NOUNS[phrase.noun], phrase.determiner: FRENCH[phrase.determiner]}
    lemmas |= {adjective: ADJECTIVES[adjective] for adjective in phrase.adjectives}
    realiser = _realiser(language)
    said = dict(zip(lemmas, lemmas if language == "en" else lemmas.values(), strict=True))
    parts = [realiser.D(said[phrase.determiner]).pe(1)]
    adjectives = [realiser.A(said[adjective]) for adjective in phrase.adjectives]
    noun = realiser.N(said[phrase.noun])
    parts += [*adjectives, noun] if language == "en" else [noun, *adjectives]
    roles = {said[adjective]: adjective for adjective in phrase.adjectives}
    roles |= {said[phrase.noun]: "noun", said[phrase.determiner]: "determiner"}
    return _said(realiser.NP(*parts).n("p" if phrase.plural else "s"), roles)


@functools.cache
def _verb_group(
    language: str, verb: str, tense: Tense, negated: bool, person: int, number: str, gender: str
) -> tuple[Word, ...]:
    """A subject pronoun and all that goes with the verb."""
    realiser = _realiser(language)
    lemma, pronoun = (verb, "I") if language == "en" else (VERBS[verb], "je")
    subject = realiser.Pro(pronoun).pe(person).n(number).g(gender)
    group = realiser.VP(realiser.V(lemma).t(_TENSES[language][tense]))
    roles = {pronoun: "subject", lemma: "verb", "not": "negation", "ne": "negation", "pas": "negation"}
    roles |= {"do": "auxiliary", "will": "auxiliary", "avoir": "auxiliary"}
    return _said(realiser.S(subject, group).typ({"neg": negated}), roles)


def _said(phrase: Any, roles: dict[str, str]) -> tuple[Word, ...]:
    """The phrase's words as pyrealb realises them, each with the role of its lemma."""
    return tuple((word.realization.strip().lower(), roles[word.lemma]) for word in phrase.real() if word.realization)


def _realiser(language: str) -> ModuleType:
    """Pyrealb, speaking the language from now on: it has one language at a time for the whole process."""
    pyrealb = _pyrealb()
    (pyrealb.loadEn if language == "en" else pyrealb.loadFr)()
    return pyrealb


@functools.cache
def _pyrealb() -> ModuleType:
    with warnings.catch_warnings():  # it leaves the files of its lexicons open
        warnings.simplefilter("ignore", ResourceWarning)
        import pyrealb
    return pyrealb
