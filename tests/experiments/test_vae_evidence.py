"""Tables of the page on variational auto-encoders, on runs small enough for a test."""

import math

import pytest
import torch

from coursework.experiments import configure
from coursework.experiments import vae_evidence as evidence
from coursework.runs import run

SMALL = {
    "dataset": "digits",
    "num_train": 200,
    "num_test": 40,
    "architecture": "deep-tanh",
    "epochs": 30,
    "rate": 5e-3,
    "batch_size": 32,
    "num_draws": 200,
    "num_draw_images": 40,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("COURSEWORK_RUNS", str(tmp_path_factory.mktemp("runs")))
    found = {size: run(configure("mnist-vae", "fast", **SMALL, latent_dim=size)) for size in (2, 6)}
    yield found
    patch.undo()


def test_pixels_are_those_that_were_measured(runs):
    found = runs[6]
    torch.testing.assert_close(evidence.pixels(found.config)[:10], found.arrays["originals"])


def test_bounds_are_shown_with_their_pixels_and_spread(runs):
    frame = evidence.bound_table({"two": list(runs.values()), "one": [runs[6]]})
    assert list(frame["pixels"]) == ["static", "static"]
    assert frame["−bound"][1] == f"{-runs[6].metrics['elbo']:.2f}"
    mean = -(runs[2].metrics["elbo"] + runs[6].metrics["elbo"]) / 2
    assert frame["−bound"][0].startswith(f"{mean:.2f} ± ")


def test_averages_over_the_prior_fall_short_and_come_closer(runs):
    found = evidence.prior_shortfalls(runs, [1, 30, 3000], seed=0)
    for values in found.values():
        assert values[0] > values[1] > values[2] > -1.0
    table = evidence.shortfall_table(found, [1, 30, 3000])
    assert list(table["latent size"]) == ["2", "6"]
    assert table["n = 1"][0] == f"{found[2][0]:.1f}"
    assert list(table.columns) == ["latent size", "n = 1", "n = 3,000", "needed"]


def test_needed_draws_grow_with_the_size_on_the_exact_model():
    numbers = [1, 10, 100, 1000, 10_000]
    found = evidence.needed(evidence.toy_shortfalls((1, 2, 4), numbers, seed=0), numbers)
    assert 1 <= found[1] < found[2] < found[4] < 10_000
    growth = (found[4] / found[1]) ** (1 / 3)
    assert evidence.predicted_growth() < growth < 3 * evidence.predicted_growth()
    assert evidence.predicted_growth() == pytest.approx(1.25 / (0.5 * 1.5))


def test_the_exact_model_confirms_bounds_and_sampling():
    frame, found = evidence.linear_gaussian_check(seed=0, num_images=60)
    assert found["distance"] < 3
    assert found["rising"] == 1.0
    nats = frame["nats"].astype(float)
    errors = frame["error"].astype(float)
    assert abs(nats[0] - nats[1]) < 4 * errors[1]  # the bound is the evidence less the divergence
    assert nats[0] < nats[3] < nats[5] + 3 * errors[3]


def test_the_score_function_is_noisier(runs):
    frame = evidence.gradient_noise(runs, seed=0, num_images=4, num_draws=300)
    assert (frame["draws"] > 3).all()
    assert (frame["score function"] > frame["score function, baseline"]).all()
    assert frame["draws"][0] == pytest.approx(frame["score function, baseline"][0] / frame["pathwise"][0])


def test_measured_variances_are_the_derived_ones():
    frame = evidence.toy_variances((0.3, 1.0), seed=1)
    for measured, derived, tolerance in (
        ("pathwise, measured", "derived", 0.03),
        ("score function, measured", "derived ", 0.06),
    ):
        assert frame[measured].astype(float).tolist() == pytest.approx(
            frame[derived].astype(float).tolist(), rel=tolerance
        )


def test_examples_of_divergences_are_the_integrals():
    frame = evidence.divergence_examples().set_index("q and p")
    assert float(frame.loc["N(10, 1) and N(0, 1)", "KL(q‖p)"]) == 50
    assert float(frame.loc["N(0, 1) and N(0, 1.1²)", "KL(q‖p)"]) == pytest.approx(math.log(1.1) - 0.21 / 2.42, rel=1e-3)
    wide = frame.loc["N(0, 1) and N(0, 10²)"].astype(float)
    assert wide["KL(p‖q)"] > 10 * wide["KL(q‖p)"]
