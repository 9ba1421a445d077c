"""The bound on shallow nets against fitted ones; memorised labels; weights for a loss; the experiment's tables."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from coursework.derivations import composition_evidence as evidence
from coursework.derivations.composition import line_error, shallow_error
from coursework.derivations.linear_pieces import triangle


@pytest.mark.parametrize("seed", range(10))
def test_no_fitted_shallow_net_beats_the_bound(seed):
    """Least squares over the outer weights of nets with random corners: the best that such corners can do."""
    rng = np.random.default_rng(seed)
    power = int(rng.integers(3, 7))
    width = int(rng.integers(1, 2 ** (power - 1)))
    x = (np.arange(4096) + 0.5) / 4096
    corners = rng.choice(2**power, size=width, replace=False) / 2**power
    features = np.column_stack([np.ones_like(x), x, np.maximum(x[:, None] - corners, 0)])
    y = triangle(torch.from_numpy(x), power).numpy()
    best = np.mean((features @ np.linalg.lstsq(features, y, rcond=None)[0] - y) ** 2)
    bound = float(shallow_error(torch.tensor(float(power)), torch.tensor(float(width))))
    assert best >= bound - 1e-4
    assert bound == pytest.approx((1 - Fraction(2 * width, 2**power)) / 12)


def test_the_bound_is_nothing_once_every_tooth_can_have_a_corner():
    assert float(shallow_error(torch.tensor(3.0), torch.tensor(9.0))) == 0


def test_no_line_on_a_tooth_beats_the_constant():
    grid = torch.linspace(-2, 2, 41, dtype=torch.float64)
    errors = torch.stack([torch.stack([line_error(a, b) for b in grid]) for a in grid])
    lowest = divmod(int(errors.argmin()), len(grid))
    assert (grid[lowest[0]].item(), grid[lowest[1]].item()) == pytest.approx((0.5, 0), abs=1e-9)
    assert float(errors.min()) == pytest.approx(1 / 12)


def test_labels_are_learnt_by_heart_and_not_beyond():
    for seed in range(3):
        training, fresh = evidence.learnt_by_heart(seed=seed)
        assert training == 1
        assert abs(fresh - 0.5) < 5 * 0.5 / math.sqrt(10_000)


def test_weights_for_a_loss():
    losses = [0.5, 1e-2, 1e-5]
    assert [math.log1p(math.exp(-w)) for w in evidence.weights_for(losses)] == pytest.approx(losses)


def test_size_table_and_exactness(monkeypatch):
    assert evidence.all_exact((1, 2, 4))
    rows = evidence.size_table((2, 4)).to_dict("records")
    assert [row["pieces"] for row in rows] == ["4", "16"]
    assert rows[1]["width, 1 layer"] == "≥ 15"
    disturbed = [(weight + 0.01, bias) for weight, bias in evidence.deep_sawtooth(2)]
    monkeypatch.setattr(evidence, "deep_sawtooth", lambda power: disturbed)
    assert not evidence.all_exact((2,))
