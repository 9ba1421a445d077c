"""From text to words and back: one spelling of quotes and spaces, lower case, punctuation apart."""

import re
import unicodedata
from collections.abc import Iterable

_SPELLINGS = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-"})

_WORD = re.compile(r"aujourd'hui|quelqu'un\w*|\w+(?:-\w+)*'(?=\w)|\w+(?:-\w+)*|[^\w\s]")
_ENGLISH = re.compile(r"'(?:s|t|re|ve|ll|d|m)\b|\w+(?:-\w+)*|[^\w\s]")


def normalised(text: str) -> str:
    r"""The text in lower case and composed Unicode, with plain quotes and dashes and single spaces.

    >>> normalised("  L’Été : « oui »")
    'l\'été : " oui "'
    """
    return " ".join(unicodedata.normalize("NFC", text).translate(_SPELLINGS).lower().split())


def tokenised(text: str, language: str) -> tuple[str, ...]:
    """The words of a text, normalised; an elided French word keeps its apostrophe, an English ending its own.

    Args:
        text: a sentence.
        language: `en` or `fr`.

    >>> tokenised("L'homme n'est pas là.", "fr")
    ("l'", 'homme', "n'", 'est', 'pas', 'là', '.')
    >>> tokenised("The man's T-shirt", "en")
    ('the', 'man', "'s", 't-shirt')
    """
    pattern = _WORD if language == "fr" else _ENGLISH
    return tuple(pattern.findall(normalised(text)))


def detokenised(words: Iterable[str]) -> str:
    """A French sentence: no space behind an apostrophe, nor before a full stop or a comma.

    >>> detokenised(["l'", "homme", ",", "là", "."])
    "l'homme, là."
    """
    return re.sub(r" (?=[,.)])|(?<=\w') (?=\w)|(?<=\() ", "", " ".join(words))
