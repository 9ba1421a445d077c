"""The auto-encoder and what is measured beside it: same start as the auto-decoder, sound arithmetic, short runs."""

import dataclasses
import math

import pytest
import torch

from coursework.data import load
from coursework.errors import ConfigError
from coursework.experiments import ad, configure, evidence, missing_pixels, vad, vae
from coursework.experiments.trained import trained_decoder
from coursework.experiments.vae import trained_encoder
from coursework.metrics.reconstruction import mean_reconstruction, mse, pca_reconstruction
from coursework.models.vae import encoder_table
from coursework.runs import run

SMALL = {
    "dataset": "digits",
    "num_train": 120,
    "num_test": 30,
    "latent_dim": 8,
    "copies": 1,
    "epochs": 12,
    "channels": 4,
    "test_steps": 40,
    "seed": 3,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def _runs(folder, monkeypatch):
    monkeypatch.setenv("COURSEWORK_RUNS", str(folder))


def test_it_starts_from_the_auto_decoders_decoder():
    for start in ("pca", "random"):
        changes = SMALL | {"start": start}
        torch.manual_seed(5)
        theirs = vad.build(configure("vad-normal", "fast", **changes)).modules["decoder"]
        torch.manual_seed(5)
        ours = vae.build(configure("vae", "fast", **changes)).modules["decoder"]
        for name, tensor in theirs.state_dict().items():
            assert torch.equal(tensor, ours.state_dict()[name]), name


def test_what_belongs_to_a_table_cannot_be_set():
    for name in ("latent_rate", "table_mode", "init_scale", "settle_steps"):
        assert name in {field.name for field in dataclasses.fields(vad.Config)}
        with pytest.raises(ConfigError, match=f"unknown parameter '{name}'"):
            configure("vae", "fast", **{name: 1})


def test_a_counterpart_shares_all_it_can():
    config = configure("missing-pixels", "fast", latent_dim=7, beta=2.5, family="laplace")
    for cls in (ad.Config, vad.Config, vae.Config):
        other = vae.counterpart(config, cls, seed=9)
        assert type(other) is cls
        for field in dataclasses.fields(cls):
            if hasattr(config, field.name) and field.name != "seed":
                assert getattr(other, field.name) == getattr(config, field.name)
        assert other.seed == 9


def test_a_short_run_beats_pca_when_refined_and_its_parts_reload():
    config = configure("vae", "fast", **SMALL)
    found = run(config)
    train, test = load("digits", "train", n=120).images, load("digits", "test", n=30).images
    assert found.metrics["refined_mse"] < mse(test, pca_reconstruction(train, test, 8))
    assert found.metrics["refined_mse"] < found.metrics["test_mse"] < mse(test, mean_reconstruction(train, test))
    encoder, decoder = trained_encoder(found), trained_decoder(found)
    assert decoder.net.leak == config.leak_end
    locations = encoder_table(encoder, test / 255, 8).locations()
    torch.testing.assert_close(locations, found.arrays["test_latents"])
    with torch.no_grad():
        decoded = 255 * decoder(locations).mean.clamp(0, 1)
    torch.testing.assert_close(decoded, found.arrays["test_reconstructions"], atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize("model", ["ad", "vad", "vae", "vae-refined"])
def test_bounds_of_trained_models_are_in_order(model):
    found = run(configure("evidence", "fast", **SMALL, model=model, num_images=20, num_draws=200, scale=0.2)).metrics
    assert found["elbo"] < found["own_evidence"]
    assert found["kl"] > 0
    assert found["elbo"] == pytest.approx(found["log_likelihood"] - found["kl"])
    assert found["log_evidence"] > found["elbo"]
    assert 1 <= found["effective_draws"] <= 200
    by_hand = -32 * (found["distortion"] / 0.2**2 + math.log(2 * math.pi * 0.2**2))
    assert found["log_likelihood"] == pytest.approx(by_hand, rel=1e-6)


def test_missing_pixels_end_to_end():
    config = configure("missing-pixels", "fast", **SMALL, num_images=30, fractions=(0.2, 0.8))
    found = run(config)
    curves = missing_pixels.curves([found])
    assert set(curves) == set(missing_pixels.METHODS)
    assert (curves[missing_pixels.VAD] < curves[missing_pixels.MEAN])[0, 0]
    by_image = missing_pixels.samples([found])
    torch.testing.assert_close(by_image[missing_pixels.VAD].mean(0).float(), curves[missing_pixels.VAD][0])
    assert by_image[missing_pixels.VAD].shape == (30, 2)
    assert missing_pixels.samples([found, found])[missing_pixels.VAD].shape == (2, 2)
    x = load("digits", "test", n=30).images / 255
    _, hidden = missing_pixels.hide(x, 0.8, SMALL["seed"])
    mean = (load("digits", "train", n=120).images / 255).mean(0)
    by_hand = (x - mean).square()[hidden].mean().item()
    assert found.metrics["mean image/0.8/hidden"] == pytest.approx(by_hand, rel=1e-5)


def test_errors_are_split_by_the_mask():
    x, completed = torch.zeros(2, 2, 2), torch.tensor([[[1.0, 0], [0, 2]], [[0, 0], [3, 0]]])
    hidden = torch.tensor([[[True, False], [False, False]], [[False, False], [True, False]]])
    found = missing_pixels.image_errors(x, completed, hidden)
    assert found["hidden"].tolist() == [1.0, 9.0]
    assert found["full"].tolist() == [1.25, 2.25]


def curves(a, b):
    return {"a": torch.tensor(a), "b": torch.tensor(b)}


@pytest.mark.parametrize(
    ("a", "b", "from_"),
    [
        ([[3.0, 2.0, 1.0]] * 2, [[2.0, 2.5, 3.0]] * 2, 0.5),
        ([[1.0, 1.0, 1.0]] * 2, [[2.0, 2.0, 2.0]] * 2, 0.1),
        ([[1.0, 1.0, 2.0]] * 2, [[2.0, 2.0, 1.0]] * 2, None),
        ([[1.0, 3.0, 1.0]] * 2, [[2.0, 2.0, 2.0]] * 2, 0.9),
        ([[1.0, 1.0, 1.0], [1.0, 1.0, 3.0]], [[2.0, 2.0, 3.0], [2.0, 2.1, 2.0]], None),  # 0.5 ± 1.06
        ([[1.0, 3.0, 1.0], [1.0, 1.0, 1.0]], [[2.0, 2.0, 3.0], [2.1, 2.1, 2.9]], 0.9),
    ],
)
def test_where_one_beats_the_other(a, b, from_):
    assert missing_pixels.beaten_from(curves(a, b), "a", ["b"], (0.1, 0.5, 0.9)) == from_


@pytest.mark.parametrize("name", ["evidence", "missing-pixels"])
def test_no_more_images_than_are_held_out(name):
    config = configure(name, "fast", **SMALL, num_images=31)
    with pytest.raises(ConfigError, match="num_images = 31"):
        (evidence if name == "evidence" else missing_pixels).build(config)


def test_the_proposal_is_for_one_prior():
    with pytest.raises(ConfigError, match="family = 'laplace'"):
        evidence.build(configure("evidence", "fast", **SMALL, family="laplace", num_images=5))


def test_starts_are_ordered_as_they_must_be():
    found = run(configure("starts", "fast", **SMALL, num_images=20, num_starts=3)).metrics
    for kind in ("settled", "random"):
        assert found[f"{kind}/polished"] <= found[f"{kind}/best"] <= found[f"{kind}/one"]
        assert found[f"{kind}/spread"] > 0
    assert found["settled/one"] < found["random/one"]
    model = run(vae.counterpart(configure("starts", "fast", **SMALL), ad.Config))
    assert found["settled/one"] == pytest.approx(model.metrics["test_mse"], rel=0.3)


def test_models_at_equal_budget_are_measured_on_their_own_latents():
    from coursework.experiments.equal_budget import MODELS, measure

    config = configure("evidence", "fast", **SMALL, num_images=20, num_draws=200, scale=0.2)
    found = measure([config])
    assert set(found) == set(MODELS)
    own = run(vae.counterpart(config, vae.Config))
    assert found["VAE, encoder"][0]["score"] == own.metrics["test_score"]
    assert found["VAE, refined"][0]["score"] == own.metrics["refined_score"]
    assert found["VAE, encoder"][0]["nll"] == pytest.approx(found["VAE, refined"][0]["nll"], abs=1.0)  # one decoder
    train, test = (load("digits", split, n=n).labels for split, n in (("train", 120), ("test", 30)))
    distance = torch.cdist(own.arrays["test_latents"], own.arrays["train_latents"])
    votes = train[distance.topk(10, largest=False).indices].mode(1).values
    assert found["VAE, encoder"][0]["accuracy"] == pytest.approx((votes == test).double().mean().item())
    with pytest.raises(ConfigError, match="holdout = 'validation'"):
        measure([vae.counterpart(config, evidence.Config, holdout="validation")])
