"""The study's experiment: that each model learns by heart, and what a run keeps."""

import pytest
import torch

from coursework.errors import ConfigError, DataError
from coursework.experiments import configure
from coursework.experiments.nmt import build
from coursework.experiments.nmt_settings import MULTI30K, on_multi30k, trials_on_multi30k
from coursework.runs import run
from coursework.training.loop import fit

SMALL = {"num_train": 12, "num_test": 4, "batch_size": 12, "device": "cpu"}


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "gru-attention", "epochs": 100},
        {"model": "gru", "epochs": 100, "positions": True},
        {"model": "transformer", "epochs": 120, "rate": 4e-3, "num_merges": 60, "longest": 60},
    ],
    ids=lambda changes: changes["model"],
)
def test_a_few_pairs_are_learnt_by_heart(changes):
    task = build(configure("nmt", "fast", **SMALL, **changes))
    player = task.players["translator"]
    first = player.loss(torch.arange(12))[0].item()
    fit(task.players, task.batches, task.num_steps)
    last = player.loss(torch.arange(12))[0].item()
    assert first > 2.5
    assert last < 0.3


def test_a_run_keeps_translations_maps_statistics_and_the_curve(runs_folder):
    config = configure("nmt", "fast", num_train=40, num_test=10, epochs=4, batch_size=20, curve_every=3, beams=2)
    found = run(config)
    assert found.arrays["statistics"].shape == (10, 10)
    assert found.arrays["curve"][:3, 0].tolist() == [0, 3, 6]
    assert found.arrays["curve"][:3].isfinite().all()
    assert found.arrays["curve"][0, 1] > found.arrays["curve"][2, 1]
    maps = found.arrays["maps"]
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]))
    assert found.metrics["head_0_error"] == found.metrics["attention_error"]
    assert found.metrics["greedy_bleu"] >= 0
    assert found.metrics["length_reference"] == pytest.approx(found.arrays["reference_lengths"].double().mean())
    assert found.modules()["vocabulary"].mark[0] > 4


def test_without_its_end_a_translation_runs_to_the_limit():
    config = configure("nmt", "fast", **SMALL, end=False, epochs=60, longest=30)
    task = build(config)
    fit(task.players, task.batches, task.num_steps)
    metrics, arrays = task.evaluate()
    assert metrics["cut"] > 0.9
    assert metrics["repeated"] > metrics["repeated_reference"]
    assert (arrays["lengths"] <= 30).all()


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_ratio_outside_its_range(share):
    with pytest.raises(ConfigError, match="teacher_forcing"):
        configure("nmt", teacher_forcing=share)


def test_models_that_cannot_be():
    with pytest.raises(ConfigError, match=r"teacher_forcing = 0\.5: a transformer"):
        build(configure("nmt", "fast", **SMALL, model="transformer", teacher_forcing=0.5))
    with pytest.raises(ConfigError, match="num_heads = 5"):
        build(configure("nmt", "fast", **SMALL, model="transformer", num_heads=5))
    with pytest.raises(DataError, match="the model takes 5"):
        build(configure("nmt", "fast", **SMALL, longest=6))


@pytest.mark.parametrize("label", MULTI30K)
def test_settings_of_record_are_allowed(label):
    config = configure("nmt", "full", **on_multi30k(label))
    assert config.dataset == "multi30k"
    assert config.model == MULTI30K[label]["model"]


def test_trials_of_record_see_no_test_pairs():
    chosen = configure("nmt", "full", **on_multi30k("transformer, four times the steps"))
    trials = [configure("nmt", "full", **changes) for changes in trials_on_multi30k().values()]
    assert {trial.holdout for trial in trials} == {"validation"}
    assert (chosen.batch_size, chosen.rate) in {(trial.batch_size, trial.rate) for trial in trials}
