"""Row 16: two processes that want the same run, and locks whose owner is dead."""

import contextlib
import os
import signal
import time

import pytest
from filelock import FileLock

from coursework import runs

pytestmark = pytest.mark.usefixtures("linear")


@pytest.fixture
def trained(tmp_path):
    """A function that notes who trains, in a fork; and those that did."""
    notes = tmp_path / "trained.txt"

    def note():
        execute = runs._execute

        def noted(*arguments):
            with notes.open("a", encoding="utf-8") as file:
                file.write(f"{os.getpid()}\n")
            execute(*arguments)

        runs._execute = noted

    return note, lambda: [int(line) for line in notes.read_text(encoding="utf-8").split()] if notes.exists() else []


def test_one_trains_and_the_other_waits(runs_folder, fork, small, trained, elsewhere):
    note, who = trained
    config = small.tiny(epochs=200)
    pair = [fork(lambda: note() or runs.run(config)) for _ in range(2)]
    assert [child.wait() for child in pair] == [0, 0], [child.text for child in pair]
    assert len(who()) == 1
    (path,) = runs_folder.iterdir()
    assert small.contents(path) == elsewhere(config)


def test_whoever_waits_is_told_and_takes_over_when_the_first_is_killed(runs_folder, fork, small, trained, elsewhere):
    note, who = trained
    config = small.tiny(epochs=500)
    first = fork(lambda: note() or small.slowly(0.005) or runs.run(config, checkpoint_seconds=0.0))
    small.until(lambda: list(runs_folder.glob("*/checkpoints/step-*")))
    second = fork(lambda: note() or runs.run(config))
    small.until(lambda: "another process makes" in second.text)
    first.signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert second.wait() == 0, second.text
    assert "resuming" in second.text
    assert who() == [first.pid, second.pid]
    (path,) = runs_folder.iterdir()
    assert small.contents(path) == elsewhere(config)


@pytest.mark.parametrize("content", ["", "999999\nhost\n"])
def test_a_lock_whose_owner_is_dead_holds_nobody_up(content, runs_folder, fork, small):
    config = small.tiny(epochs=5)
    path = runs_folder / f"ad-{runs.run_key(config)}"

    def hold():
        path.mkdir(parents=True)
        FileLock(path / ".lock").acquire()
        (path / "held").touch()
        time.sleep(600)

    holder = fork(hold)
    small.until((path / "held").exists)
    holder.signal(signal.SIGKILL)
    holder.wait()
    assert (path / ".lock").exists()
    (path / ".lock").write_text(content, encoding="utf-8")
    child = fork(lambda: runs.run(config))
    assert child.wait() == 0, child.text
    assert "another process" not in child.text


def test_a_build_that_is_held_is_code_three_and_a_dead_ones_is_free(tmp_path, fork, small):
    from coursework.errors import BusyError
    from coursework.report import build

    folder = tmp_path / "build" / "fast"

    def hold():
        with build._alone(folder):
            (tmp_path / "held").touch()
            time.sleep(600)

    holder = fork(hold)
    small.until((tmp_path / "held").exists)
    with pytest.raises(BusyError) as caught, build._alone(folder):
        pass
    assert caught.value.exit_code == 3
    holder.signal(signal.SIGKILL)
    holder.wait()
    with contextlib.ExitStack() as held:
        held.enter_context(build._alone(folder))
