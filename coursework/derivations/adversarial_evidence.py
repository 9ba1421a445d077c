"""Measured evidence for question D8: two lines at many distances, two Gaussians, and generators that start far away."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from coursework.derivations.transport import gaussian_js, gaussian_kl
from coursework.experiments.registry import configure
from coursework.runs import Run, run

GAMES = ("saturating", "non-saturating", "clipping", "penalty")
START = 3.0
_JOURNEY_STEPS = {"fast": 200, "cpu": 800, "full": 800}


def standing(profile: str, seed: int) -> dict[str, Run]:
    """A discriminator and both critics, trained against generators that stand still at several distances."""
    return {
        game: run(configure("disjoint", profile, game=game, seed=seed))
        for game in ("saturating", "clipping", "penalty")
    }


def journeys(profile: str, seed: int) -> dict[str, Run]:
    """Each game with a generator that starts far away and may move."""
    steps = _JOURNEY_STEPS[profile]
    return {
        game: run(
            configure("disjoint", profile, game=game, moving=True, distances=(START,), num_steps=steps, seed=seed)
        )
        for game in GAMES
    }


def values(runs: Mapping[str, Run]) -> dict[str, np.ndarray]:
    """What each says of the distance: the JS divergence that the discriminator's value means, and the critics' gaps."""
    game = runs["saturating"].arrays["value"].double().numpy()
    return {
        "discriminator: JS": (game + math.log(4)) / 2,
        "critic, clipping": runs["clipping"].arrays["value"].double().numpy(),
        "critic, penalty": runs["penalty"].arrays["value"].double().numpy(),
    }


def slopes(runs: Mapping[str, Run]) -> dict[str, np.ndarray]:
    """How strongly each pulls at θ: the modulus of the slope of the generator's loss."""
    names = {
        "saturating": ("saturating", "GAN, saturating"),
        "non-saturating": ("saturating", "GAN, non-saturating"),
        "clipping": ("clipping", "WGAN, clipping"),
        "penalty": ("penalty", "WGAN, penalty"),
    }
    return {label: np.abs(runs[key].arrays[f"slope {game}"].double().numpy()) for game, (key, label) in names.items()}


def thetas(runs: Mapping[str, Run]) -> np.ndarray:
    """The distances."""
    return runs["penalty"].arrays["theta"].double().numpy()


def predicted_gap(theta: np.ndarray, penalty: float) -> np.ndarray:
    """θ (1 + θ / 2λ): the gap of the best penalised critic, as derived in `penalty-bias`."""
    return theta * (1 + theta / (2 * penalty))


def value_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """The distance, and what the discriminator and both critics make of it."""
    theta, found = thetas(runs), values(runs)
    predicted = predicted_gap(theta, runs["penalty"].config.penalty)
    return pd.DataFrame(
        {
            "distance": [f"{value:g}" for value in theta],
            "JS from D": [f"{value:.4f}" for value in found["discriminator: JS"]],
            "critic, clipping": [f"{value:.3f}" for value in found["critic, clipping"]],
            "critic, penalty": [f"{value:.3f}" for value in found["critic, penalty"]],
            "penalty, predicted": [f"{value:.3f}" for value in predicted],
        }
    )


def slope_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """The distance, and the slope of each generator's loss for θ."""
    columns = {label: [f"{value:.2g}" for value in found] for label, found in slopes(runs).items()}
    return pd.DataFrame({"distance": [f"{value:g}" for value in thetas(runs)], **columns})


def conclusions(runs: Mapping[str, Run]) -> dict[str, bool]:
    """What the page says of the table, as statements that hold or do not, with room for other machines."""
    theta, found, pull = thetas(runs), values(runs), slopes(runs)
    predicted = predicted_gap(theta, runs["penalty"].config.penalty)
    return {
        "discriminator near log 2 at every distance": bool(
            np.all(np.abs(found["discriminator: JS"] - math.log(2)) < 0.02)
        ),
        "saturating slope below a hundredth at every distance": bool(np.all(pull["GAN, saturating"] < 0.01)),
        "penalised critic within a tenth of its prediction": bool(
            np.all(np.abs(found["critic, penalty"] / predicted - 1) < 0.1)
        ),
        "both critics grow with the distance": all(
            bool(np.all(np.diff(found[name]) > 0)) for name in ("critic, clipping", "critic, penalty")
        ),
    }


def arrivals(runs: Sequence[Mapping[str, Run]]) -> pd.DataFrame:
    """Where the generators that started at `START` were in the end, a number for each seed, the data being at 0."""
    ends = {game: [float(found[game].arrays["theta"][0]) for found in runs] for game in runs[0]}
    return pd.DataFrame(
        [{"game": game, "θ in the end": ", ".join(f"{end:.2f}" for end in found)} for game, found in ends.items()]
    )


def arrived(runs: Sequence[Mapping[str, Run]]) -> dict[str, bool]:
    """Game → whether its generator came within a third of `START` of the data, for every seed."""
    return {game: all(abs(float(found[game].arrays["theta"][0])) < START / 3 for found in runs) for game in runs[0]}


def paths(runs: Mapping[str, Run]) -> dict[str, tuple[list[float], list[float]]]:
    """Game → (steps, θ, a mean over each stretch between two records)."""
    return {
        game: (
            [0.0, *(float(r["step"]) for r in j.history)],
            [START, *(float(r["generator/theta"]) for r in j.history)],
        )
        for game, j in runs.items()
    }


def gaussian_distances(shifts: np.ndarray) -> dict[str, np.ndarray]:
    """KL, JS and W1 of N(0, 1) and N(δ, 1), for each δ."""
    return {
        "KL": np.array([gaussian_kl(float(shift)) for shift in shifts]),
        "W1": np.abs(shifts),
        "JS": np.array([gaussian_js(float(shift)) for shift in shifts]),
    }
