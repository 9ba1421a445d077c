"""The runs of the study of flows, by what they are for: what its page and the comparison show, in one place."""

from typing import Any

from coursework.experiments.flow import Config
from coursework.experiments.registry import configure, variation

_LEVELS: dict[str, dict[str, Any]] = {
    "fast": {"channels": (4, 4), "widths": (16,), "num_laws": 8, "epochs": 1, "batch_size": 64},
    "cpu": {"channels": (8, 8), "widths": (64,), "epochs": 3, "batch_size": 64},
    "full": {"channels": (16, 16), "widths": (128,), "epochs": 28, "batch_size": 32},
}
"""Nets, epochs and batches of the flow on grey levels; in profile full for the bits that such flows are held to."""


def headline(profile: str, seed: int, **changes: Any) -> Config:
    """The fully connected flow."""
    return configure("flow", profile, seed=seed, **changes)


def source_setting(config: Config) -> Config:
    """The fully connected flow behind the first map of the source, a logit."""
    return variation(config, pixels="logit", alpha=1e-5)


def convolutional(config: Config) -> Config:
    """The flow of affine couplings on two scales: an image costs it as much as several cost the fully connected one."""
    return variation(config, kind="conv", epochs=max(1, config.epochs // 20), batch_size=64)


def graded(config: Config, profile: str) -> Config:
    """The convolutional flow on grey levels."""
    return variation(config, kind="levels", **_LEVELS[profile])


def choices(config: Config) -> dict[str, Config]:
    """First maps, noises and no couplings at all, in short runs scored on a quarter of the test images."""
    short = {"epochs": max(1, config.epochs // 20), "num_test": max(1, config.num_test // 4)}
    changes: dict[str, dict[str, Any]] = {
        "logit, α = 1e-5": {"pixels": "logit", "alpha": 1e-5},
        "logit, α = 0.05": {"pixels": "logit", "alpha": 0.05},
        "quantile": {},
        "quantile, learned noise": {"noise": "variational"},
        "quantile, no couplings": {"num_couplings": 0},
    }
    return {label: variation(config, **short | change) for label, change in changes.items()}
