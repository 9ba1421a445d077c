"""Short runs on small digits: what is trained, what is recorded, what is refused; the same run after a break."""

import math

import pytest
import torch

from coursework.data import load
from coursework.data.binarise import drawn, prepare
from coursework.errors import ConfigError
from coursework.experiments import configure, mnist_vae, vae_study
from coursework.runs import run

SMALL = {
    "dataset": "digits",
    "num_train": 300,
    "num_test": 60,
    "latent_dim": 4,
    "architecture": "deep-tanh",
    "epochs": 30,
    "rate": 5e-3,
    "batch_size": 32,
    "num_draws": 50,
    "num_draw_images": 60,
    "seed": 3,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def _runs(folder, monkeypatch):
    monkeypatch.setenv("COURSEWORK_RUNS", str(folder))


def short(**changes):
    return configure("mnist-vae", "fast", **SMALL | changes)


def pixel_wise(binarisation="static"):
    """Minus log p(x) of held-out digits, every pixel an independent coin with the training images' mean."""
    train, test = load("digits", "train", n=300).images, load("digits", "test", n=60).images
    p = (train.float().mean(0) / 255).clamp(1e-3, 1 - 1e-3)
    x = drawn(prepare(test, binarisation, seed=1), binarisation)
    return -(x * p.log() + (1 - x) * (1 - p).log()).sum((1, 2)).mean().item()


def test_a_short_run_beats_independent_pixels_and_its_numbers_are_in_order():
    found = run(short())
    m = found.metrics
    assert m["nll"] < -m["elbo"] < pixel_wise() - 1
    assert m["elbo"] == pytest.approx(m["log_likelihood"] - m["kl"])
    assert m["kl"] > 0.5
    assert 0 < m["nll_error"] < m["nll_image_error"]
    assert -m["nll"] == pytest.approx(found.arrays["log_evidence"].mean().item(), rel=1e-5)


def test_the_curve_starts_at_independent_pixels_and_a_narrow_posterior_and_ends_at_the_bound():
    found = run(short())
    bounds = found.arrays["bounds"]
    assert bounds.shape == (31,)
    assert (bounds < 0).all()
    narrow = 4 * (-math.log(0.1) + (0.1**2 - 1) / 2)  # four coordinates a tenth as wide as the prior
    assert -bounds[0] == pytest.approx(pixel_wise() + narrow, rel=0.03)
    assert bounds[-1] == pytest.approx(found.metrics["elbo"], abs=1.5)
    assert found.arrays["shown_epochs"].tolist() == [0, 1, 2, 4, 8, 16, 30]
    modules = found.modules()
    with torch.no_grad():
        again = modules["decoder"](modules["progress"].z).mean
    torch.testing.assert_close(found.arrays["shown"][-1], again)
    assert not torch.allclose(found.arrays["shown"][0], again, atol=0.05)


def test_single_terms_do_what_they_say():
    both, reconstruction, regularisation = (
        run(short(terms=terms)).metrics for terms in ("both", "reconstruction", "regularisation")
    )
    assert reconstruction["log_likelihood"] > both["log_likelihood"]
    assert reconstruction["kl"] > 2 * both["kl"]
    assert regularisation["kl"] < 0.1 * both["kl"]
    assert regularisation["log_likelihood"] < both["log_likelihood"] - 1


def test_weighted_draws_set_in_after_the_plain_epochs():
    task = mnist_vae.build(short(num_samples=5, plain_epochs=2))
    player = task.players["vae"]
    index = torch.arange(32)
    for step, name in ((0, "elbo"), (19, "elbo"), (20, "bound")):
        player.before_step(step)
        assert name in player.loss(index)[1], step


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, {0: 1 / 150, 74: 0.5, 149: 1.0, 299: 1.0}),
        ({"num_samples": 5, "plain_epochs": 10}, {0: 0.02, 49: 1.0, 99: 1.0}),
    ],
)
def test_the_divergence_comes_in_over_half_of_the_plain_steps(changes, steps):
    player = mnist_vae.build(short(beta_warm_fraction=0.5, **changes)).players["vae"]
    for step, beta in steps.items():
        player.before_step(step)
        loss, terms = player.loss(torch.arange(32))
        assert loss.item() == pytest.approx(-(terms["log_likelihood"] - beta * terms["kl"]).mean().item())


def test_kept_draws_train_as_well():
    whole, kept = (run(short(num_samples=5, num_kept=k)).metrics["nll"] for k in (0, 2))
    assert kept == pytest.approx(whole, abs=0.6)
    assert max(whole, kept) < pixel_wise() - 1


def test_dynamic_and_static_are_measured_on_the_same_images():
    static, dynamic = short(), short(binarisation="dynamic")
    images = load("digits", "test", n=60).images
    assert torch.equal(mnist_vae.held_out_pixels(images, static), mnist_vae.held_out_pixels(images, dynamic))


def test_a_density_of_grey_pixels_is_trained():
    found = run(short(binarisation="grey", likelihood="continuous-bernoulli", epochs=8))
    assert math.isfinite(found.metrics["nll"])
    assert found.arrays["bounds"][-1] > found.arrays["bounds"][0] + 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"likelihood": "continuous-bernoulli"}, "binarisation = 'static': the likelihood 'continuous-bernoulli'"),
        ({"num_samples": 3, "num_kept": 4}, "num_kept = 4: of num_samples = 3"),
        ({"num_samples": 3, "terms": "reconstruction"}, "terms = 'reconstruction'"),
        ({"beta_warm_fraction": 0.5, "terms": "reconstruction"}, "beta_warm_fraction = 0.5.* terms = 'reconstruction'"),
        (
            {"beta_warm_fraction": 0.5, "num_samples": 3},
            "beta_warm_fraction = 0.5.* num_samples = 3 and plain_epochs = 0",
        ),
        ({"num_test": 400}, "num_test = 400.*need 400 images of the 355"),
        ({"holdout": "validation", "num_train": 1400}, "need 1460 images of the 1442"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        mnist_vae.build(short(**changes))


@pytest.mark.parametrize("wrong", [{"num_samples": 0}, {"num_draws": 0}, {"binarisation": "half"}, {"epochs": 0}])
def test_k_of_zero_and_unknown_values_are_refused_at_once(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        short(**wrong)


@pytest.mark.parametrize("profile", ["fast", "cpu", "full"])
def test_the_studys_configs_are_valid_and_fit_their_data(profile):
    base = vae_study.smaller_images(profile, vae_study.headline(profile, 1))
    configs = [base, *vae_study.long_runs(profile, 1).values(), *vae_study.long_runs(profile, 1, base.dataset).values()]
    for group in vae_study.comparisons(profile, base).values():
        configs += group.values()
    configs += vae_study.starts(profile, base).values()
    for config in configs:
        mnist_vae._check(config)
    assert len({repr(config) for config in configs}) >= 14


def test_profile_fast_takes_small_digits_unless_others_are_asked_for():
    for profile, given, taken in (
        ("fast", "mnist-5k", "digits"),
        ("fast", "fashion-mnist", "fashion-mnist"),
        ("cpu", "mnist-5k", "mnist-5k"),
        ("full", "mnist", "mnist"),
    ):
        assert vae_study.smaller_images(profile, vae_study.headline(profile, 0, dataset=given)).dataset == taken
