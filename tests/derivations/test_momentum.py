"""Question D3: iterates by hand, rates against iterates, noise against simulation, and where the methods end."""

import itertools
import math

import numpy as np
import pytest

from coursework.derivations import momentum_evidence as evidence
from coursework.derivations.quadratic_descent import METHODS, RATES, Method, noise_floor
from coursework.figures.momentum import descent_paths, iterations_against_condition


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("condition", [3.0, 40.0, 900.0])
def test_closed_rate_is_the_spectral_radius_by_eigenvalues(name, condition):
    method = METHODS[name](2.0, 2 * condition)
    roots = [np.linalg.eigvals(method.matrix(value)) for value in 2 * np.geomspace(1, condition, 60)]
    largest = np.abs(roots).max()
    assert RATES[name](condition) == pytest.approx(largest, abs=1e-6)  # eigvals is good to 1e-8 at a double root
    assert method.spectral_radius(2 * np.geomspace(1, condition, 60)) == pytest.approx(largest, abs=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_iterates_against_autograd_steps(name):
    import torch

    hessian, start = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -2.0])
    method = METHODS[name](*np.linalg.eigvalsh(hessian))
    x = torch.tensor(start, requires_grad=True)
    options = {"momentum": method.momentum, "nesterov": method.look_ahead}
    optimizer = torch.optim.SGD([x], lr=method.step, **(options if method.momentum else {}))
    ours = method.iterates(hessian, start, 12)
    seen = [start]
    for _ in range(12):
        optimizer.zero_grad()
        (x @ torch.tensor(hessian) @ x / 2).backward()
        optimizer.step()
        seen.append(x.detach().numpy().copy())
    if method.look_ahead:  # torch keeps the looked-ahead point as its parameter
        ahead = [now + method.momentum * (now - before) for before, now in itertools.pairwise(ours)]
        np.testing.assert_allclose(ahead, seen[1:], rtol=1e-10)
    else:
        np.testing.assert_allclose(ours, seen, rtol=1e-10)


def test_heavy_ball_rates_of_fifty_random_quadratics_within_one_per_cent():
    errors = evidence.rate_errors(50, seed=11)
    assert errors.shape == (50,)
    assert errors.max() < 0.01


@pytest.mark.parametrize("name", ["gradient descent", "Nesterov"])
def test_rates_of_the_other_methods(name):
    assert evidence.rate_errors(5, seed=2, name=name).max() < 0.01


def test_a_wrong_rate_would_be_seen(monkeypatch):
    monkeypatch.setitem(evidence.RATES, "heavy ball", RATES["Nesterov"])
    assert evidence.rate_errors(5, seed=2).min() > 0.02


def test_no_parameters_beat_the_best_ones():
    rng = np.random.default_rng(0)
    curvatures = [1.0, 7.0, 25.0]
    best = RATES["heavy ball"](25.0)
    for _ in range(500):
        assert Method(rng.uniform(0, 0.2), rng.uniform(0, 1)).spectral_radius(curvatures) >= best - 1e-12


def test_iterations_grow_like_the_condition_number_and_its_root():
    counts = {name: np.array([evidence.iterations(name, kappa) for kappa in (100.0, 400.0)]) for name in METHODS}
    ratios = {name: values[1] / values[0] for name, values in counts.items()}
    assert ratios["gradient descent"] == pytest.approx(4, rel=0.02)
    assert 1.8 < ratios["heavy ball"] < 2.4
    assert 1.8 < ratios["Nesterov"] < 2.4
    assert counts["gradient descent"][0] == pytest.approx(math.log(1e-6 / math.sqrt(2 / 5)) / math.log(99 / 101), abs=3)
    fake = {"x": np.array(evidence.CONDITIONS) ** 1.5}
    assert evidence.slopes(fake)["x"] == pytest.approx(1.5)


def test_noise_against_simulation_and_momentum_raises_it():
    table = evidence.noise_table(seed=5, chains=10_000)
    gaps = (table["closed form"].astype(float) - table["simulated"].astype(float)).abs()
    assert (gaps < 5 * table["standard error"].astype(float) + 1e-3).all()
    plain, same_step, same_pace = (float(value) for value in table["closed form"])
    assert same_step > 8 * plain
    assert 0.85 * plain < same_pace < plain
    assert noise_floor(0.3, 0.0, 2.0, 1.5) == pytest.approx(0.3 * 1.5**2 / (2 * (2 - 0.6)))


def test_from_rest_all_end_at_the_nearest_minimiser():
    table = evidence.flat_directions(seed=4)
    assert (table["at a minimum"] == "yes").all()
    far = table["distance to nearest minimiser"].astype(float)
    assert (far[:3] == 0).all()
    assert far[3] > 0.1


def test_on_a_flat_bottom_momentum_coasts():
    ends = evidence.flat_bottom()
    assert ends["gradient descent"] == pytest.approx(1, abs=1e-6)
    assert ends["heavy ball"] < 0.5


def test_overshoot_and_figures():
    paths = evidence.paths()
    assert paths["more momentum"][:, 0].max() > 0.3
    assert paths["heavy ball"][:, 0].max() < 1e-3
    figure = descent_paths(paths, (1.0, 40.0))
    for line, path in zip(figure.axes[0].lines, paths.values(), strict=True):
        np.testing.assert_allclose(line.get_xydata(), path)
    counts = {"a": np.array([3, 9]), "b": np.array([2, 4])}
    figure = iterations_against_condition([10.0, 100.0], counts)
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[3, 9], [2, 4]]
    assert (figure.axes[0].get_xscale(), figure.axes[0].get_yscale()) == ("log", "log")
