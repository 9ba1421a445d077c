"""The experiment end to end on a packaged data set, and settings that contradict one another."""

import pytest

from coursework.data import load
from coursework.errors import ConfigError
from coursework.experiments.flow import trained_flow
from coursework.experiments.registry import configure
from coursework.objectives.bits import tightened_bits
from coursework.runs import run

SMALL = {"dataset": "digits", "num_train": 800, "num_validation": 200, "num_test": 100, "num_curve": 100}


@pytest.mark.parametrize(
    "choice", [{}, {"kind": "conv"}, {"kind": "levels"}, {"noise": "variational", "pixels": "logit"}]
)
def test_training_lowers_the_curve_and_the_run_can_be_reloaded(choice, runs_folder):
    config = configure("flow", "fast", **SMALL, **choice)
    finished = run(config)
    curve = finished.arrays["curve"]
    assert len(curve) == config.epochs + 1
    assert curve[-1] < curve[0]
    assert 0 < finished.metrics["test_bits_tight"] <= finished.metrics["test_bits"] < 8
    flow, dequantiser = trained_flow(finished)
    bound, _ = tightened_bits(flow, dequantiser, load("digits", "test", n=100).images, 2)
    assert bound.mean().item() == pytest.approx(finished.metrics["test_bits"], abs=0.05)


def test_more_rows_than_the_file_has_are_refused(runs_folder):
    with pytest.raises(ConfigError, match="num_validation = 1000"):
        run(configure("flow", "fast", dataset="digits", num_train=1000, num_validation=1000, num_test=10))
