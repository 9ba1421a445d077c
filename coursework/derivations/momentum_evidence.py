"""Measured evidence for question D3: rates of iterates, iterations against the condition number, noise, overshoot."""

import math

import numpy as np
import pandas as pd

from coursework.derivations.quadratic_descent import METHODS, RATES, Method, noise_floor

ACCURACY = 1e-6
CONDITIONS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
_FIRST, _LAST = 200, 600
"""Where a rate is read off: after so many e-foldings, so that a factor that grows like k no longer counts."""


def random_hessian(rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
    """A random positive definite matrix, its smallest and its largest eigenvalue.

    2 to 10 rows, a condition number from 4 to 1000, the other eigenvalues anywhere between the ends, and axes in random
    directions.
    """
    dim = int(rng.integers(2, 11))
    smallest, condition = float(np.exp(rng.uniform(-2, 2))), float(np.exp(rng.uniform(math.log(4), math.log(1000))))
    values = smallest * np.concatenate([[1, condition], np.exp(rng.uniform(0, math.log(condition), dim - 2))])
    axes = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    return axes @ np.diag(values) @ axes.T, smallest, smallest * condition


def measured_rate(method: Method, hessian: np.ndarray, start: np.ndarray, rate: float) -> float:
    """Factor per iteration, between the points where `rate` predicts a fall by e^−200 and by e^−600.

    At the ends of the spectrum iterates fall like k ρ^k. Over this stretch the factor k changes the logarithm by
    log(3) / 400, about a quarter of a per cent; nothing is subtracted for it, nor for the phase of the oscillation.
    """
    first, last = (round(folds / -math.log(rate)) for folds in (_FIRST, _LAST))
    sizes = np.abs(method.iterates(hessian, start, last)).max(1)
    return math.exp(math.log(sizes[last] / sizes[first]) / (last - first))


def rate_errors(count: int, seed: int = 0, name: str = "heavy ball") -> np.ndarray:
    """Relative errors of log ρ, closed form against iterates, over random Hessians and starts: (count,).

    The logarithm is compared, since ρ itself is near one whatever the method.
    """
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(count):
        hessian, smallest, largest = random_hessian(rng)
        rate = RATES[name](largest / smallest)
        found = measured_rate(METHODS[name](smallest, largest), hessian, rng.standard_normal(len(hessian)), rate)
        errors.append(abs(math.log(found) / math.log(rate) - 1))
    return np.array(errors)


def iterations(name: str, condition: float, accuracy: float = ACCURACY) -> int:
    """Steps until the distance to the minimum is `accuracy` times the first one; curvatures 1 … κ, start (1, …, 1)."""
    values = np.geomspace(1, condition, 5)
    method = METHODS[name](1.0, condition)
    before = now = np.ones(len(values))
    target, count = accuracy * math.sqrt(len(values)), 0
    while now @ now > target**2:
        ahead = now + method.momentum * (now - before)
        before, now = now, ahead - method.step * values * (ahead if method.look_ahead else now)
        count += 1
    return count


def iteration_counts() -> dict[str, np.ndarray]:
    """Method → steps for each of `CONDITIONS`."""
    return {name: np.array([iterations(name, kappa) for kappa in CONDITIONS]) for name in METHODS}


def slopes(counts: dict[str, np.ndarray], smallest: float = 100.0) -> dict[str, float]:
    """Method → exponent p of count ∝ κ^p, fitted over the condition numbers from `smallest` on."""
    kept = np.array(CONDITIONS) >= smallest
    logs = np.log(np.array(CONDITIONS)[kept])
    return {name: float(np.polyfit(logs, np.log(values[kept]), 1)[0]) for name, values in counts.items()}


def rate_table(condition: float = 100.0) -> pd.DataFrame:
    """Rate of each method at one condition number: closed form, spectral radius, iterates; and steps to `ACCURACY`."""
    rows = []
    hessian = np.diag(np.geomspace(1, condition, 5))
    for name, make in METHODS.items():
        method, rate = make(1.0, condition), RATES[name](condition)
        rows.append(
            {
                "method": name,
                "closed form": f"{rate:.4f}",
                "spectral radius": f"{method.spectral_radius(np.geomspace(1, condition, 200)):.4f}",
                "iterates": f"{measured_rate(method, hessian, np.ones(5), rate):.4f}",
                "steps": str(iterations(name, condition)),
            }
        )
    return pd.DataFrame(rows)


def noise_table(seed: int = 0, *, step: float = 0.2, momentum: float = 0.9, chains: int = 20_000) -> pd.DataFrame:
    """Stationary variance with unit gradient noise and unit curvature: closed form, and many simulated chains.

    Heavy ball is run with the step of descent, and with the step that moves as far in the long run, η(1 − β).
    """
    cases = {
        "gradient descent": (step, 0.0),
        "heavy ball, same step": (step, momentum),
        "heavy ball, same effective step": (step * (1 - momentum), momentum),
    }
    rng = np.random.default_rng(seed)
    rows = []
    for name, (eta, beta) in cases.items():
        before = now = np.zeros(chains)
        for _ in range(300):
            slope = now + rng.standard_normal(chains)
            before, now = now, now + beta * (now - before) - eta * slope
        rows.append(
            {
                "iteration": name,
                "step": f"{eta:g}",
                "momentum": f"{beta:g}",
                "closed form": f"{noise_floor(eta, beta, 1.0, 1.0):.3f}",
                "simulated": f"{now.var():.3f}",
                "standard error": f"{now.var() * math.sqrt(2 / chains):.3f}",
            }
        )
    return pd.DataFrame(rows)


def flat_directions(seed: int = 0, dim: int = 6, rank: int = 3) -> pd.DataFrame:
    """Where each method ends on ½xᵀHx with a singular H, from rest at a random point; and heavy ball with a push.

    Compared with the start projected on the null space: the minimiser nearest to the start.
    """
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    values = np.array([1.0, 4.0, 20.0][:rank])
    hessian = axes[:, :rank] @ np.diag(values) @ axes[:, :rank].T
    start, push = rng.standard_normal(dim), rng.standard_normal(dim)
    nearest = axes[:, rank:] @ (axes[:, rank:].T @ start)
    rows = []
    for name, make in METHODS.items():
        end = make(values[0], values[-1]).iterates(hessian, start, 400)[-1]
        rows.append((f"{name}, from rest", end))
    ball = METHODS["heavy ball"](values[0], values[-1])
    pushed = _pushed(ball, hessian, start, push)
    rows.append(("heavy ball, with a push", pushed))
    return pd.DataFrame(
        [
            {
                "iteration": name,
                "at a minimum": "yes" if end @ hessian @ end < ACCURACY**2 else "no",
                "distance to nearest minimiser": f"{np.abs(end - nearest).max():.4f}",
            }
            for name, end in rows
        ]
    )


def _pushed(method: Method, hessian: np.ndarray, start: np.ndarray, push: np.ndarray) -> np.ndarray:
    before, now = start - push, start
    for _ in range(400):
        before, now = now, now + method.momentum * (now - before) - method.step * hessian @ now
    return now


def flat_bottom(num_steps: int = 200, step: float = 0.3, momentum: float = 0.8, start: float = 3.0) -> dict[str, float]:
    """Method → where it ends on max(0, x − 1)² / 2, whose minimisers are all x ≤ 1."""
    ends = {}
    for name, beta in {"gradient descent": 0.0, "heavy ball": momentum}.items():
        before = now = start
        for _ in range(num_steps):
            before, now = now, now + beta * (now - before) - step * max(0.0, now - 1)
        ends[name] = now
    return ends


def paths(condition: float = 40.0, num_steps: int = 60, momentum: float = 0.9) -> dict[str, np.ndarray]:
    """Gradient descent, heavy ball, and heavy ball with more momentum than is best, in the plane: (step, 2) each."""
    hessian, start = np.diag([1.0, condition]), np.array([-1.0, 0.25])
    methods = {name: METHODS[name](1.0, condition) for name in ("gradient descent", "heavy ball")}
    methods["more momentum"] = Method(1 / condition, momentum)
    return {name: method.iterates(hessian, start, num_steps) for name, method in methods.items()}
