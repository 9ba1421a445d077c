"""Evidence for question D1: pieces counted exactly, trained nets compared, and what the theorem is silent about."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from coursework.derivations.composition import shallow_error
from coursework.derivations.linear_pieces import (
    count_parameters,
    count_pieces,
    count_units,
    deep_sawtooth,
    evaluate,
    shallow_sawtooth,
    smallest_width,
    triangle,
)
from coursework.experiments.depth import Config, shallow_width
from coursework.runs import Run

POWERS = (1, 2, 3, 5, 8, 10)
KNOWING_NOTHING = 1 / 12
"""Mean squared error of the constant 1/2 on the sawtooth: the variance of a uniform value."""

STARTS = {"shallow": "shallow", "deep": "deep", "near": "deep, near", "near_large": "deep, near, large steps"}


def size_table(powers: Sequence[int] = POWERS) -> pd.DataFrame:
    """Both hand-set nets for each power: pieces counted in exact arithmetic, hidden units and parameters."""
    rows = []
    for power in powers:
        deep, shallow = deep_sawtooth(power), shallow_sawtooth(power)
        rows.append(
            {
                "k": f"{power}",
                "pieces": f"{count_pieces(deep):,}",
                "width, 1 layer": f"≥ {smallest_width(2**power, 1):,}",
                "parameters, 1 layer": f"{count_parameters(shallow):,}",
                "units, k layers": f"{count_units(deep):,}",
                "parameters, k layers": f"{count_parameters(deep):,}",
            }
        )
    return pd.DataFrame(rows)


def all_exact(powers: Sequence[int] = POWERS) -> bool:
    """Whether both nets have the very values of the composed map, without any rounding, and the deep one 2^k pieces.

    The points are eighths and quarters of every piece and its ends, which double precision holds exactly.
    """
    verdicts = []
    for power in powers:
        x = torch.arange(2 ** (power + 3) + 1, dtype=torch.float64) / 2 ** (power + 3)
        nets = (deep_sawtooth(power), shallow_sawtooth(power))
        verdicts += [torch.equal(evaluate(layers, x), triangle(x, power)) for layers in nets]
        verdicts.append(count_pieces(nets[0]) == 2**power)
    return all(verdicts)


def trained_errors(runs: Sequence[Run]) -> dict[str, dict[int, list[float]]]:
    """Start → power → mean squared errors after training, one per run."""
    powers = runs[0].config.powers
    return {start: {power: [run.metrics[f"{start}_{power}"] for run in runs] for power in powers} for start in STARTS}


def trained_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Mean squared error after training by power: mean over the runs, in brackets their range."""
    errors = trained_errors(runs)
    rows = []
    for power in runs[0].config.powers:
        cells = {label: _cell(errors[start][power]) for start, label in STARTS.items()}
        rows.append({"k": f"{power}", "pieces": f"{2**power}", **cells})
    return pd.DataFrame(rows)


def smallest_error(config: Config, power: int) -> float:
    """What no shallow net of the experiment's size goes below on the power-fold map."""
    width = shallow_width(config.width, config.depth)
    return float(shallow_error(torch.tensor(float(power)), torch.tensor(float(width))))


def learnt_by_heart(count: int = 200, seed: int = 0) -> tuple[float, float]:
    """Accuracy on the training points and on fresh ones, of a net with one hidden layer, fitted to coin tosses.

    The points are drawn from 0…1, the labels ±1 at random. The net is the exact interpolant: one corner per point.
    """
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(size=count))
    y = rng.choice([-1.0, 1.0], size=count)
    slopes = np.diff(y) / np.diff(x)
    turns = np.diff(slopes, prepend=0.0)

    def net(places: np.ndarray) -> np.ndarray:
        return y[0] + np.maximum(places[:, None] - x[:-1], 0) @ turns

    fresh, labels = rng.uniform(size=50 * count), rng.choice([-1.0, 1.0], size=50 * count)
    return float(np.mean(np.sign(net(x)) == y)), float(np.mean(np.sign(net(fresh)) == labels))


def weights_for(losses: Sequence[float]) -> list[float]:
    """The weight at which the cross-entropy of one example that is on the right side has come down to each loss."""
    return [-float(np.log(np.expm1(loss))) for loss in losses]


def _cell(values: Sequence[float]) -> str:
    mean, low, high = (f"{value:.3f}" for value in (np.mean(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low}–{high})"
