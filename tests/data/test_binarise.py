"""Four binarisations: what stays, what is drawn, and what is refused."""

import pytest
import torch

from coursework.data.binarise import BINARISATIONS, check_pixels, drawn, prepare
from coursework.errors import ConfigError, DataError


@pytest.fixture
def images():
    return torch.arange(256, dtype=torch.uint8).repeat(200, 1).view(200, 16, 16)


def test_static_and_dynamic_draw_with_the_grey_value_as_probability(images):
    for how in ("static", "dynamic"):
        x = drawn(prepare(images, how, seed=3), how)
        assert set(x.unique().tolist()) == {0.0, 1.0}
        share = x.mean(0).flatten()
        p = torch.arange(256) / 255
        error = (p * (1 - p) / 200).sqrt()
        assert ((share - p).abs() <= 4.5 * error).all()


def test_static_is_one_draw_and_dynamic_is_not(images):
    fixed = prepare(images, "static", seed=3)
    assert torch.equal(fixed, prepare(images, "static", seed=3))
    assert not torch.equal(fixed, prepare(images, "static", seed=4))
    assert torch.equal(drawn(fixed, "static"), drawn(fixed, "static"))
    kept = prepare(images, "dynamic")
    assert not torch.equal(drawn(kept, "dynamic"), drawn(kept, "dynamic"))


@pytest.mark.parametrize("count", [1, 7, 199])
def test_fewer_images_are_the_beginning_of_more(images, count):
    assert torch.equal(prepare(images[:count], "static"), prepare(images, "static")[:count])


def test_threshold_and_grey_draw_nothing(images):
    before = torch.get_rng_state()
    assert drawn(prepare(images, "threshold"), "threshold")[0].flatten().tolist() == [0.0] * 128 + [1.0] * 128
    assert torch.equal(drawn(prepare(images, "grey"), "grey"), images / 255)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_binarisation_is_named(images):
    with pytest.raises(ConfigError, match="Did you mean 'static'"):
        prepare(images, "statik")
    assert "static" in BINARISATIONS


def test_scaled_images_are_not_binarised(images):
    with pytest.raises(DataError, match="float32"):
        prepare(images / 255, "static")


@pytest.mark.parametrize(
    ("x", "range_"), [([-0.42, 2.8], "-0.42 to 2.8"), ([0.0, 255.0], "0 to 255"), ([0.5, float("nan")], "nan")]
)
def test_pixels_outside_the_range_are_refused(x, range_):
    with pytest.raises(DataError, match=range_):
        check_pixels(torch.tensor(x))


def test_pixels_inside_pass():
    check_pixels(torch.tensor([0.0, 0.3, 1.0]), "continuous-bernoulli")
    with pytest.raises(ConfigError, match="likelihood"):
        check_pixels(torch.tensor([0.0]), "gaussian")
