"""Nets of equal size, the exact start, and a short run of all three."""

import numpy as np
import pytest
import torch

from coursework.derivations import composition_evidence as evidence
from coursework.derivations.linear_pieces import count_pieces, evaluate, triangle
from coursework.errors import ConfigError
from coursework.experiments import configure
from coursework.experiments.depth import build, nets_near, random_nets, shallow_width
from coursework.figures.networks import fits_and_errors
from coursework.runs import run


def count(nets):
    return sum(parameter[0].numel() for parameter in nets.parameters())


@pytest.mark.parametrize(("width", "depth"), [(8, 8), (5, 3), (4, 4)])
def test_equal_parameters(width, depth):
    generator = torch.Generator().manual_seed(0)
    deep = random_nets([1, *[width] * depth, 1], 2, generator)
    shallow = random_nets([1, shallow_width(width, depth), 1], 2, generator)
    assert count(deep) == count(shallow)


def test_a_size_without_a_counterpart_is_refused():
    with pytest.raises(ConfigError, match="width = 4, depth = 3"):
        shallow_width(4, 3)
    with pytest.raises(ConfigError, match="depth = 2"):
        build(configure("depth", powers=(3,), depth=2, width=3))


def test_without_noise_the_start_is_exact():
    nets = nets_near((1, 3, 5), 6, 5, 0.0, torch.Generator())
    x = torch.linspace(0, 1, 97)
    for row, power in zip(nets(x), (1, 3, 5), strict=True):
        torch.testing.assert_close(row, triangle(x, power), atol=1e-5, rtol=0)


def test_batched_nets_are_each_their_layers():
    nets = random_nets([1, 4, 3, 1], 3, torch.Generator().manual_seed(1))
    x = torch.linspace(0, 1, 11)
    for number, row in enumerate(nets(x)):
        torch.testing.assert_close(row, evaluate(nets.layers(number), x))


def test_a_short_run(runs_folder):
    found = run(configure("depth", "fast", powers=(1, 5), width=6, depth=5, num_steps=150))
    assert found.metrics["near_1"] < 1e-4 < found.metrics["deep_5"]
    assert found.metrics["shallow_1"] < found.metrics["shallow_1_start"]
    x = torch.linspace(0, 1, found.arrays["deep"].shape[1])
    error = ((found.arrays["near"][1] - triangle(x, 5)) ** 2).mean().item()
    assert error == pytest.approx(found.metrics["near_5"], rel=0.2)
    shallow = found.modules()["shallow"]
    assert count_pieces(shallow.layers(1)) <= shallow_width(6, 5) + 1
    table = evidence.trained_table([found])
    assert list(table["pieces"]) == ["2", "32"]
    assert evidence.smallest_error(found.config, 12) > evidence.smallest_error(found.config, 8) > 0


def test_the_figure_shows_fits_and_every_run():
    x = np.linspace(0, 1, 5)
    errors = {"one": {1: [0.1, 0.3], 2: [0.2, 0.2]}}
    figure = fits_and_errors(x, x, {"one": 1 - x}, errors, reference=0.5, reference_label="constant")
    fit, last = figure.axes
    assert fit.lines[1].get_ydata().tolist() == (1 - x).tolist()
    assert last.lines[0].get_ydata().tolist() == pytest.approx([0.2, 0.2])
    assert last.lines[1].get_xydata().tolist() == [[1, 0.1], [1, 0.3], [2, 0.2], [2, 0.2]]


def test_both_near_starts_are_one_start(runs_folder):
    found = run(configure("depth", "fast", powers=(2, 3), width=5, depth=4, num_steps=1))
    for power in (2, 3):
        assert found.metrics[f"near_{power}_start"] == found.metrics[f"near_large_{power}_start"]
        assert found.metrics[f"near_{power}"] != found.metrics[f"near_large_{power}"]
