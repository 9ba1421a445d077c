"""Processes to do harm to: forks of this one, so that a hundred of them cost no more than a few imports of torch."""

import contextlib
import dataclasses
import logging
import os
import signal
import sys
import time
import traceback
import types
import warnings

import pytest
import torch
import tyro  # noqa: F401 (here, so that no fork has to)
from torch import nn

from coursework import runs
from coursework.experiments import ad, configure  # noqa: F401
from coursework.training.loop import Player, index_batches
from coursework.training.task import Task

TINY = {
    "dataset": "digits",
    "num_train": 12,
    "num_test": 3,
    "latent_dim": 2,
    "channels": 2,
    "copies": 0,
    "batch_size": 6,
    "test_steps": 1,
    "settle_steps": 0,
    "start": "random",
}


class Child:
    """A fork that does `work` and leaves with what it returns; 99 and a traceback if it raises.

    What it says comes through a pipe, which no limit on the size of files stops.
    """

    def __init__(self, work) -> None:
        self._said = b""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # "fork in a process with threads", from 3.12 on
            self.pid = os.fork()
        if self.pid == 0:
            self._live(work)
        os.close(self._writer)
        self._code = None

    def _live(self, work) -> None:
        code = 99
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(self._reader)
            os.dup2(self._writer, 1)
            os.dup2(self._writer, 2)
            sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)
            sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
            logging.basicConfig(force=True, level=logging.INFO, stream=sys.stderr, format="coursework: %(message)s")
            code = work()
            code = code if isinstance(code, int) else 0
        except SystemExit as leaving:
            code = leaving.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(code)

    def signal(self, number) -> None:
        os.kill(self.pid, number)

    @property
    def text(self) -> str:
        """What it has said so far."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._reader, 65_536):
                self._said += part
        return self._said.decode("utf-8", errors="replace")

    def poll(self):
        """Exit code, minus the number of the signal that killed it, or None while it lives."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, seconds: float = 300) -> int:
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.end()
                pytest.fail(f"still alive after {seconds} seconds:\n{self.text}")
            _ = self.text  # a pipe that is full would hold it up
            time.sleep(0.005)
        return self._code

    def end(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._code = -signal.SIGKILL


@pytest.fixture
def fork():
    """Starts a child that does what it is given; none outlives the test."""
    children = []

    def start(work) -> Child:
        children.append(Child(work))
        return children[-1]

    yield start
    for child in children:
        child.end()
        os.close(child._reader)


def tiny(**changes):
    return configure("ad", "fast", **{**TINY, "epochs": 100, **changes})


def command(**changes):
    """The command line of `tiny`."""
    values = {**TINY, "epochs": 100, **changes}
    return ["run", "ad", "--profile", "fast", *(f"--{k.replace('_', '-')}={v}" for k, v in values.items())]


def contents(path):
    names = ("model.safetensors", "arrays.safetensors", "metrics.json", "metrics.jsonl", "config.json")
    return {name: (path / name).read_bytes() for name in names}


def until(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.005)


def slowly(seconds, after=0, **changes):
    """In a fork: every step takes so long from step `after` on, and parts of the task are changed."""
    build = runs._build

    def changed(config):
        task = build(config)
        return dataclasses.replace(
            task, batches=lambda step: time.sleep(seconds * (step >= after)) or task.batches(step), **changes
        )

    runs._build = changed


def saving_always():
    """In a fork: a checkpoint follows every record, whatever `run` is asked for."""
    execute = runs._execute
    runs._execute = lambda config, key, path, _seconds: execute(config, key, path, 0.0)


@pytest.fixture(scope="session")
def small():
    """The functions above."""
    functions = (tiny, command, contents, until, slowly, saving_always)
    return types.SimpleNamespace(**{function.__name__: function for function in functions})


@pytest.fixture
def linear(monkeypatch):
    """Real runs, loops and checkpoints of a model so small that a hundred of them take seconds."""

    def build(config):
        net = nn.Linear(6, 5)
        rows = torch.randn(12, 6)

        def loss(index):
            value = (net(rows[index] + 0.1 * torch.randn(len(index), 6)) - 1).square().mean(1)
            return value.mean(), {"error": value}

        return Task(
            modules={"net": net},
            players={"p": Player(loss, [torch.optim.Adam(net.parameters(), lr=0.01)])},
            batches=index_batches(12, 6, config.seed),
            num_steps=2 * config.epochs,
            evaluate=lambda: ({"norm": net.weight.norm().item()}, {"weight": net.weight.detach().clone()}),
        )

    monkeypatch.setattr(runs, "_build", build)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Runs `config` undisturbed in another folder for runs, and returns what it left."""

    def undisturbed(config):
        with monkeypatch.context() as patch:
            patch.setenv("COURSEWORK_RUNS", str(tmp_path / "undisturbed"))
            return contents(runs.run(config).path)

    return undisturbed
