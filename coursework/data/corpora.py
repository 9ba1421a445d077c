"""English–French corpora by name: generated pairs, Multi30K, Tatoeba, or any table of two columns."""

import gzip
import hashlib
import logging
import os
import random
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from coursework.data import cache
from coursework.data.pairs import Pair, split_of
from coursework.data.sources import OFFLINE, VARIABLE
from coursework.data.text import PairSet, load_pairs
from coursework.data.words import tokenised
from coursework.errors import ConfigError, DataError

_log = logging.getLogger(__name__)

_MULTI30K = {
    "train": ("train", "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
              "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d"),
    "validation": ("val", "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
                   "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc"),
    "test": ("test_2016_flickr", "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
             "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6"),
}  # fmt: skip
"""Split → name of its files and the SHA-256 of what they hold, English and French."""

_TATOEBA = ("eng-fra-short.tsv", "c52ae3c5a2f6b3c96d985aad8e2f1aab814c6701cfa9face467989069624bcaa")

_MIRROR = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
_LARGEST, _SILENCE = 10_000_000, 15.0

CORPORA = ("pairs-generated", "multi30k", "tatoeba")


def load_corpus(name: str, split: str, *, n: int | None = None, seed: int = 0, table: str = "") -> PairSet:
    """Sentence pairs of a corpus, the same ones every time; no two splits share a source sentence.

    Generated pairs carry their gold alignment; the others have none. Multi30K comes with its splits, from whose
    training part the sources of the other two are removed. A table is split by the hash of its source sentences, all
    translations of a sentence on one side.

    Args:
        name: in `CORPORA`.
        split: `train`, `validation` or `test` (of Multi30K: the test of 2016).
        n: how many pairs, all without it; of `pairs-generated` it must be given.
        seed: which pairs of `pairs-generated`; which order otherwise, 0 for that of the file.
        table: a file of lines `english TAB french`, read in place of Tatoeba's.

    Raises:
        ConfigError: an unknown name or split, or more pairs than there are.
        DataError: the files are absent, damaged or not a table.
    """
    if name not in CORPORA:
        raise ConfigError(f"dataset = {name!r} is unknown. Choose one of {', '.join(map(repr, CORPORA))}.")
    if split not in _MULTI30K:
        raise ConfigError(f"split = {split!r} is unknown. Choose one of {', '.join(map(repr, _MULTI30K))}.")
    if name == "pairs-generated":
        if n is None:
            raise ConfigError("n = None: pairs-generated has no end; say how many pairs.")
        return load_pairs(name, split, n=n, seed=seed)
    lines = _multi30k(split) if name == "multi30k" else _table_split(split, table)
    if seed:
        random.Random(seed).shuffle(lines)
    if n is not None and not 1 <= n <= len(lines):
        raise ConfigError(f"n = {n}: the {split} split of {name} has {len(lines)} pairs. Give 1 to {len(lines)}.")
    return PairSet(tuple(as_pair(*line) for line in lines[:n]), name, split)


def payload(name: str) -> dict[str, str]:
    """File → SHA-256 of what it holds, for the corpora that are files; loading checks it."""
    if name == "multi30k":
        return {
            f"{stem}.{language}": digest
            for stem, *digests in _MULTI30K.values()
            for language, digest in zip(("en", "fr"), digests, strict=True)
        }
    return dict([_TATOEBA]) if name == "tatoeba" else {}


def references(name: str, split: str, n: int | None = None) -> list[str] | None:
    """The French sentences of a split of Multi30K as its authors wrote them, in order; None of other corpora."""
    return [french for _, french in _multi30k(split)[:n]] if name == "multi30k" else None


def as_pair(english: str, french: str) -> Pair:
    """Two sentences, tokenised, without an alignment."""
    return Pair(tokenised(english, "en"), tokenised(french, "fr"), frozenset())


def check_lengths(corpus: PairSet, longest: int) -> None:
    """Nothing, when no sentence has more than `longest` words.

    Raises:
        DataError: the first one that does, its place and its length.
    """
    for place, pair in enumerate(corpus.pairs, 1):
        for language, words in (("English", pair.source), ("French", pair.target)):
            if len(words) > longest:
                raise DataError(
                    f"pair {place} of {corpus.name} ({corpus.split}): its {language} sentence has {len(words)} words, "
                    f"the model takes {longest}: {' '.join(words[:8])} … Shorten it, or raise `longest`."
                )


