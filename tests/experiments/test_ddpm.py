"""The diffusion runs: numbers that are kept, a loss that falls, and settings that are refused."""

import pytest
import torch

from coursework.data.images import ImageSet
from coursework.errors import ConfigError
from coursework.experiments import configure, ddpm
from coursework.models.diffusion import cosine_betas, linear_betas
from coursework.nets.classifiers import ConvClassifier
from coursework.runs import run
from coursework.training.loop import fit

SMALL = {"num_train": 60, "num_test": 20, "num_samples": 12, "num_bound_images": 10, "num_steps": 4, "steps": (2, 3)}


@pytest.fixture(autouse=True)
def _bright_squares(monkeypatch):
    """Pictures of one square each, and a classifier that was never trained."""

    def squares(name, split, *, n):
        images = torch.zeros(n, 28, 28, dtype=torch.uint8)
        for row in range(n):
            images[row, row % 14 : row % 14 + 10, 8:20] = 255
        return ImageSet(images, torch.zeros(n, dtype=torch.long), name, split, {"none": "0" * 64}, ("one",))

    monkeypatch.setattr("coursework.data.images.load", squares)
    monkeypatch.setattr(ddpm, "measuring_classifier", lambda *_: ConvClassifier(10))


def config(**changes):
    return configure("ddpm", "fast", **{**SMALL, **changes})


def test_a_run_keeps_bits_and_samples(runs_folder):
    found = run(config())
    assert found.metrics["bits"] == pytest.approx(
        sum(found.metrics[f"bits_{part}"] for part in ("prior", "denoising", "decoder"))
    )
    assert found.metrics["bits"] > 0
    assert found.arrays["samples_all"].shape == (12, 28, 28)
    assert {name for name in found.metrics if name.startswith("ffid")} == {"ffid_2", "ffid_3", "ffid_all"}
    assert found.arrays["levels"].min() >= 2
    assert found.arrays["levels"].max() <= 20


def test_training_brings_the_error_below_that_of_a_blind_guess():
    torch.manual_seed(0)
    task = ddpm.build(config(num_steps=60, batch_size=30, rate=1e-2))
    loss = task.players["guess"].loss
    before = torch.stack([loss(torch.arange(60))[0] for _ in range(5)]).mean()
    fit(task.players, task.batches, 60)
    after = torch.stack([loss(torch.arange(60))[0] for _ in range(5)]).mean()
    assert after < 0.6 * before


def test_the_schedule_is_the_one_asked_for():
    linear = ddpm.noising(config(schedule="linear", length=9, beta_first=0.1, beta_last=0.5))
    torch.testing.assert_close(linear.betas, linear_betas(9, 0.1, 0.5))
    torch.testing.assert_close(ddpm.noising(config(length=9)).betas, cosine_betas(9))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "linear", "beta_first": 0.3, "beta_last": 0.1}, "must increase"),
        ({"schedule": "linear", "beta_first": 0.1, "beta_last": 0.1}, "must increase"),
        ({"steps": (30,)}, "at most length = 20"),
        ({"num_draws": 20}, "at most length − 1 = 19"),
        ({"num_samples": 21}, "num_test = 20 images"),
        ({"num_bound_images": 21}, "num_test = 20 images"),
        ({"schedule": "quadratic"}, "schedule = 'quadratic'"),
        ({"beta_last": 1.0}, "beta_last"),
    ],
)
def test_bad_settings_are_refused_before_training(changes, message):
    with pytest.raises(ConfigError, match=message):
        ddpm.build(config(**changes))
