"""Measured evidence for question D9: the gap on an exact chain, the prior term of images, the posterior sampled."""

import dataclasses
import math

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.data import load
from coursework.derivations.gaussian_chain import Chain
from coursework.models.diffusion import (
    alpha_bars,
    cosine_betas,
    linear_betas,
    posterior_mean,
    posterior_variance,
    prior_kl,
)

NUM_STEPS = 1000
"""T of Ho et al. (arXiv:2006.11239) and of Nichol and Dhariwal (arXiv:2102.09672)."""

SCHEDULES = {"linear": linear_betas, "cosine": cosine_betas}
_EXACT = Chain.reversing(0.3, 0.6)
_POINT = 1.5


def chains() -> dict[str, Chain]:
    """Models of one noising chain: its exact reverse for standard normal data, and three worse ones."""
    return {
        "exact reverse": _EXACT,
        "reverse step too wide": dataclasses.replace(_EXACT, v_2=2 * _EXACT.v_2),
        "reverse step blind": dataclasses.replace(_EXACT, b_2=0.0, v_2=1.0),
        "last step too narrow": dataclasses.replace(_EXACT, v_1=_EXACT.v_1 / 3),
    }


def chain_table(x_0: float = _POINT) -> pd.DataFrame:
    """Evidence, bound and divergence of each of `chains()`, and the bound as misprinted, with p(x_1) for p(x_1|x_2)."""
    rows = []
    for name, chain in chains().items():
        bound, divergence = chain.bound(x_0), chain.divergence(x_0)
        rows.append(
            {
                "model": name,
                "evidence": f"{chain.log_evidence(x_0):.4f}",
                "bound": f"{bound:.4f}",
                "KL": f"{divergence:.4f}",
                "bound + KL": f"{bound + divergence:.4f}",
                "as printed": f"{chain.bound(x_0, conditioned=False):.4f}",
            }
        )
    return pd.DataFrame(rows).replace("-0.0000", "0.0000")


def path_table(dims: tuple[int, ...] = (1, 8, 64, 512), draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """What paths drawn from q tell of log p(x_0) when an image has more and more coordinates.

    Coordinates are independent copies of the chain whose reverse step is too wide, so that the evidence is known.
    The estimate is the logarithm of the mean weight p(x_0, path)/q(path); effective paths are (Σw)²/Σw².
    """
    chain = chains()["reverse step too wide"]
    q = chain.noising(_POINT)
    rng = np.random.default_rng(seed)
    rows = []
    for dim in dims:
        log_weights = torch.zeros(draws, dtype=torch.float64)
        for _ in range(dim):
            paths = q.loc + torch.from_numpy(rng.standard_normal((draws, 2))) @ q.scale_tril.T
            log_weights += chain.log_joint(_POINT, paths) - q.log_prob(paths)
        estimate = float(torch.logsumexp(log_weights, 0)) - math.log(draws)
        effective = 2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0)
        exact = dim * chain.log_evidence(_POINT)
        rows.append(
            {
                "coordinates": dim,
                "evidence": f"{exact:.2f}",
                "bound": f"{dim * chain.bound(_POINT):.2f}",
                "estimate": f"{estimate:.2f}",
                "error": f"{estimate - exact:.2f}",
                "effective paths": f"{float(effective.exp()):.1f}",
            }
        )
    return pd.DataFrame(rows)


def training_images(count: int) -> Float[Tensor, "image pixel"]:
    """The first Fashion-MNIST training images, pixels on −1 to 1.

    Raises:
        DataError: the images are not to be found.
    """
    return load("fashion-mnist", "train", n=count).images.flatten(1).double() / 127.5 - 1


def prior_term(x_0: Float[Tensor, "image pixel"], alpha_bar: Float[Tensor, ""]) -> float:
    """KL(q(x_t|x_0)‖N(0, I)), mean over images and pixels, in nats per pixel.

    It depends on the images through their mean square alone.
    """
    return float(prior_kl(x_0.square().mean().sqrt(), alpha_bar))


def prior_table(x_0: Float[Tensor, "image pixel"]) -> pd.DataFrame:
    """The prior term for each schedule, per pixel and per image."""
    rows = []
    for name, betas in SCHEDULES.items():
        last = alpha_bars(betas(NUM_STEPS))[-1]
        nats = prior_term(x_0, last)
        rows.append(
            {
                "schedule": name,
                "signal left": f"{last.item():.3g}",
                "nats per pixel": f"{nats:.3g}",
                "bits per pixel": f"{nats / math.log(2):.3g}",
                "nats per image": f"{nats * x_0.shape[1]:.3g}",
            }
        )
    return pd.DataFrame(rows)


def prior_curves(x_0: Float[Tensor, "image pixel"]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Schedule → (ᾱ_t, prior term in bits per pixel were the chain to end at t), for t = 1 … T."""
    curves = {}
    for name, betas in SCHEDULES.items():
        kept = alpha_bars(betas(NUM_STEPS))
        bits = prior_kl(x_0.square().mean().sqrt().expand_as(kept), kept) / math.log(2)
        curves[name] = (kept.numpy(), bits.numpy())
    return curves


def posterior_deviations(count: int, seed: int = 0, draws: int = 4000) -> Float[Tensor, "instance 3"]:
    """How many standard errors lie between the posterior's formulas and what a sampled chain shows.

    Each instance draws a schedule, its length, a step t and a data point, and runs `draws` chains one step after the
    other from x_0 to x_t. The law of x_{t−1} given x_t is then estimated by least squares of x_{t−1} on x_t: its slope,
    its mean at a typical x_t, and its variance.

    Args:
        count: random instances.
        seed: of everything drawn.
        draws: chains per instance.
    """
    rng = np.random.default_rng(seed)
    out = []
    for instance in range(count):
        length = int(rng.integers(2, 200))
        betas = [*SCHEDULES.values()][instance % len(SCHEDULES)](length)
        step = int(rng.integers(2, length + 1))
        x_0 = float(rng.uniform(-1, 1))
        before = now = np.full(draws, x_0)
        for beta in betas[:step].numpy():
            before, now = now, math.sqrt(1 - beta) * now + math.sqrt(beta) * rng.standard_normal(draws)
        out.append(_deviations(x_0, before, now, betas, step))
    return torch.tensor(out, dtype=torch.float64)


def _deviations(
    x_0: float, before: np.ndarray, now: np.ndarray, betas: Float[Tensor, " step"], step: int
) -> tuple[float, float, float]:
    alpha, kept = 1 - betas[step - 1], alpha_bars(betas)[step - 2]
    centre = now.mean()
    slope = ((now - centre) @ before) / ((now - centre) @ (now - centre))
    residuals = before - before.mean() - slope * (now - centre)
    free = len(now) - 2
    variance = residuals @ residuals / free

    def formula(x: float) -> float:
        return float(posterior_mean(torch.tensor(x_0).double(), torch.tensor(x).double(), alpha, kept))

    true = float(posterior_variance(alpha, kept))
    slope_error = math.sqrt(true / ((now - centre) @ (now - centre)))
    return (
        (slope - (formula(1.0) - formula(0.0))) / slope_error,
        (before.mean() - formula(float(centre))) / math.sqrt(true / len(now)),
        (variance - true) / (true * math.sqrt(2 / free)),
    )
