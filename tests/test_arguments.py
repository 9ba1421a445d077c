"""From the words of a command line to values."""

import pytest

from coursework.arguments import parse_value, run_config, sweep_options
from coursework.errors import ConfigError
from coursework.experiments import configure


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("32", 32),
        ("-1", -1),
        ("0", 0),
        ("1e-3", 1e-3),
        ("0.5", 0.5),
        ("true", True),
        ("None", None),
        ("normal", "normal"),
    ],
)
def test_values_are_read_as_they_look(text, value):
    parsed = parse_value("name", text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ["007", "-01", "1_000"])
def test_odd_numbers_are_refused(text):
    with pytest.raises(ConfigError, match="leading zeros"):
        parse_value("name", text)


def test_a_run_is_the_config_that_the_same_words_make_in_python():
    words = ["vae", "--profile", "fast", "--family", "laplace", "--latent-dim=8", "--widths", "32", "16"]
    assert run_config(words) == configure("vae", "fast", family="laplace", latent_dim=8, widths=(32, 16))


def test_a_value_out_of_range_is_refused_when_it_is_read():
    with pytest.raises(ConfigError, match="latent_dim = 0"):
        run_config(["ad", "--latent-dim", "0"])


def test_axes_are_values_of_the_fields_types():
    options = sweep_options(["ad", "--widths", "64", "64,32", "--rate", "1e-3", "--profile", "fast"])
    assert options.axes == {"widths": [(64,), (64, 32)], "rate": [1e-3]}
    assert (options.experiment, options.profile, options.workers) == ("ad", "fast", None)
