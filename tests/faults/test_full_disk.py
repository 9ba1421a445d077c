"""Row 4: a disk that is full, by a small tmpfs where one can be mounted, else by a limit on the size of files."""

import os
import resource
import subprocess

import pytest

from coursework import cli, runs
from coursework.errors import BuildError
from coursework.report import notebook, render

pytestmark = pytest.mark.usefixtures("linear")


def full_from(size):
    """No file of this process, a fork, can grow beyond `size` bytes: writing says "File too large"."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A disk of one megabyte for runs, and a function that leaves so many bytes of it free."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no right to mount a tmpfs")
    monkeypatch.setenv("COURSEWORK_RUNS", str(folder))

    def leave(free):
        with (folder / "filler").open("ab", buffering=0) as filler:
            filler.write(bytes(max(0, os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize - free)))

    yield folder, leave
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_fills_up_during_training_ends_it_and_costs_nothing(small_disk, fork, small, elsewhere):
    folder, leave = small_disk
    config = small.tiny(epochs=500)

    def work():
        small.saving_always()
        small.slowly(0.005)
        return cli.main(small.command(epochs=500))

    child = fork(work)
    small.until(lambda: list(folder.glob("*/checkpoints/step-*")))
    leave(8192)  # less than a checkpoint
    assert child.wait() == 5
    assert "No space left" in child.text
    assert "MB free" in child.text
    assert "Traceback" not in child.text
    assert not list(folder.glob("*/checkpoints/.writing-*"))
    assert list(folder.glob("*/checkpoints/step-*"))
    (folder / "filler").unlink()
    again = fork(lambda: cli.main(small.command(epochs=500)))
    assert again.wait() == 0, again.text
    assert "resuming" in again.text
    (path,) = folder.iterdir()
    assert small.contents(path) == elsewhere(config)


@pytest.mark.parametrize(
    ("size", "file"), [(0, "metrics.jsonl"), (100, "metrics.jsonl"), (3000, "checkpoint of step 200")]
)
def test_whatever_the_disk_does_not_take_is_named_with_what_it_needs(size, file, runs_folder, fork, small):
    child = fork(lambda: full_from(size) or cli.main(small.command()))
    assert child.wait() == 5
    assert file in child.text
    assert "MB free" in child.text
    assert "COURSEWORK_RUNS" in child.text
    assert "Traceback" not in child.text


def test_a_result_that_does_not_fit_is_made_from_the_last_checkpoint_when_there_is_room(
    runs_folder, fork, small, elsewhere
):
    for size, file in ((0, "model.safetensors"), (200, "model.safetensors"), (1000, "provenance.json")):

        def work(size=size):
            save = runs._save
            runs._save = lambda *arguments: full_from(size) or save(*arguments)
            return cli.main(small.command())

        child = fork(work)
        assert child.wait() == 5, child.text
        assert file in child.text
        assert "Traceback" not in child.text
        (path,) = runs_folder.iterdir()
        assert not (path / "manifest.json").exists()
    again = fork(lambda: cli.main(small.command()))
    assert again.wait() == 0, again.text
    assert "at step 200 of 200" in again.text
    assert small.contents(path) == elsewhere(small.tiny())


def test_a_notebook_that_does_not_fit_leaves_the_old_one(tmp_path, fork):
    path = tmp_path / "page.ipynb"
    notebook.write_text(path, "old")

    def work():
        full_from(1000)
        with pytest.raises(BuildError, match=r"cannot write .*page\.ipynb: File too large.*needs 2\.000 MB.*as it was"):
            notebook.write_text(path, "é" * 1_000_000)

    child = fork(work)
    assert child.wait() == 0, child.text
    assert path.read_text(encoding="utf-8") == "old"
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_html_that_does_not_fit_leaves_the_old_one(tmp_path, fork, monkeypatch):
    made, old = tmp_path / "_build" / "html", tmp_path / "html"
    for folder, text in ((made, "new" * 100_000), (old, "old")):
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(text, encoding="utf-8")
    monkeypatch.setattr(render, "_jupyter_book", lambda target, builder: None)

    def work():
        full_from(1000)
        with pytest.raises(BuildError, match=r"cannot write .*html: .*File too large.*needs 0\.3 MB free.*as it was"):
            render.html(tmp_path)

    child = fork(work)
    assert child.wait() == 0, child.text
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] in (["_build", "html"], ["html", "_build"])
    assert (old / "index.html").read_text(encoding="utf-8") == "old"
    render.html(tmp_path)
    assert (old / "index.html").read_text(encoding="utf-8").startswith("new")


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS"])
def test_a_full_disk_anywhere_else_is_a_sentence_too(name, capsys, monkeypatch):
    import errno

    def full(_arguments):
        number = getattr(errno, name)
        raise OSError(number, os.strerror(number), "/somewhere/file")

    monkeypatch.setattr(cli, "_derive", full)
    assert cli.main(["derive"]) == 7
    assert "cannot write /somewhere/file" in capsys.readouterr().err


def test_other_errors_of_the_system_are_not_hidden(monkeypatch):
    def absent(_arguments):
        raise FileNotFoundError(2, "No such file", "x")

    monkeypatch.setattr(cli, "_derive", absent)
    with pytest.raises(FileNotFoundError):
        cli.main(["derive"])
