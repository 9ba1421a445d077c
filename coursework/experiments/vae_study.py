"""The runs of the study of variational auto-encoders, by what they are for: what its page shows, in one place."""

from typing import Any

from coursework.experiments.mnist_vae import Config
from coursework.experiments.registry import configure, variation

PRINTED = {"VAE": 86.76, "IWAE-50": 84.78}
"""Negative log-likelihoods of one stochastic layer of 50 (Burda et al., arXiv:1509.00519, table 1)."""

_LONG = {
    "fast": {"plain": 2, "weighted": 1, "vae": 3, "num_samples": 5, "num_draws": 50, "num_draw_images": 20},
    "cpu": {"plain": 5, "weighted": 2, "vae": 7, "num_samples": 5, "num_draws": 500, "num_draw_images": 50},
    "full": {"plain": 100, "weighted": 25, "vae": 400, "num_samples": 50, "num_draws": 5000, "num_draw_images": 500},
}
"""Epochs of the long runs and how they are measured; in profile full for comparison with printed numbers."""

_WIDE = {"binarisation": "dynamic", "latent_dim": 50, "batch_size": 64}


def headline(profile: str, seed: int, **changes: Any) -> Config:
    """784-512-256-z, static binarisation; z = 20 unless changed."""
    return configure("mnist-vae", profile, seed=seed, **changes)


def smaller_images(profile: str, config: Config) -> Config:
    """In profile fast a few small digits of scikit-learn in place of `mnist-5k`: read and learnt in a moment."""
    if (profile, config.dataset) != ("fast", "mnist-5k"):
        return config
    return variation(config, dataset="digits", num_train=min(400, config.num_train))


def long_runs(profile: str, seed: int, dataset: str | None = None) -> dict[str, Config]:
    """The two models whose likelihood is quoted beside printed ones: `_WIDE`, a divergence that comes in slowly.

    The weighted one begins as the other: its many draws set in when the rate has come down.
    """
    chosen = _LONG[profile]
    shared = {"dataset": dataset, "beta_warm_fraction": 0.9, **_WIDE} | {
        name: chosen[name] for name in ("num_draws", "num_draw_images")
    }
    weighted = {
        "num_samples": chosen["num_samples"],
        "num_kept": min(4, chosen["num_samples"]),
        "plain_epochs": chosen["plain"],
        "epochs": chosen["plain"] + chosen["weighted"],
    }
    return {
        "VAE": headline(profile, seed, **shared, epochs=chosen["vae"]),
        f"IWAE-{chosen['num_samples']}": headline(profile, seed, **shared, **weighted),
    }


def starts(profile: str, config: Config) -> dict[float, Config]:
    """Share of the steps over which the divergence's weight rises → the headline model on five sixths of its images.

    As long as the headline's own training, and scored on images of the last sixth: the choice is made with these.
    """
    sizes = {"num_train": 5 * config.num_train // 6, "num_test": min(config.num_test, config.num_train // 6)}
    draws = {"num_draws": min(50, config.num_draws), "num_draw_images": min(50, config.num_draw_images)}
    shares = (0.0, 0.5) if profile == "fast" else (0.0, 0.5, 0.9)
    return {
        share: variation(config, holdout="validation", beta_warm_fraction=share, **sizes, **draws) for share in shares
    }


def short(config: Config, **changes: Any) -> Config:
    """At most 10,000 and four fifths of the images, a quarter of the epochs, scored on validation images."""
    smaller = {
        "num_train": min(10_000, 4 * config.num_train // 5),
        "num_test": max(100, config.num_test // 5),
        "epochs": max(3, config.epochs // 4),
        "num_draws": max(20, config.num_draws // 5),
        "num_draw_images": max(20, config.num_draw_images // 5),
        "holdout": "validation",
    }
    return variation(config, **smaller | changes)


def comparisons(profile: str, config: Config) -> dict[str, dict[Any, Config]]:
    """Groups of short runs, by name and then by label; in profile fast fewer of those that are of a kind.

    `rates`, the step size and half and twice of it; `architectures`, the sources' pairs of nets; `binarisations`, the
    same net for four kinds of pixels and the density for grey ones; `single_terms`, the bound and each term alone;
    `latent_sizes`; `slow_starts`, the share of the steps over which the divergence's weight rises; `sample_numbers`,
    draws of the weighted bound, of which at most two carry the gradient.
    """
    fast = profile == "fast"
    nets = {"512-256, rectified": "mlp", "two strided convolutions": "cnn"}
    if not fast:
        nets |= {"500, tanh decoder": "tanh", "200-200, tanh": "deep-tanh"}
    pixels = ("static", "dynamic") if fast else ("static", "dynamic", "threshold", "grey")
    return {
        "rates": {
            f"{factor * config.rate:g}": short(config, rate=factor * config.rate)
            for factor in ((1,) if fast else (0.5, 1, 2))
        },
        "architectures": {label: short(config, architecture=name) for label, name in nets.items()},
        "binarisations": {how: short(config, binarisation=how) for how in pixels}
        | {"grey, as a density": short(config, binarisation="grey", likelihood="continuous-bernoulli")},
        "single_terms": {terms: short(config, terms=terms) for terms in ("both", "reconstruction", "regularisation")},
        "latent_sizes": {size: short(config, latent_dim=size) for size in ((2, 20) if fast else (2, 5, 10, 20, 50))},
        "slow_starts": {
            f"{share:g}": short(config, beta_warm_fraction=share, **_WIDE)
            for share in ((0, 0.9) if fast else (0, 0.5, 0.9))
        },
        "sample_numbers": {
            k: short(config, num_samples=k, num_kept=min(2, k) if k > 1 else 0, **_WIDE)
            for k in ((1, 3) if fast else (1, 3, 10))
        },
    }
