"""Runs: found again, keyed by what matters, and the same bytes after kill −9 at any step."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from coursework.data import load
from coursework.errors import ConfigError, NonFiniteError, SetupError
from coursework.experiments import configure
from coursework.metrics.reconstruction import mean_reconstruction, mse
from coursework.runs import run, run_key

TINY = {
    "dataset": "digits",
    "num_train": 60,
    "num_test": 20,
    "latent_dim": 4,
    "channels": 4,
    "copies": 1,
    "epochs": 60,
    "batch_size": 8,
    "test_steps": 20,
}

SCRIPT = """
import sys, torch
torch.set_num_threads(1)
from coursework.experiments import configure
from coursework.runs import run
import json
name, overrides = sys.argv[1], json.loads(sys.argv[2])
print("ready", flush=True)
print(run(configure(name, "fast", **overrides), checkpoint_seconds=0.02).path)
"""


def tiny(name="ad", **changes):
    return configure(name, "fast", **{**TINY, **changes})


def contents(path):
    names = ("model.safetensors", "arrays.safetensors", "metrics.json", "metrics.jsonl", "config.json")
    return {name: (path / name).read_bytes() for name in names}


@pytest.mark.parametrize("name", ["ad", "vad-normal"])
def test_a_run_learns_is_found_again_and_can_be_reloaded(name, runs_folder):
    first = run(tiny(name))
    images = load("digits", "train", n=TINY["num_train"]).images
    assert first.metrics["train_mse"] < 0.7 * mse(images, mean_reconstruction(images, images))
    assert first.path.parent == runs_folder
    written = (first.path / "manifest.json").stat().st_mtime_ns
    again = run(tiny(name))
    assert (again.path / "manifest.json").stat().st_mtime_ns == written
    assert again.metrics == first.metrics
    decoder = first.modules()["decoder"]
    with torch.no_grad():
        decoded = 255 * decoder(first.arrays["test_latents"]).mean.clamp(0, 1)
    kept = first.arrays["test_reconstructions"]
    torch.testing.assert_close(decoded[: len(kept)], kept)
    assert not list(first.path.glob("checkpoints/*"))
    assert first.provenance["cpu_seconds"]["total"] >= first.provenance["cpu_seconds"]["training"] > 0


def test_same_config_same_bytes_and_another_seed_other_bytes(runs_folder, monkeypatch, tmp_path):
    first = contents(run(tiny()).path)
    monkeypatch.setenv("COURSEWORK_RUNS", str(tmp_path / "elsewhere sp ace é"))
    torch.randn(3)  # the caller's random state does not matter
    assert contents(run(tiny()).path) == first
    other = contents(run(tiny(seed=1)).path)
    assert all(other[name] != first[name] for name in first)


def test_the_caller_s_random_state_is_left_alone(runs_folder):
    state = torch.get_rng_state()
    run(tiny(epochs=1))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_key_sees_config_code_and_versions_but_not_the_device_s_name(monkeypatch):
    keys = {run_key(tiny()), run_key(tiny(seed=1)), run_key(tiny(rate=7e-4)), run_key(tiny("vad-normal"))}
    monkeypatch.setattr("coursework.runs.versions", lambda: {"torch": "0"})
    keys.add(run_key(tiny()))
    monkeypatch.undo()
    monkeypatch.setattr("coursework.runs.source_hashes", lambda modules: {"coursework.nets.mlp": "changed"})
    keys.add(run_key(tiny()))
    monkeypatch.undo()
    assert len(keys) == 6
    if not torch.cuda.is_available():
        assert run_key(tiny(device="cpu")) == run_key(tiny(device="auto"))


@pytest.mark.parametrize("name", ["ad", "vad-normal"])
def test_kill_nine_at_random_steps_then_resume_ends_in_the_same_bytes(name, runs_folder, tmp_path):
    straight = contents(run(tiny(name)).path)
    folder = tmp_path / "killed"
    environment = {**os.environ, "COURSEWORK_RUNS": str(folder), "PYTHONHASHSEED": "random"}
    pick = random.Random(4)
    kills = 0
    for _ in range(12):
        command = [sys.executable, "-c", SCRIPT, name, json.dumps(TINY)]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            child.stdout.readline()
            wait_for_a_checkpoint(folder, child)
            time.sleep(pick.uniform(0, 0.12))
            child.send_signal(signal.SIGKILL)
            child.communicate()
            kills += child.returncode == -signal.SIGKILL
        if kills >= 2:
            break
    assert kills >= 2
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import logging; logging.basicConfig(level=20)\n" + SCRIPT,
            name,
            json.dumps(TINY),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "resuming" in done.stderr
    assert contents(Path(done.stdout.split("\n")[-2])) == straight


def wait_for_a_checkpoint(folder, child):
    """Until the child has written one more checkpoint, or is done."""
    before = set(folder.glob("*/checkpoints/step-*"))
    deadline = time.monotonic() + 60
    while set(folder.glob("*/checkpoints/step-*")) <= before and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def test_a_loss_that_breaks_leaves_the_last_checkpoint_and_no_result(runs_folder):
    config = tiny(epochs=400)
    with pytest.raises(NonFiniteError, match="at step"):
        run(
            dataclasses.replace(config, rate=1e30),
            checkpoint_seconds=0.0,
        )
    (path,) = runs_folder.iterdir()
    assert not (path / "manifest.json").exists()


def test_a_damaged_result_is_made_again(runs_folder, caplog):
    first = run(tiny(epochs=2))
    before = contents(first.path)
    damaged = bytearray(before["model.safetensors"])
    damaged[-3] ^= 4
    (first.path / "model.safetensors").write_bytes(damaged)
    again = run(tiny(epochs=2))
    assert contents(again.path) == before
    assert "made again" in caplog.text
    assert "model.safetensors" in caplog.text


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv("COURSEWORK_RUNS", str(file))
    with pytest.raises(SetupError, match="COURSEWORK_RUNS"):
        run(tiny())


def test_validation_images_follow_the_training_images_and_cannot_run_past_the_file(runs_folder):
    from coursework.experiments.ad import images_of

    train, held_out, _ = images_of(tiny(holdout="validation"))
    rows = load("digits", "train", n=80).images
    assert torch.equal(train, rows[:60])
    assert torch.equal(held_out, rows[60:])
    with pytest.raises(ConfigError, match="holdout = 'validation'"):
        run(tiny(holdout="validation", num_train=60_000))
