"""Words of real sentences, and back to text."""

import pytest

from coursework.data.words import detokenised, normalised, tokenised


def test_spellings_become_one():
    assert normalised("  L’E\u0301te\u0301\u00a0:\t« Oui » – non ") == 'l\'été : " oui " - non'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Aujourd’hui, l'homme n'a qu'une clé.",
            ["aujourd'hui", ",", "l'", "homme", "n'", "a", "qu'", "une", "clé", "."],
        ),
        ("Un garçon porte un tee-shirt (bleu) !", ["un", "garçon", "porte", "un", "tee-shirt", "(", "bleu", ")", "!"]),
        ("Ses 3 amis, c'est-à-dire nous", ["ses", "3", "amis", ",", "c'", "est-à-dire", "nous"]),
    ],
)
def test_french_words(text, words):
    assert list(tokenised(text, "fr")) == words


def test_english_words():
    words = ["the", "man", "'s", "t-shirt", "isn", "'t", "red", "."]
    assert list(tokenised("The man's T-shirt isn't red.", "en")) == words


@pytest.mark.parametrize("text", ["l'homme qu'il a vu, hier, n'est pas là.", "aujourd'hui (à midi), il dort."])
def test_text_comes_back(text):
    assert detokenised(tokenised(text, "fr")) == text
