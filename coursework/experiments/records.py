"""Runs that are looked up and never started: records that take too long to make with a page."""

from typing import Any

from coursework.errors import CheckpointError
from coursework.runs import Run, run_key, runs_folder
from coursework.training.checkpoint import read_manifest


def finished(config: Any) -> Run | None:
    """The finished run of `config`; None when there is none, or one that is damaged.

    `run(config)` makes it, and resumes it where it was interrupted.
    """
    key = run_key(config)
    path = runs_folder() / f"{type(config).__module__.rpartition('.')[2]}-{key}"
    try:
        read_manifest(path, key)
    except CheckpointError:
        return None
    return Run(config, key, path)
