"""Corpora: what is in a split, what may not leak, and what is said about files that are absent or broken."""

import gzip
import hashlib

import pytest

from coursework.data import corpora
from coursework.data.corpora import as_pair, check_lengths, load_corpus, read_table, unknown_words
from coursework.data.text import PairSet, Vocabulary
from coursework.data.words import tokenised
from coursework.errors import ConfigError, DataError


@pytest.fixture
def multi30k(tmp_path, monkeypatch):
    """A corpus of Multi30K's layout whose training part repeats a test and a validation sentence."""
    files = {
        "train.en": ["A dog runs.", "A cat sleeps.", "Two men  talk.", "A BIRD sings."],
        "train.fr": ["Un chien court.", "Un chat dort.", "Deux hommes parlent.", "Un oiseau chante."],
        "val.en": ["two men talk.", "A boat."],
        "val.fr": ["Deux hommes discutent.", "Un bateau."],
        "test_2016_flickr.en": ["A bird sings."],
        "test_2016_flickr.fr": ["L’oiseau chante."],
    }
    folder = tmp_path / "data" / "multi30k"
    folder.mkdir(parents=True)
    digests = {}
    for name, lines in files.items():
        content = "".join(f"{line}\n" for line in lines).encode()
        digests[name] = hashlib.sha256(content).hexdigest()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    table = {
        split: (stem, digests[f"{stem}.en"], digests[f"{stem}.fr"])
        for split, stem in (("train", "train"), ("validation", "val"), ("test", "test_2016_flickr"))
    }
    monkeypatch.setattr(corpora, "_MULTI30K", table)
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COURSEWORK_CACHE", str(tmp_path / "cache"))
    return folder


def test_no_held_out_source_is_trained_on(multi30k):
    train = load_corpus("multi30k", "train")
    assert [" ".join(source) for source in train.sources] == ["a dog runs .", "a cat sleeps ."]
    assert train.targets[1] == ("un", "chat", "dort", ".")
    held_out = load_corpus("multi30k", "test")
    assert not set(train.sources) & set(held_out.sources)
    assert corpora.references("multi30k", "test") == ["L’oiseau chante."]


def test_a_damaged_file_and_too_many_pairs(multi30k):
    with pytest.raises(ConfigError, match=r"n = 3: .*has 2 pairs"):
        load_corpus("multi30k", "train", n=3)
    (multi30k / "train.fr.gz").write_bytes(gzip.compress(b"Un.\nDeux.\nTrois.\nQuatre.\n"))
    with pytest.raises(DataError, match=r"train\.fr\.gz is damaged"):
        load_corpus("multi30k", "train")
    (multi30k / "train.fr.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read"):
        load_corpus("multi30k", "train")


def test_absent_files_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    monkeypatch.setenv("COURSEWORK_CACHE", str(tmp_path / "cache"))
    for name in ("multi30k", "tatoeba"):
        with pytest.raises(DataError, match="COURSEWORK_DATA"):
            load_corpus(name, "test")


def test_a_download_that_is_not_the_file_leaves_nothing(tmp_path, monkeypatch):
    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def read(self, _):
            return gzip.compress(b"something else\n")

    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    monkeypatch.setenv("COURSEWORK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSEWORK_OFFLINE", "0")
    monkeypatch.setattr(corpora.urllib.request, "urlopen", lambda *_, **__: Answer())
    with pytest.raises(DataError, match="does not have its SHA-256"):
        load_corpus("multi30k", "test")
    assert not list((tmp_path / "cache").rglob("*"))


def test_a_table_is_split_by_its_sources(tmp_path):
    path = tmp_path / "own.tsv"
    lines = [f"Word {k} here .\tMot {k}{form}." for k in range(60) for form in ("", " là")]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    parts = [load_corpus("tatoeba", split, table=str(path)) for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 120
    sources = [set(part.sources) for part in parts]
    assert not (sources[0] & sources[1])
    assert not (sources[0] & sources[2])
    assert not (sources[1] & sources[2])
    assert all(part.sources.count(source) == 2 for part in parts for source in part.sources)
    shuffled = load_corpus("tatoeba", "train", table=str(path), seed=3)
    assert sorted(shuffled.targets) == sorted(parts[0].targets)
    assert shuffled.targets != parts[0].targets


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty corpus"),
        (b"\n\n", "empty corpus"),
        (b"Go.\tVa !\nRun!\n", r"line 2: expected `english TAB french`, found b'Run!'"),
        (b"Go.\tVa !\n\nRun!\t \n", "line 3: expected"),
        (b"Go.\tVa !\nBe.\t\xe9t\xe9\n", r"line 2: byte 5 \(0xe9\) is not UTF-8"),
    ],
)
def test_broken_tables_name_the_line(tmp_path, content, message):
    path = tmp_path / "own.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_columns_after_the_second_and_carriage_returns_are_ignored(tmp_path):
    path = tmp_path / "own.tsv.gz"
    path.write_bytes(gzip.compress(b"Go.\tVa !\tCC-BY\r\nHi.\tSalut.\r\n"))
    assert read_table(path) == [("Go.", "Va !"), ("Hi.", "Salut.")]


def test_a_sentence_too_long_is_named():
    pairs = PairSet((as_pair("Go.", "Va."), as_pair("One two three four.", "Un.")), "own", "train")
    check_lengths(pairs, 5)
    with pytest.raises(
        DataError, match=r"pair 2 of own \(train\): its English sentence has 5 words, the model takes 4"
    ):
        check_lengths(pairs, 4)


def test_unknown_names():
    with pytest.raises(ConfigError, match="'wmt' is unknown"):
        load_corpus("wmt", "train")
    with pytest.raises(ConfigError, match="'dev' is unknown"):
        load_corpus("multi30k", "dev")
    with pytest.raises(ConfigError, match="n = None"):
        load_corpus("pairs-generated", "train")


def test_unknown_words_are_counted_and_shown():
    vocabulary = Vocabulary.of([("a", "dog")])
    sentences = [tokenised("a gnu, a yak, a yak", "en")]
    missing = vocabulary.missing(sentences)
    assert unknown_words(missing, 8) == "5 of 8 words are unknown (62.5 per cent), of 3 kinds: , (2), yak (2), gnu (1)."
    assert unknown_words({}, 8) == "None of 8 words is unknown."