def read_table(path: Path) -> list[tuple[str, str]]:
    """The pairs of a file of lines `english TAB french`, gzipped or not; columns after the second are ignored.

    Raises:
        DataError: the file is absent, has no pairs, or one of its lines has no second column, an empty one, or bytes
            that are not UTF-8; with the line's number.
    """
    pairs = []
    for number, line in enumerate(_bytes(path).split(b"\n"), 1):
        try:
            columns = line.decode("utf-8").rstrip("\r").split("\t")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8. Save the "
                "file as UTF-8."
            ) from None
        if columns == [""]:
            continue
        if len(columns) < 2 or not columns[0].strip() or not columns[1].strip():
            raise DataError(f"{path}, line {number}: expected `english TAB french`, found {line[:60]!r}.")
        pairs.append((columns[0], columns[1]))
    if not pairs:
        raise DataError(f"{path} is an empty corpus: no line holds a pair. Give lines of `english TAB french`.")
    return pairs


def _table_split(split: str, table: str) -> list[tuple[str, str]]:
    path = Path(table).expanduser() if table else _found("tatoeba", _TATOEBA[0])
    pairs = read_table(path)
    if not table and _digest(_bytes(path)) != _TATOEBA[1]:
        raise DataError(f"{path} is not the table its name says: its SHA-256 differs. Name your own file in `table`.")
    chosen = [pair for pair in dict.fromkeys(pairs) if split_of(tokenised(pair[0], "en")) == split]
    if not chosen:
        raise DataError(f"{path}: none of its {len(pairs)} pairs falls into the {split} split. Give a larger table.")
    return chosen


def _multi30k(split: str) -> list[tuple[str, str]]:
    pairs = list(zip(*(_lines(split, language) for language in ("en", "fr")), strict=True))
    if split == "train":
        elsewhere = {tokenised(line, "en") for other in ("validation", "test") for line in _lines(other, "en")}
        pairs = [pair for pair in pairs if tokenised(pair[0], "en") not in elsewhere]
    return pairs


def _lines(split: str, language: str) -> list[str]:
    stem, *digests = _MULTI30K[split]
    name, digest = f"{stem}.{language}", dict(zip(("en", "fr"), digests, strict=True))[language]
    path = _found("multi30k", name, lambda target: _download(name, digest, target))
    content = _bytes(path)
    if _digest(content) != digest:
        raise DataError(f"{path} is damaged: its content does not have Multi30K's SHA-256. Remove it and ask again.")
    return content.decode("utf-8").splitlines()


def _found(folder: str, name: str, fetch: Callable[[Path], None] | None = None) -> Path:
    """The file, gzipped or not, in `COURSEWORK_DATA`, else in the cache, else fetched into the cache."""
    given = os.environ.get(VARIABLE)
    folders = [
        *([Path(given).expanduser() / folder, Path(given).expanduser()] if given else []),
        cache.directory(folder),
    ]
    for path in (place / file for place in folders for file in (name, f"{name}.gz")):
        if path.is_file():
            return path
    asked = f"Copy {name} (or {name}.gz) into <data>/{folder} and set {VARIABLE}=<data>"
    if fetch is None:
        raise DataError(f"{name} of {folder!r} was not found in {', '.join(map(str, folders))}. {asked}.")
    if os.environ.get(OFFLINE, "0").strip().lower() in {"1", "true", "yes", "on"}:
        raise DataError(
            f"{name} of {folder!r} was not found, and {OFFLINE} forbids the download. {asked}, or unset it."
        )
    target = cache.directory(folder) / f"{name}.gz"
    try:
        fetch(target)
    except (OSError, urllib.error.URLError) as error:
        raise DataError(f"{name} of {folder!r} was not found, and its download failed: {error}. {asked}.") from None
    return target


def _download(name: str, digest: str, target: Path) -> None:
    _log.info("downloading %s", name)
    with urllib.request.urlopen(f"{_MIRROR}{name}.gz", timeout=_SILENCE) as answer:
        content = answer.read(_LARGEST)
    if _digest(gzip.decompress(content)) != digest:
        raise OSError("what arrived does not have its SHA-256")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}-{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(target)


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def unknown_words(missing: Mapping[str, int], total: int, *, most: int = 5) -> str:
    """Which words a vocabulary lacks and how often they occur, in a sentence.

    >>> unknown_words({"yak": 3, "gnu": 1}, 200)
    '4 of 200 words are unknown (2.0 per cent), of 2 kinds: yak (3), gnu (1).'
    """
    count = sum(missing.values())
    if not count:
        return f"None of {total} words is unknown."
    ranked: Iterable[tuple[str, int]] = sorted(missing.items(), key=lambda item: (-item[1], item[0]))[:most]
    shown = ", ".join(f"{word} ({times})" for word, times in ranked)
    more = ", …" if len(missing) > most else ""
    return (
        f"{count} of {total} words are unknown ({100 * count / total:.1f} per cent), of {len(missing)} "
        f"kinds: {shown}{more}."
    )
