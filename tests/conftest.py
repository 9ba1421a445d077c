"""Shared set-up: one thread, a known seed, no folder of the user's."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["COURSEWORK_OFFLINE"] = "1"

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def runs_folder(tmp_path, monkeypatch):
    """A folder for runs that is thrown away."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("COURSEWORK_RUNS", str(folder))
    return folder
