"""Words and specifications of the generated English–French sentences: what is said, in neither language yet."""

import random
from dataclasses import dataclass
from typing import Literal

Tense = Literal["present", "past", "future"]
Determiner = Literal["the", "a", "this", "my"]

FRENCH: dict[str, str] = {
    **{"the": "le", "a": "un", "this": "ce", "my": "mon"},
    **{"in": "dans", "behind": "derrière", "in front of": "devant", "under": "sous"},
    **{"yesterday": "hier", "today": "aujourd'hui", "tomorrow": "demain"},
}
"""Lemma of each English function word."""

PEOPLE = {
    "man": "homme",
    "woman": "femme",
    "girl": "fille",
    "boy": "garçon",
    "child": "enfant",
    "doctor": "médecin",
    "baker": "boulanger",
    "king": "roi",
    "queen": "reine",
    "soldier": "soldat",
    "farmer": "fermier",
    "brother": "frère",
}
THINGS = {
    "car": "voiture",
    "house": "maison",
    "book": "livre",
    "tree": "arbre",
    "chair": "chaise",
    "letter": "lettre",
    "hat": "chapeau",
    "key": "clé",
    "boat": "bateau",
    "dress": "robe",
    "lamp": "lampe",
    "horse": "cheval",
    "bird": "oiseau",
    "dog": "chien",
}
PLACES = {
    "garden": "jardin",
    "church": "église",
    "school": "école",
    "bridge": "pont",
    "kitchen": "cuisine",
    "hotel": "hôtel",
}
VERBS = {
    "see": "voir",
    "love": "aimer",
    "buy": "acheter",
    "sell": "vendre",
    "find": "trouver",
    "lose": "perdre",
    "hide": "cacher",
    "draw": "dessiner",
    "watch": "regarder",
    "carry": "porter",
    "take": "prendre",
    "forget": "oublier",
    "follow": "suivre",
    "choose": "choisir",
}
NOUNS = PEOPLE | THINGS | PLACES

BEFORE_PEOPLE = {"young": "jeune", "old": "vieux", "tall": "grand"}
AFTER_PEOPLE = {"rich": "riche", "famous": "célèbre", "tired": "fatigué", "strange": "étrange"}
BEFORE_THINGS = {"small": "petit", "big": "grand", "beautiful": "beau", "old": "vieux", "new": "nouveau"}
AFTER_THINGS = {"red": "rouge", "black": "noir", "white": "blanc", "green": "vert"}
ADJECTIVES = BEFORE_PEOPLE | AFTER_PEOPLE | BEFORE_THINGS | AFTER_THINGS
"""English to French; in French, `BEFORE_…` stand before their noun, `AFTER_…` after it."""

PRONOUNS: dict[str, tuple[int, str, str]] = {
    "i": (1, "s", "m"),
    "he": (3, "s", "m"),
    "she": (3, "s", "f"),
    "we": (1, "p", "m"),
    "they": (3, "p", "m"),
}
"""English subject pronoun → person, number, gender."""

PREPOSITIONS: dict[str, tuple[str, ...]] = {
    "in": ("garden", "church", "school", "kitchen", "hotel"),
    "behind": ("church", "school", "bridge", "hotel"),
    "in front of": ("church", "school", "hotel"),
    "under": ("bridge",),
}
"""Preposition → the places it goes with."""

WHEN: dict[Tense, str] = {"past": "yesterday", "present": "today", "future": "tomorrow"}


@dataclass(frozen=True)
class NounPhrase:
    """A noun with its determiner, number and up to two adjectives, named by their English lemmas."""

    determiner: Determiner
    noun: str
    plural: bool = False
    adjectives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clause:
    """Who does what to whom, where and when; `subject` is a noun phrase or an English pronoun."""

    subject: NounPhrase | str
    verb: str
    tense: Tense
    negated: bool
    object: NounPhrase
    place: tuple[str, NounPhrase] | None = None
    when: str | None = None


def draw_clause(rng: random.Random) -> Clause:
    """A random clause.

    Only what French and English say in the same way is drawn. No indefinite plural, which has no article in English;
    no indefinite object under negation, which takes "de" in French; no pronoun for an object, which a participle would
    have to agree with.
    """
    tense: Tense = rng.choice(("present", "past", "future"))
    negated = rng.random() < 0.35
    pronoun = rng.random() < 0.25
    place = None
    if rng.random() < 0.3:
        preposition = rng.choice(tuple(PREPOSITIONS))
        place = (preposition, NounPhrase("the", rng.choice(PREPOSITIONS[preposition])))
    return Clause(
        subject=rng.choice(tuple(PRONOUNS)) if pronoun else _draw_phrase(rng, PEOPLE, ("the", "a", "this", "my")),
        verb=rng.choice(tuple(VERBS)),
        tense=tense,
        negated=negated,
        object=_draw_phrase(rng, THINGS, ("the", "this", "my") if negated else ("the", "a", "this", "my")),
        place=place,
        when=WHEN[tense] if rng.random() < 0.25 else None,
    )


def _draw_phrase(rng: random.Random, nouns: dict[str, str], determiners: tuple[Determiner, ...]) -> NounPhrase:
    determiner = rng.choice(determiners)
    before, after = (BEFORE_PEOPLE, AFTER_PEOPLE) if nouns is PEOPLE else (BEFORE_THINGS, AFTER_THINGS)
    kind = rng.random()
    adjectives: tuple[str, ...] = ()
    if kind < 0.2:
        adjectives = (rng.choice(tuple(before)),)
    elif kind < 0.5:
        adjectives = (rng.choice(tuple(after)),)
    elif kind < 0.6 and nouns is THINGS:
        adjectives = (rng.choice(tuple(before)), rng.choice(tuple(after)))
    plural = determiner != "a" and rng.random() < 0.35
    return NounPhrase(determiner, rng.choice(tuple(nouns)), plural, adjectives)
