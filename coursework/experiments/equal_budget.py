"""Auto-decoder, variational auto-decoder and variational auto-encoder: one decoder, one budget, one ruler."""

from collections.abc import Sequence

from coursework.data import load
from coursework.errors import ConfigError
from coursework.experiments import ad, evidence, vad, vae
from coursework.metrics.latent_space import transfer_accuracy
from coursework.runs import run

MODELS = {
    "AD": ("ad", ad.Config, "test"),
    "VAD": ("vad", vad.Config, "test"),
    "VAE, encoder": ("vae", vae.Config, "test"),
    "VAE, refined": ("vae-refined", vae.Config, "refined"),
}
"""Label → its name in `evidence`, the config of its own run, and the prefix of its held-out numbers there."""


def measure(configs: Sequence[evidence.Config]) -> dict[str, list[dict[str, float]]]:
    """Label → numbers, one dictionary per config; the configs differ in their seed.

    `score`, `mse`: of all held-out images. `elbo`, `nll`, `standard_error`: of `evidence`, nll being minus the estimate
    of log p(x). `accuracy`: share of held-out latents whose class is that of most of their ten nearest training
    latents. `training`, `total`: CPU seconds of the model's run.

    Raises:
        ConfigError: the held-out images are not test images, so that their labels are not at hand.
    """
    return {label: [_numbers(config, label) for config in configs] for label in MODELS}


def _numbers(config: evidence.Config, label: str) -> dict[str, float]:
    if config.holdout != "test":
        raise ConfigError(f"holdout = {config.holdout!r}: classes are compared on test images. Give holdout = 'test'.")
    model, cls, prefix = MODELS[label]
    own = run(vae.counterpart(config, cls))
    bounds = run(vae.counterpart(config, evidence.Config, model=model)).metrics
    labels = {
        split: load(config.dataset, split, n=n).labels
        for split, n in (("train", config.num_train), ("test", config.num_test))
    }
    arrays = own.arrays
    return {
        "score": own.metrics[f"{prefix}_score"],
        "mse": own.metrics[f"{prefix}_mse"],
        "elbo": bounds["elbo"],
        "nll": -bounds["log_evidence"],
        "standard_error": bounds["standard_error"],
        "effective_draws": bounds["effective_draws"],
        "accuracy": transfer_accuracy(
            arrays["train_latents"], labels["train"], arrays[f"{prefix}_latents"], labels["test"]
        ),
        "training": own.provenance["cpu_seconds"]["training"],
        "total": own.provenance["cpu_seconds"]["total"],
    }
