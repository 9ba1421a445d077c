"""Gradient descent, heavy ball and Nesterov's method on a quadratic: parameters, iteration matrices, iterates."""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Method:
    """One iteration: x_{k+1} = x_k + β (x_k − x_{k−1}) − η ∇f, the gradient at x_k or, looking ahead, after the β term.

    Attributes:
        step: η.
        momentum: β, the share of the last displacement that is repeated; 0 for plain descent.
        look_ahead: whether the gradient is taken after that displacement (Nesterov) or before it (heavy ball).
    """

    step: float
    momentum: float = 0.0
    look_ahead: bool = False

    def matrix(self, curvature: float) -> np.ndarray:
        """What takes (x_k, x_{k−1}) to (x_{k+1}, x_k) along an eigenvector of the Hessian with this eigenvalue."""
        keep = 1 - self.step * curvature
        if self.look_ahead:
            return np.array([[(1 + self.momentum) * keep, -self.momentum * keep], [1.0, 0.0]])
        return np.array([[keep + self.momentum, -self.momentum], [1.0, 0.0]])

    def spectral_radius(self, curvatures: Iterable[float]) -> float:
        """The largest modulus of an eigenvalue of `matrix` over the Hessian's eigenvalues: the asymptotic rate."""
        return max(_largest_root(self.matrix(value)) for value in curvatures)

    def iterates(self, hessian: np.ndarray, start: np.ndarray, num_steps: int) -> np.ndarray:
        """x_0 … x_K for f(x) = xᵀ H x / 2, from rest: (K + 1, dim)."""
        out = np.empty((num_steps + 1, len(start)))
        out[0] = before = now = start
        for k in range(num_steps):
            ahead = now + self.momentum * (now - before)
            slope = hessian @ (ahead if self.look_ahead else now)
            before, now = now, ahead - self.step * slope
            out[k + 1] = now
        return out


def _largest_root(matrix: np.ndarray) -> float:
    """Largest modulus of the roots of z² − trace·z + determinant: from the coefficients, exact at a double root too."""
    half, product = (matrix[0, 0] + matrix[1, 1]) / 2, float(np.linalg.det(matrix))
    gap = half**2 - product
    return math.sqrt(product) if gap <= 0 else abs(half) + math.sqrt(gap)


def gradient_descent(smallest: float, largest: float) -> Method:
    """Plain descent with the best constant step for curvatures in this range: 2 / (μ + L)."""
    return Method(2 / (smallest + largest))


def heavy_ball(smallest: float, largest: float) -> Method:
    """Polyak's method with its best parameters: η = 4 / (√L + √μ)², β = ((√L − √μ) / (√L + √μ))²."""
    low, high = math.sqrt(smallest), math.sqrt(largest)
    return Method(4 / (high + low) ** 2, ((high - low) / (high + low)) ** 2)


def nesterov(smallest: float, largest: float) -> Method:
    """Nesterov's method with its constants for strongly convex functions: η = 1 / L, β = (√L − √μ) / (√L + √μ)."""
    low, high = math.sqrt(smallest), math.sqrt(largest)
    return Method(1 / largest, (high - low) / (high + low), look_ahead=True)


METHODS = {"gradient descent": gradient_descent, "heavy ball": heavy_ball, "Nesterov": nesterov}


def gradient_descent_rate(condition: float) -> float:
    """(κ − 1) / (κ + 1)."""
    return (condition - 1) / (condition + 1)


def heavy_ball_rate(condition: float) -> float:
    """(√κ − 1) / (√κ + 1)."""
    return (condition**0.5 - 1) / (condition**0.5 + 1)


def nesterov_rate(condition: float) -> float:
    """1 − 1 / √κ."""
    return 1 - condition**-0.5


RATES = {"gradient descent": gradient_descent_rate, "heavy ball": heavy_ball_rate, "Nesterov": nesterov_rate}


def noise_floor(step: float, momentum: float, curvature: float, noise: float) -> float:
    """Stationary variance of heavy ball on λx²/2 with gradient noise of standard deviation `noise`.

    η s² (1 + β) / (λ (1 − β) (2 (1 + β) − η λ)); with β = 0, that of gradient descent.
    """
    return step * noise**2 * (1 + momentum) / (curvature * (1 - momentum) * (2 * (1 + momentum) - step * curvature))
