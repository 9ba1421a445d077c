"""Configs: every field validated, for every experiment, whatever is thrown at it."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursework.errors import ConfigError
from coursework.experiments import EXPERIMENTS, PROFILES, configure
from coursework.experiments.registry import experiment_module, variation


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_of_every_experiment_is_valid_and_frozen(name, profile):
    config = configure(name, profile)
    assert type(config) is experiment_module(name).Config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize(
    "value", [True, "32", "true", None, math.nan, math.inf, -math.inf, -1, 10**9, 1.5, [1], "\u2028"]
)
def test_no_number_field_takes_what_is_not_its_kind(name, value):
    cls = experiment_module(name).Config
    for field in dataclasses.fields(cls):
        if type(field.default) not in (int, float) or value is None:
            continue
        fits = type(value) in (int, float) and not (type(field.default) is int and type(value) is float)
        if fits and math.isfinite(value) and value > 0:
            continue  # a positive number of the right kind may be in range
        if fits and value == -1:
            with pytest.raises(ConfigError, match=field.name):
                configure(name, **{field.name: value})
            continue
        with pytest.raises(ConfigError, match=field.name):
            configure(name, **{field.name: value})


@given(st.text(max_size=20))
def test_unknown_names_are_refused_with_the_known_ones(text):
    if text in {field.name for field in dataclasses.fields(experiment_module("ad").Config)}:
        return
    with pytest.raises(ConfigError, match="Known: dataset"):
        configure("ad", **{text: 1})


def test_a_slip_of_the_pen_gets_a_hint():
    with pytest.raises(ConfigError, match="did you mean 'latent_dim'"):
        configure("ad", latent_dims=3)
    with pytest.raises(ConfigError, match=r"widths = \(512, 0\) \(item 1\)"):
        configure("ad", widths=(512, 0))


def test_none_leaves_a_field_to_the_profile():
    assert configure("ad", "fast", epochs=None) == configure("ad", "fast")


def test_a_variation_changes_what_it_says_and_is_checked():
    base = configure("ad")
    assert variation(base, seed=3) == dataclasses.replace(base, seed=3)
    with pytest.raises(ConfigError, match="seed = -1"):
        variation(base, seed=-1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"linear": False}, "settle_steps = 40 with linear = False"), ({"linear": False, "hidden": "none"}, "no decoder")],
)
def test_parts_that_contradict_one_another_are_refused(changes, message):
    from coursework.experiments.ad import build

    with pytest.raises(ConfigError, match=message):
        build(configure("ad", "fast", dataset="digits", num_train=20, num_test=5, **changes))
