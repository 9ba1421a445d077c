"""The variational auto-decoder: scoring leaves it alone, its measures are what they say, and collapse shows."""

import pytest
import torch

from coursework.distributions.families import FAMILIES
from coursework.distributions.kl import kl_estimate
from coursework.errors import ConfigError
from coursework.experiments import configure, vad
from coursework.experiments.trained import run_family, trained_decoder, training_posteriors
from coursework.inference import decode
from coursework.runs import run
from coursework.training.loop import fit

SMALL = {
    "dataset": "digits",
    "num_train": 60,
    "num_test": 30,
    "latent_dim": 8,
    "channels": 4,
    "copies": 1,
    "epochs": 3,
    "test_steps": 10,
    "holdout": "validation",
}


def config(**changes):
    return configure("vad-normal", "fast", **SMALL | changes)


def test_scoring_leaves_decoder_and_table_bit_identical():
    torch.manual_seed(0)
    task = vad.build(config())
    fit(task.players, task.batches, 4, modules=task.modules)
    before = {f"{owner}.{k}": v.clone() for owner, m in task.modules.items() for k, v in m.state_dict().items()}
    task.evaluate()
    after = {f"{owner}.{k}": v for owner, m in task.modules.items() for k, v in m.state_dict().items()}
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("family", ["normal", "von-mises-fisher"])
def test_the_rows_move_at_the_familys_rate(family):
    _, rows = vad.build(config(family=family, latent_rate=0.1)).players["autodecoder"].optimizers
    assert rows.param_groups[0]["lr"] == pytest.approx(0.1 * vad.Config.RATE_FACTORS.get(family, 1.0))


def test_every_factor_belongs_to_a_family():
    assert vad.Config.RATE_FACTORS.keys() <= FAMILIES.keys()


@pytest.mark.usefixtures("runs_folder")
def test_a_finished_run_gives_back_its_decoder_posteriors_and_divergence():
    found = run(config(family="laplace"))
    decoder, posterior = trained_decoder(found), training_posteriors(found)
    torch.testing.assert_close(posterior.mean, found.arrays["train_latents"])
    kept = found.arrays["train_reconstructions"]
    decoded = 255 * decode(decoder, posterior.mean).clamp(0, 1)
    torch.testing.assert_close(decoded[: len(kept)], kept)
    assert decoder.scale == found.config.scale
    assert decoder.net.leak == found.config.leak_end
    estimate = kl_estimate(posterior, run_family(found).prior(8), 4000)
    error = estimate.standard_error.square().sum().sqrt() / len(estimate.mean)
    assert found.metrics["kl"] == pytest.approx(estimate.mean.mean().item(), abs=5 * error.item())


@pytest.mark.usefixtures("runs_folder")
def test_an_auto_decoders_run_is_read_as_well():
    plain = {name: value for name, value in SMALL.items() if name != "test_steps"}
    found = run(configure("ad", "fast", **plain, test_steps=5))
    torch.testing.assert_close(training_posteriors(found).mean, found.arrays["train_latents"])
    assert run_family(found).name == "delta"


@pytest.mark.usefixtures("runs_folder")
def test_only_the_product_of_beta_and_squared_scale_counts():
    one = run(config()).metrics
    other = run(config(scale=0.025, beta=4.0)).metrics
    wider = run(config(scale=0.2)).metrics
    assert other["test_score"] == pytest.approx(one["test_score"], rel=1e-3)
    assert other["kl"] == pytest.approx(one["kl"], rel=1e-3)
    assert wider["kl"] < 0.9 * one["kl"]


@pytest.mark.usefixtures("runs_folder")
def test_a_collapsed_model_has_no_divergence_and_no_active_coordinate():
    lost, kept = run(config(scale=10.0, beta=100.0, epochs=30)).metrics, run(config(epochs=30)).metrics
    assert lost["kl"] < 0.5 < kept["kl"]
    assert lost["active"] == 0
    assert kept["active"] > 0.9
    assert lost["test_score"] > 1.5 * kept["test_score"]


@pytest.mark.usefixtures("runs_folder")
def test_the_courses_fit_knows_no_divergence():
    """Its score does not suffer from a large scale as the bound's fit does."""
    found = run(config(scale=1.0, epochs=20, test_steps=60)).metrics
    assert found["test_score_course"] < found["test_score"]


def test_unknown_families_and_bad_weights_are_refused():
    for bad in ({"family": "cauchy"}, {"beta": -1.0}, {"scale": 0.0}, {"latent_dim": 0}):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            config(**bad)
