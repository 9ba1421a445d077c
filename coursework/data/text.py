"""Sentence pairs by name, vocabularies, and padded batches of word numbers."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from coursework.data.pairs import Pair, generated_pairs
from coursework.errors import ConfigError

SPLITS = ("train", "validation", "test")

PAIR_SOURCES: dict[str, Callable[[str, int, int], tuple[Pair, ...]]] = {"pairs-generated": generated_pairs}
"""Name → function (split, n, seed) → sentence pairs; no split shares a source sentence with another."""

PAD, BOS, EOS, UNKNOWN = range(4)
"""Word numbers that are no words: filling, beginning and end of a sentence, a word that the vocabulary lacks."""

_MARKS = ("<pad>", "<bos>", "<eos>", "<unk>")


@dataclass(frozen=True)
class PairSet:
    """Sentence pairs, in order, and where they are from."""

    pairs: tuple[Pair, ...]
    name: str
    split: str

    @property
    def sources(self) -> list[tuple[str, ...]]:
        """The English sentences."""
        return [pair.source for pair in self.pairs]

    @property
    def targets(self) -> list[tuple[str, ...]]:
        """The French sentences."""
        return [pair.target for pair in self.pairs]

    def __len__(self) -> int:
        """How many pairs."""
        return len(self.pairs)


def load_pairs(name: str, split: str, *, n: int, seed: int = 0) -> PairSet:
    """English–French sentence pairs of a source in `PAIR_SOURCES`, the same ones every time.

    Args:
        name: of the source.
        split: `train`, `validation` or `test`; a source sentence is in one of them only.
        n: how many pairs, no source sentence twice.
        seed: which ones.

    Raises:
        ConfigError: an unknown source or split, or more pairs than there are.

    >>> pair = load_pairs("pairs-generated", "test", n=1).pairs[0]
    >>> " ".join(pair.source), " ".join(pair.target)
    ('the famous king did not buy my small lamp .', "le roi célèbre n' a pas acheté ma petite lampe .")
    """
    _check("name", name, PAIR_SOURCES)
    _check("split", split, SPLITS)
    if n < 1:
        raise ConfigError(f"n = {n}: ask for at least one sentence pair.")
    return PairSet(PAIR_SOURCES[name](split, n, seed), name, split)


def _check(parameter: str, value: str, choices: Iterable[str]) -> None:
    choices = list(choices)
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"{parameter} = {value!r} is unknown. {hint}Choose one of {', '.join(map(repr, choices))}.")


@dataclass(frozen=True)
class Vocabulary:
    """Words and their numbers: first the four marks, then the words, the most frequent first."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]]) -> "Vocabulary":
        """All words of the sentences.

        Raises:
            ConfigError: there is no word in them.
        """
        counts = Counter(word for sentence in sentences for word in sentence)
        if not counts:
            raise ConfigError("a vocabulary needs sentences: none were given, or all are empty.")
        return cls(_MARKS + tuple(sorted(counts, key=lambda word: (-counts[word], word))))

    def __len__(self) -> int:
        """Words and marks."""
        return len(self.words)

    def encode(self, sentences: Iterable[Sequence[str]]) -> list[list[int]]:
        """Numbers of every sentence's words, `UNKNOWN` for those that are missing, and `EOS` at the end."""
        numbers = {word: number for number, word in enumerate(self.words)}
        return [[*(numbers.get(word, UNKNOWN) for word in sentence), EOS] for sentence in sentences]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Words up to the first `EOS`."""
        words = []
        for number in numbers:
            if number == EOS:
                break
            words.append(self.words[number])
        return words

    def missing(self, sentences: Iterable[Sequence[str]]) -> Counter[str]:
        """Words of the sentences that the vocabulary lacks, with how often each occurs."""
        known = set(self.words)
        return Counter(word for sentence in sentences for word in sentence if word not in known)


def padded(sentences: Sequence[Sequence[int]]) -> Int[Tensor, "batch step"]:
    """Word numbers in one tensor, shorter sentences filled up with `PAD`.

    >>> padded([[5, 2], [7, 8, 2]]).tolist()
    [[5, 2, 0], [7, 8, 2]]
    """
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sentences], batch_first=True, padding_value=PAD)


def trimmed(numbers: Int[Tensor, "batch step"]) -> Int[Tensor, "batch shorter"]:
    """The rows without the columns that hold nothing but `PAD` at the end."""
    return numbers[:, : int(is_word(numbers).sum(1).max())]


def bucketed_batches(
    lengths: Int[Tensor, " sentence"], batch_size: int, seed: int, *, pool: int = 20
) -> Callable[[int], Int[Tensor, " batch"]]:
    """Step → the rows of its batch; every row once an epoch, sentences of similar length together.

    An epoch's order is drawn from (seed, epoch); each `pool` batches' worth of it is sorted by length and cut into
    batches, whose order is drawn again. A pure function of the step, so nothing about it needs saving.

    Raises:
        ValueError: no sentences, or a batch of none.
    """
    if len(lengths) < 1 or batch_size < 1:
        raise ValueError(f"{len(lengths)} sentences, batch_size = {batch_size}: both must be at least 1.")
    per_epoch = -(-len(lengths) // batch_size)
    current: dict[int, list[Tensor]] = {}

    def batch(step: int) -> Tensor:
        epoch, position = divmod(step, per_epoch)
        if epoch not in current:
            current.clear()
            generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
            order = torch.randperm(len(lengths), generator=generator)
            parts = [part[lengths[part].argsort(stable=True)] for part in order.split(pool * batch_size)]
            batches = [rows for part in parts for rows in part.split(batch_size)]
            current[epoch] = [batches[k] for k in torch.randperm(len(batches), generator=generator).tolist()]
        return current[epoch][position]

    return batch


def is_word(numbers: Int[Tensor, "batch step"]) -> Bool[Tensor, "batch step"]:
    """Where there is no filling; `EOS` counts as a word."""
    return numbers != PAD
