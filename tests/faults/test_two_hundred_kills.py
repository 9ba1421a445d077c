"""Rows 1 and 2 at length: a training killed two hundred times at random moments ends in the bytes of a quiet one."""

import random
import signal
import sys
import time

import pytest

from coursework import runs
from coursework.experiments import configure

KILLS = 200
STEPS = 15_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills_and_resumes_end_in_the_same_bytes(runs_folder, fork, small, elsewhere, capsys):
    """A checkpoint follows every record, so that a kill finds the training, or the write, at any point of it."""
    config = configure("disjoint", "fast", num_steps=STEPS, distances=(1.0,), batch_size=8, width=8)
    runs.run(configure("disjoint", "fast", num_steps=1, distances=(1.0,), batch_size=8, width=8))  # imports, once
    chance, pace = random.Random(7), 0.1
    resumed = inside = 0
    steps = []
    while len(steps) < KILLS:
        child = fork(lambda: runs.run(config, checkpoint_seconds=0.0))
        first = newest(runs_folder) == 0
        small.until(
            lambda child=child, first=first: (
                "resuming" in child.text or (first and newest(runs_folder)) or child.poll() is not None
            )
        )
        if len(steps) % 10 == 0:  # how long a record takes on this machine, as busy as it is
            before, begun = newest(runs_folder), time.monotonic()
            small.until(lambda before=before, child=child: newest(runs_folder) > before or child.poll() is not None)
            pace = time.monotonic() - begun
        time.sleep(chance.uniform(0, 1.5 * pace))
        if child.poll() is None:
            child.signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, f"lengthen the training: {child.text}"
        resumed += "resuming" in child.text
        assert "passed over" not in child.text
        inside += bool(list(runs_folder.glob("disjoint-*/checkpoints/.writing-*")))
        steps.append(newest(runs_folder))
    assert resumed >= KILLS - 2
    assert steps == sorted(steps)
    last = fork(lambda: runs.run(config))
    assert last.wait(1800) == 0, last.text
    assert "resuming" in last.text
    with capsys.disabled():
        said = f"{KILLS} kills, {resumed} resumed, {inside} inside a write, the last at step {steps[-1]} of {STEPS}"
        sys.stdout.write(f"\n{said}\n")
    (path,) = (path for path in runs_folder.iterdir() if path.name.endswith(runs.run_key(config)))
    assert small.contents(path) == elsewhere(config)
    assert inside > 0
    assert len(set(steps)) > KILLS / 4


def newest(folder):
    """Step of the newest checkpoint, 0 without one."""
    return max((int(path.name[5:]) for path in folder.glob("disjoint-*/checkpoints/step-*")), default=0)
