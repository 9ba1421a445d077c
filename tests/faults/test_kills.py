"""Rows 1 and 2: SIGKILL at every step that writing a checkpoint and a result takes, and in the middle of a file."""

import itertools
import os
import resource
import shutil
import signal
import sys

import pytest
import torch
from torch import nn

from coursework import runs
from coursework.training import checkpoint
from coursework.training.checkpoint import load_newest, save_checkpoint
from coursework.training.loop import Player, fit

pytestmark = pytest.mark.usefixtures("linear")

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}


def die_at(number, active=lambda: True):
    """Kill this process, a fork, when it is about to change the file system for the `number`-th time."""
    count = itertools.count()

    def hook(event, arguments):
        writes = event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and active() and next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def make():
    torch.manual_seed(5)
    net = nn.Linear(40, 30)
    players = {"p": Player(lambda x: (net(x).square().mean(), {}), [torch.optim.Adam(net.parameters(), lr=0.1)])}
    return {"net": net}, players


def weights(modules):
    return modules["net"].weight.detach().clone()


@pytest.fixture
def training(tmp_path):
    """(folder with checkpoints of steps 10 and 20, modules and players at step 30, weights by step)."""
    modules, players = make()
    by_step = {}
    for step in (10, 20, 30):
        fit(players, lambda step: torch.randn(3, 40), step, start=step - 10, modules=modules)
        by_step[step] = weights(modules)
        if step < 30:
            save_checkpoint(tmp_path / "saved", step, "key", modules, players, {})
    return tmp_path / "saved", modules, players, by_step


def check_and_go_on(folder, by_step):
    """The step that can be resumed, whose weights are whole; the next checkpoint sweeps up what a kill left."""
    modules, players = make()
    state = load_newest(folder, "key", modules, players, pytest.fail)
    assert torch.equal(weights(modules), by_step[state["step"]])
    save_checkpoint(folder, 40, "key", modules, players, {})
    assert sorted(path.name for path in folder.iterdir())[-1] == "step-000000040"
    assert len(list(folder.iterdir())) == 2
    return state["step"]


def test_killed_anywhere_inside_the_write_of_a_checkpoint_the_newest_whole_one_loads(training, fork, tmp_path):
    saved, modules, players, by_step = training
    found = []
    for number in itertools.count():
        folder = tmp_path / "again"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(saved, folder)

        def write(folder=folder, number=number):
            die_at(number)
            save_checkpoint(folder, 30, "key", modules, players, {})

        code = fork(write).wait()
        found.append(check_and_go_on(folder, by_step))
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert len(found) > 6  # so many places to die at
    assert set(found) == {20, 30}  # before the folder was moved into place, and after
    assert found == sorted(found)


@pytest.mark.parametrize("name", ["state.safetensors", "manifest.json"])
def test_killed_inside_a_file_of_a_checkpoint(training, fork, name):
    """The kernel ends the process with SIGXFSZ while this file is on its way to the disk."""
    saved, modules, players, by_step = training
    size = (saved / "step-000000020" / name).stat().st_size // 2

    def write():
        if name == "manifest.json":
            checkpoint.save_file = lambda tensors, path: path.write_bytes(b"")
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        save_checkpoint(saved, 30, "key", modules, players, {})

    assert fork(write).wait() == -signal.SIGXFSZ
    assert list(saved.glob(".writing-*/*"))
    assert check_and_go_on(saved, by_step) == 20


def test_killed_anywhere_inside_the_write_of_a_result_it_is_made_whole(
    runs_folder, fork, small, elsewhere, tmp_path, caplog
):
    config = small.tiny(epochs=50)
    straight = elsewhere(config)

    def until_it_is_trained():
        runs._save = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        runs.run(config)

    assert fork(until_it_is_trained).wait() == -signal.SIGKILL
    trained = tmp_path / "trained"
    shutil.copytree(runs_folder, trained)
    deaths = 0
    for number in itertools.count():
        shutil.rmtree(runs_folder)
        shutil.copytree(trained, runs_folder)

        def finish(number=number):
            began, save = [], runs._save
            die_at(number, lambda: began)
            runs._save = lambda *arguments: began.append(True) or save(*arguments)
            runs.run(config)

        code = fork(finish).wait()
        path = runs.run(config).path
        runs.read_manifest(path, runs.run_key(config), runs._FILES)
        assert small.contents(path) == straight
        if code == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
    assert deaths > 8
    assert "Training starts again" not in caplog.text
