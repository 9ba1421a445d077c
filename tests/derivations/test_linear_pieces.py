"""Exact counts of pieces against slopes on a fine grid, hand-set nets against the composed map."""

from fractions import Fraction
from itertools import pairwise

import pytest
import torch

from coursework.derivations.linear_pieces import (
    count_parameters,
    count_pieces,
    count_units,
    deep_sawtooth,
    evaluate,
    linear_pieces,
    most_pieces,
    shallow_sawtooth,
    smallest_width,
    triangle,
)


def random_net(sizes, seed):
    """Weights that are multiples of 1/8, so that corners are well apart and slopes exact."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randint(-16, 17, shape, generator=generator).double() / 8

    return [(draw(after, before), draw(after)) for before, after in pairwise(sizes)]


def triangle_in_fractions(x, power):
    for _ in range(power):
        x = 2 * x if x <= Fraction(1, 2) else 2 - 2 * x
    return x


@pytest.mark.parametrize("power", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("make", [deep_sawtooth, shallow_sawtooth])
def test_hand_set_nets_are_the_composed_map(make, power):
    places = [Fraction(i, 3 * 2**power) for i in range(3 * 2**power + 1)]
    expected = [float(triangle_in_fractions(place, power)) for place in places]
    found = evaluate(make(power), torch.tensor([float(place) for place in places], dtype=torch.float64))
    assert found.tolist() == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("power", [1, 2, 4, 6])
@pytest.mark.parametrize("make", [deep_sawtooth, shallow_sawtooth])
def test_pieces_double_with_each_composition(make, power):
    pieces = linear_pieces(make(power))
    assert len(pieces) == 2**power
    assert [low for low, _, _ in pieces] == [Fraction(j, 2**power) for j in range(2**power)]
    assert [line[0] for _, _, line in pieces] == [(-1) ** j * 2**power for j in range(2**power)]


@pytest.mark.parametrize("seed", range(20))
def test_counts_of_random_nets_against_slopes_between_grid_points(seed):
    """Slopes between neighbours of a fine grid change at every corner; runs of equal slopes are the pieces."""
    net = random_net([1, 3, 3, 1], seed)
    pieces = linear_pieces(net)
    corners = [float(low) for low, _, _ in pieces]
    assert count_pieces(net) == len(pieces) <= most_pieces([3, 3])
    step = min(float(high - low) for low, high, _ in pieces) / 4
    if step < 1e-5:
        pytest.skip("a piece too short for the grid")
    x = torch.linspace(0, 1, int(1 / step) + 2, dtype=torch.float64)
    y = evaluate(net, x)
    slopes = (y.diff() / x.diff()).tolist()
    whole = [
        slope
        for slope, low, high in zip(slopes, x.tolist(), x[1:].tolist(), strict=False)
        if not any(low - 1e-9 < corner < high + 1e-9 for corner in corners[1:])
    ]
    assert 1 + sum(abs(one - other) > 1e-6 for one, other in pairwise(whole)) == len(pieces)


@pytest.mark.parametrize("seed", range(20))
def test_lines_of_random_nets_are_their_values(seed):
    net = random_net([1, 4, 2, 1], seed)
    for low, high, (slope, start) in linear_pieces(net):
        middle = (low + high) / 2
        value = evaluate(net, torch.tensor([float(middle)], dtype=torch.float64)).item()
        assert value == pytest.approx(float(slope * middle + start), abs=1e-9)


def test_a_net_without_corners_is_one_piece_and_equal_lines_merge():
    weight, one = torch.tensor([[1.0], [1.0]]), torch.ones(1, 2)
    assert count_pieces([(weight, torch.tensor([1.0, 2.0])), (one, torch.zeros(1))]) == 1
    cancelled = torch.tensor([[1.0, -1.0]])
    assert count_pieces([(weight, torch.tensor([-0.5, -0.5])), (cancelled, torch.zeros(1))]) == 1


def test_sizes():
    assert count_units(deep_sawtooth(5)) == 10
    assert count_parameters(deep_sawtooth(5)) == 6 * 5 + 1
    assert count_parameters(shallow_sawtooth(5)) == 3 * 2**5 + 1
    for depth in (1, 2, 3):
        width = smallest_width(500, depth)
        assert (width + 1) ** depth >= 500 > width**depth


def test_triangle_is_the_map():
    x = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    assert triangle(x).tolist() == [0, 0.5, 1, 0.5, 0]
    assert triangle(x, 2).tolist() == [0, 1, 0, 1, 0]
