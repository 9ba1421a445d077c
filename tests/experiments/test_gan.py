"""The adversarial runs: what they keep, that they come back after a break, and what is refused."""

import os
from pathlib import Path

import pytest
import torch

from coursework.data.images import ImageSet
from coursework.errors import ConfigError, NonFiniteError
from coursework.experiments import configure
from coursework.experiments import gan as experiment
from coursework.nets.classifiers import ConvClassifier
from coursework.runs import run
from coursework.training.checkpoint import load_newest
from coursework.training.loop import fit

SMALL = {"num_train": 120, "num_test": 60, "num_samples": 60, "num_steps": 6, "batch_size": 40, "widths": (8, 12)}


@pytest.fixture(autouse=True)
def _any_digits(monkeypatch):
    """Random pictures and a classifier that was never trained: what is measured does not matter here."""

    def digits(name, split, *, n):
        images = torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))
        return ImageSet(images, torch.zeros(n, dtype=torch.long), name, split, {"none": "0" * 64}, ("one",))

    monkeypatch.setattr("coursework.data.images.load", digits)
    monkeypatch.setattr(experiment, "measuring_classifier", lambda *_: ConvClassifier(10))


def config(**changes):
    return configure("gan", "fast", **{**SMALL, **changes})


@pytest.mark.parametrize("game", ["saturating", "non-saturating", "clipping", "penalty"])
def test_every_game_runs_and_keeps_its_progress(runs_folder, game):
    found = run(config(game=game))
    progress = found.arrays["progress"]
    assert progress.shape == (3, 16, 28, 28)
    assert not torch.equal(progress[0], progress[2])
    assert found.arrays["shares"].sum().item() == pytest.approx(1)
    assert set(found.metrics) >= {"ffid", "precision", "recall", "covered", "least_share", "collapse"}
    assert {key.split("/")[0] for key in found.history[-1]} == {"step", "judge", "generator"}


def test_the_last_picture_is_the_trained_generators(runs_folder):
    found = run(config())
    modules = found.modules()
    z = modules["snapshots"].latents
    with torch.no_grad():
        again = ((modules["average"](z) + 1) * 127.5).round().to(torch.uint8)
    assert torch.equal(again.unflatten(1, (28, 28)), found.arrays["progress"][2])
    torch.testing.assert_close(z, torch.randn(16, 100, generator=torch.Generator().manual_seed(0)))


def test_the_generator_moves_every_so_many_steps():
    task = experiment.build(config(every=3))
    assert task.players["generator"].every == 3
    assert task.players["judge"].every == 1


def test_a_loss_that_is_no_number_leaves_the_last_checkpoint(runs_folder, monkeypatch):
    chosen = config(num_steps=150)
    build = experiment.build
    done = {"steps": 0}

    def breaking(c):
        task = build(c)
        original = task.players["generator"].loss

        def loss(batch):
            done["steps"] += 1
            value, terms = original(batch)
            return (value * float("nan") if done["steps"] > 120 else value), terms

        task.players["generator"].loss = loss
        return task

    monkeypatch.setattr(experiment, "build", breaking)
    with pytest.raises(NonFiniteError, match=r"player 'generator' is nan at step 120.*last checkpoint is untouched"):
        run(chosen, checkpoint_seconds=0.0)
    (folder,) = Path(os.environ["COURSEWORK_RUNS"]).glob("gan-*")
    assert not (folder / "manifest.json").exists()
    task, told = build(chosen), []
    key = folder.name.removeprefix("gan-")
    state = load_newest(folder / "checkpoints", key, task.modules, task.players, told.append)
    assert (state["step"], told) == (100, [])
    assert all(torch.isfinite(p).all() for p in task.modules["generator"].parameters())
    monkeypatch.setattr(experiment, "build", build)
    resumed = run(chosen)
    progress, metrics = resumed.arrays["progress"], resumed.metrics  # read before the folder goes
    folder.rename(folder.with_name("aside"))
    straight = run(chosen)
    assert torch.equal(progress, straight.arrays["progress"])
    assert metrics == straight.metrics


def test_a_critic_that_runs_away_is_named():
    task = experiment.build(config(game="penalty", judge_rate=1.0, penalty=1000.0, num_steps=40))
    with torch.no_grad():
        task.modules["judge"][0].weight[0, 0] = float("inf")
    with pytest.raises(NonFiniteError, match=r"player 'judge' .* at step 0.*judge\.0\.weight"):
        fit(task.players, task.batches, 2, modules=task.modules)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"game": "penalty", "smooth": 0.9}, "a critic has no labels"),
        ({"holdout": "validation", "num_train": 55_000, "num_test": 10_000}, "need 65000 images of the 4000"),
        ({"num_train": 121, "batch_size": 40}, "a last batch of one image"),
        ({"smooth": 0.0}, r"smooth = 0\.0"),
        ({"game": "hinge"}, "game = 'hinge'"),
    ],
)
def test_bad_settings_are_refused_before_training(changes, message):
    with pytest.raises(ConfigError, match=message):
        experiment.build(config(**changes))
