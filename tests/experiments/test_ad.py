"""The auto-decoder's settings: what contradicts the data or itself is refused before anything is trained."""

import pytest

from coursework.errors import ConfigError
from coursework.experiments import configure
from coursework.experiments.ad import build


def digits(**changes):
    return configure("ad", "fast", **{"dataset": "digits", "num_train": 50, "num_test": 20, "latent_dim": 8} | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latent_dim": 65}, "latent_dim = 65: an image of digits has 64 pixels"),
        ({"holdout": "validation", "num_train": 1700, "num_test": 1700}, "need 3400 images of the 1442"),
        ({"hidden": "none", "linear": False}, "leaves no decoder"),
        ({"linear": False, "settle_steps": 3}, "settle_steps = 3"),
    ],
)
def test_settings_that_cannot_be_met(changes, said):
    with pytest.raises(ConfigError, match=said):
        build(digits(**changes))


def test_as_many_coordinates_as_pixels_are_allowed():
    assert build(digits(latent_dim=64, copies=0)).num_steps > 0
