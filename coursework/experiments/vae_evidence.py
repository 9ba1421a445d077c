"""What the page on variational auto-encoders shows of its runs: tables of numbers, ready to be set."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from coursework.conditionals import GaussianDecoder
from coursework.data.images import train_and_held_out
from coursework.derivations.linear_gaussian import linear_gaussian_evidence
from coursework.derivations.sampled_gradients import pathwise_gradients, score_gradients
from coursework.experiments.mnist_vae import Config, held_out_pixels
from coursework.metrics.gradient_noise import ESTIMATORS, gradient_draws, total_variance
from coursework.metrics.likelihood import evidence
from coursework.metrics.prior_sampling import gaussian_prior_estimates, needed_draws, prior_estimates
from coursework.models.vae import encoder_table
from coursework.objectives.iwae import iwae
from coursework.report.tables import mean_and_spread
from coursework.runs import Run

TOLERANCE = 1.0
"""Nats that an average over prior draws may fall short of log p(x)."""

_TOY_NOISE = 0.5


def pixels(config: Config) -> Float[Tensor, "image height width"]:
    """The held-out images that a run was measured on, on 0…1."""
    _, images, _ = train_and_held_out(config.dataset, config.num_train, config.num_test, config.holdout)
    return held_out_pixels(images, config)


def bound_table(groups: Mapping[str, Sequence[Run]], *, name: str = "model") -> pd.DataFrame:
    """One row per model, runs differing in their seed: pixels, bound, divergence, likelihood, coordinates in use.

    Nats per image. The error of the likelihood is that of its draws, the largest over the runs.
    """
    rows = []
    for label, runs in groups.items():
        values = {key: [run.metrics[key] for run in runs] for key in runs[0].metrics}
        rows.append(
            {
                name: label,
                "pixels": runs[0].config.binarisation,
                "−bound": mean_and_spread([-v for v in values["elbo"]], ".2f"),
                "KL": mean_and_spread(values["kl"], ".1f"),
                "NLL": mean_and_spread(values["nll"], ".2f"),
                "error": f"{max(values['nll_error']):.2f}",
                "active": mean_and_spread([v * runs[0].config.latent_dim for v in values["active"]], ".0f"),
            }
        )
    return pd.DataFrame(rows)


def divergence_examples() -> pd.DataFrame:
    """Pairs of Gaussians near and far, the divergence in both directions."""
    pairs = {
        "N(0, 1) and N(0, 1.1²)": ((0.0, 1.0), (0.0, 1.1)),
        "N(0, 1) and N(0.1, 1)": ((0.0, 1.0), (0.1, 1.0)),
        "N(0, 1) and N(0, 10²)": ((0.0, 1.0), (0.0, 10.0)),
        "N(10, 1) and N(0, 1)": ((10.0, 1.0), (0.0, 1.0)),
        "N(0, 0.01²) and N(0, 1)": ((0.0, 0.01), (0.0, 1.0)),
    }
    rows = []
    for label, (first, second) in pairs.items():
        q, p = (Normal(torch.tensor(loc), torch.tensor(scale)) for loc, scale in (first, second))
        forward, back = kl_divergence(q, p).item(), kl_divergence(p, q).item()
        rows.append({"q and p": label, "KL(q‖p)": f"{forward:.4g}", "KL(p‖q)": f"{back:.4g}"})
    return pd.DataFrame(rows)


def linear_gaussian_check(seed: int, num_images: int = 200) -> tuple[pd.DataFrame, dict[str, float]]:
    """Bounds of a linear-Gaussian model from few draws to many, beside its exact evidence; means over images, in nats.

    Three latents, six pixels, q with independent coordinates, each a fifth wider than the posterior's: the importance
    weights then have a variance for all but the most correlated of posteriors, and standard errors mean something.

    Returns:
        The table, and by name `exact`, `estimate`, `error` and `distance`, the last line's in standard errors.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Linear(3, 6, bias=False).double()
        with torch.no_grad():
            net.weight.copy_(torch.randn(6, 3))
        weight, noise = net.weight.detach(), 0.5
        x = torch.randn(num_images, 3).double() @ weight.T + noise * torch.randn(num_images, 6).double()
        precision = torch.eye(3).double() + weight.T @ weight / noise**2
        loc = torch.linalg.solve(precision, weight.T @ x.T / noise**2).T
        q = Independent(Normal(loc, 1.2 * torch.linalg.inv(precision).diagonal().sqrt().expand_as(loc)), 1)
        prior = Independent(Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
        decoder = GaussianDecoder(net, noise)
        exact = linear_gaussian_evidence(x, weight, noise)
        true = MultivariateNormal(loc, precision_matrix=precision)
        gap = kl_divergence(MultivariateNormal(q.mean, q.variance.diag_embed()), true)
        rows = [{"estimate": "evidence − KL(q‖posterior), exact", "nats": (exact - gap).mean().item(), "error": 0.0}]
        with torch.no_grad():
            for k in (1, 5, 50):
                found = torch.stack([iwae(q, decoder, prior, x, num_samples=k)[1]["bound"].mean() for _ in range(60)])
                label = "bound, k = 1" if k == 1 else f"weighted bound, k = {k}"
                rows.append({"estimate": label, "nats": found.mean().item(), "error": found.std().item() / 60**0.5})
        sampled = evidence(q, decoder, prior, x, 5000)
    estimate = sampled.log_evidence.mean().item()
    error = sampled.standard_error.square().sum().sqrt().item() / num_images
    rows.append({"estimate": "importance sampling, k = 5,000", "nats": estimate, "error": error})
    rows.append({"estimate": "log p(x), exact", "nats": exact.mean().item(), "error": 0.0})
    frame = pd.DataFrame(rows)
    values = {"exact": exact.mean().item(), "estimate": estimate, "error": error}
    values["distance"] = abs(values["estimate"] - values["exact"]) / error
    rising = frame["nats"].iloc[1:4].is_monotonic_increasing
    shown = frame.assign(nats=frame["nats"].map("{:.4f}".format), error=frame["error"].map("{:.4f}".format))
    return shown, values | {"rising": float(rising)}


def toy_shortfalls(
    sizes: Sequence[int], numbers: Sequence[int], seed: int, num_images: int = 50, repetitions: int = 4
) -> dict[int, list[float]]:
    """Latent size → by how many nats averages over prior draws fall short, for each number of draws; all exact.

    The model is x|z ~ N(z, 0.5² I), its images drawn from itself.
    """
    out = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for size in sizes:
            spread = math.sqrt(1 + _TOY_NOISE**2)
            x = spread * torch.randn(num_images, size, dtype=torch.float64)
            exact = Independent(Normal(torch.zeros(size).double(), torch.full((size,), spread).double()), 1).log_prob(x)
            found = torch.stack([gaussian_prior_estimates(x, _TOY_NOISE, numbers) for _ in range(repetitions)])
            out[size] = (exact - found).mean((0, 2)).tolist()
    return out


def predicted_growth() -> float:
    """Factor on the needed draws per latent coordinate of that model, by the derivation `prior-draws` at x = 0."""
    return (1 + _TOY_NOISE**2) / (_TOY_NOISE * math.sqrt(2 + _TOY_NOISE**2))


def prior_shortfalls(
    runs: Mapping[int, Run], numbers: Sequence[int], seed: int, num_images: int = 20
) -> dict[int, list[float]]:
    """Latent size → by how many nats averages over prior draws fall short of importance sampling, on trained models.

    Importance sampling falls short itself, by less: these are lower bounds of the shortfall.
    """
    out = {}
    for size, run in runs.items():
        decoder = run.modules()["decoder"]
        prior = Independent(Normal(torch.zeros(size), torch.ones(size)), 1)
        reference = run.arrays["log_evidence"][:num_images].double()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = prior_estimates(decoder, prior, pixels(run.config)[: len(reference)], numbers)  # type: ignore[arg-type]
        out[size] = (reference - found).mean(1).tolist()
    return out


def needed(shortfalls: Mapping[int, Sequence[float]], numbers: Sequence[int]) -> dict[int, float]:
    """Latent size → draws from the prior that bring the mean shortfall within `TOLERANCE`."""
    return {size: needed_draws(values, numbers, TOLERANCE) for size, values in shortfalls.items()}


def shortfall_table(shortfalls: Mapping[int, Sequence[float]], numbers: Sequence[int]) -> pd.DataFrame:
    """A row per latent size: the shortfall in nats for every other number of draws and the last, and how many it takes.

    As many as `needed` says, from all of `numbers`.
    """
    enough = needed(shortfalls, numbers)
    shown = {*numbers[::2], numbers[-1]}
    rows = []
    for size, values in shortfalls.items():
        cells = {f"n = {n:,}": f"{value:z.1f}" for n, value in zip(numbers, values, strict=True) if n in shown}
        last = f"{enough[size]:,.0f}" if math.isfinite(enough[size]) else f"more than {numbers[-1]:,}"
        rows.append({"latent size": str(size), **cells, "needed": last})
    return pd.DataFrame(rows)


def gradient_noise(runs: Mapping[int, Run], seed: int, num_images: int = 10, num_draws: int = 500) -> pd.DataFrame:
    """Latent size → total variance of one draw's gradient, by each estimator; geometric means over images.

    Last column: how many draws the score function with a baseline needs for the noise of one pathwise draw.
    """
    rows = []
    for size, run in runs.items():
        modules = run.modules()
        x = pixels(run.config)[:num_images]
        table = encoder_table(modules["encoder"], x, size)  # type: ignore[arg-type]
        law = table.family(table.raw.detach())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            logs = [
                [math.log(total_variance(draws[name])) for name in ESTIMATORS]
                for image, loc, scale in zip(x, law.mean, law.stddev, strict=True)
                for draws in [gradient_draws(loc, scale, modules["decoder"], image, num_draws)]
            ]
        paths, score, baseline = torch.tensor(logs).mean(0).exp().tolist()
        rows.append({"size": size, ESTIMATORS[0]: paths, ESTIMATORS[1]: score, ESTIMATORS[2]: baseline})
    frame = pd.DataFrame(rows)
    return frame.assign(draws=frame[ESTIMATORS[2]] / frame[ESTIMATORS[0]])


def toy_variances(scales: Sequence[float], seed: int, loc: float = 1.0, num_draws: int = 200_000) -> pd.DataFrame:
    """Measured and derived variances of both gradients of E[z²], q = N(loc, scale²)."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for scale in scales:
        eps = torch.randn(num_draws, generator=generator, dtype=torch.float64)
        at = (torch.tensor(loc).double(), torch.tensor(scale).double(), eps)
        rows.append(
            {
                "σ": f"{scale:g}",
                "pathwise, measured": f"{pathwise_gradients(*at).var().item():.3g}",
                "derived": f"{4 * scale**2:.3g}",
                "score function, measured": f"{score_gradients(*at).var().item():.3g}",
                "derived ": f"{loc**4 / scale**2 + 14 * loc**2 + 15 * scale**2:.3g}",
            }
        )
    return pd.DataFrame(rows)
