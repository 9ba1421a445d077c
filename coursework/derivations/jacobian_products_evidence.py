"""Evidence for question D10: vanishing and exploding gradients in numbers, and the remedies' runs in tables."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.jacobian_products import unrolled_norm
from coursework.runs import Run

RADII = (0.9, 1.0, 1.1)
LENGTHS = (10, 50, 100)
WEIGHTS = (1.0, 4.0, 6.0)
DEPTHS = (5, 20, 50)
REMEDIES = {"mlp": "He initialisation", "cnn": "residual connections", "rnn": "gradient clipping"}
RECORD = 10
"""Steps of training that one point of a loss curve is the mean of."""

NETS = {"mlp": "MLP", "cnn": "CNN", "rnn": "RNN"}
CONTROL = {"gentle": "RNN, small steps"}
"""The recurrent net once more, at a rate at which it does not need its remedy."""


def recurrence_norm_at(radius: float, length: int) -> float:
    """Norm of the gradient for the first state of h ← W h, by reverse mode; W has two eigenvalues of size `radius`."""
    rho, theta, c_1, c_2 = torch.tensor([radius, 0.5, 0.6, 0.8], dtype=torch.float64)
    return float(unrolled_norm(rho, theta, c_1, c_2, torch.tensor(length))) ** 0.5


def sigmoid_chain_gradient(weight: float, depth: int) -> float:
    """Derivative of `depth` sigmoid units in a row for their input, by reverse mode.

    Each unit computes σ(weight (h − 1/2)) and sits at its steepest point: the input is 1/2, and so is every output.
    """
    first = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    h = first
    for _ in range(depth):
        h = torch.sigmoid(weight * (h - 0.5))
    return float(torch.autograd.grad(h, first)[0])


def example_table() -> pd.DataFrame:
    """A recurrent and a layered example: the gradient by reverse mode, and whether the formula gives it."""
    rows = []
    for radius in RADII:
        found = [recurrence_norm_at(radius, length) for length in LENGTHS]
        rows.append((f"recurrence, ρ = {radius}", found, [radius**length for length in LENGTHS]))
    for weight in WEIGHTS:
        found = [sigmoid_chain_gradient(weight, depth) for depth in LENGTHS]
        rows.append((f"sigmoids, w = {weight:g}", found, [(weight / 4) ** depth for depth in LENGTHS]))
    return pd.DataFrame(
        [
            {
                "example": name,
                **{f"{length} factors": f"{value:.3g}" for length, value in zip(LENGTHS, found, strict=True)},
                "as derived": "yes" if np.allclose(found, expected, rtol=1e-9, atol=0) else "no",
            }
            for name, found, expected in rows
        ]
    )


def transient_norms(radius: float, scale: float, steps: int) -> Float[Tensor, " step"]:
    """Largest singular value of the powers 0…steps of [[radius, scale], [0, radius]], by repeated multiplication."""
    matrix = torch.tensor([[radius, scale], [0, radius]], dtype=torch.float64)
    power, out = torch.eye(2, dtype=torch.float64), []
    for _ in range(steps + 1):
        out.append(torch.linalg.matrix_norm(power, 2))
        power = power @ matrix
    return torch.stack(out)


def singular_bounds_hold(count: int = 50, seed: int = 0) -> bool:
    """Whether σ_min^n ‖c‖ ≤ ‖(Wᵀ)^n c‖ ≤ σ_max^n ‖c‖ on random matrices, vectors and n from 1 to 20."""
    generator = torch.Generator().manual_seed(seed)
    verdicts = []
    for _ in range(count):
        size, power = torch.randint(1, 9, (), generator=generator), torch.randint(1, 21, (), generator=generator)
        matrix = torch.randn(int(size), int(size), generator=generator, dtype=torch.float64)
        c = torch.randn(int(size), generator=generator, dtype=torch.float64)
        g = torch.linalg.matrix_power(matrix.T, int(power)) @ c
        singular = torch.linalg.svdvals(matrix) ** int(power) * c.norm()
        verdicts.append(bool(singular[-1] * (1 - 1e-9) <= g.norm() <= singular[0] * (1 + 1e-9)))
    return all(verdicts)


def remedy_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Per net: gradient norm of the first over the last layer, training loss and test accuracy, before and after."""
    rows = []
    for kind, net in {**NETS, **CONTROL}.items():
        for when in ("before", "after"):
            name = f"{kind}_{when}"
            rows.append(
                {
                    "net": net,
                    "remedy": REMEDIES.get(kind, REMEDIES["rnn"]) if when == "after" else "none",
                    "first / last gradient": f"{geometric_mean([first_over_last(run, name) for run in runs]):.1e}",
                    "training loss": f"{np.mean([run.metrics[f'{name}_loss'] for run in runs]):.2f}",
                    "test accuracy": f"{np.mean([run.metrics[f'{name}_accuracy'] for run in runs]):.2f}",
                }
            )
    return pd.DataFrame(rows)


def first_over_last(run: Run, name: str) -> float:
    """Gradient norm at the first layer or time over that at the last one."""
    norms = run.arrays[f"{name}_gradients"]
    return float(norms[0] / norms[-1])


def geometric_mean(values: Sequence[float]) -> float:
    """The mean on a logarithmic scale."""
    return math.exp(float(np.mean(np.log(values))))


def gradient_curves(runs: Sequence[Run]) -> dict[str, dict[str, list[np.ndarray]]]:
    """Net → before and after → norms from first to last layer or time, one array per run."""
    return {
        f"{net}: {REMEDIES[kind]}": {
            when: [run.arrays[f"{kind}_{when}_gradients"].numpy() for run in runs] for when in ("before", "after")
        }
        for kind, net in NETS.items()
    }


def loss_curves(runs: Sequence[Run]) -> dict[str, dict[str, list[np.ndarray]]]:
    """Net → before and after → training losses, one array per run, each entry a mean over `RECORD` steps."""
    return {
        f"{net}: {REMEDIES[kind]}": {
            when: [_block_means(run.arrays[f"{kind}_{when}_losses"].numpy()) for run in runs]
            for when in ("before", "after")
        }
        for kind, net in NETS.items()
    }


def _block_means(losses: np.ndarray) -> np.ndarray:
    return losses[: len(losses) // RECORD * RECORD].reshape(-1, RECORD).mean(1)
