"""Pixels hidden at test time: auto-decoder, auto-encoder and linear regression on what is left (question W3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Interval, Len
from jaxtyping import Bool, Float
from torch import Tensor

from coursework.conditionals import Encoder, GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.errors import ConfigError
from coursework.experiments import ad, vad, vae
from coursework.experiments.trained import trained_decoder
from coursework.experiments.vae import trained_encoder
from coursework.inference import decode
from coursework.models.partial import fill_in, fit_to_seen, hide, principal_regression
from coursework.models.vae import encoder_table
from coursework.runs import run
from coursework.training.task import Arrays, Metrics, Task

MEAN, LINEAR = "mean image", "probabilistic PCA"
VAD = "VAD, fitted to seen pixels"
ENCODER, ROUNDS = "VAE, mean filled in", "VAE, filled in repeatedly"
REFINED, SEARCHED = "VAE, mean, then fitted to seen pixels", "VAE's decoder, fitted as the VAD"
METHODS = (MEAN, LINEAR, VAD, ENCODER, ROUNDS, REFINED, SEARCHED)
"""Ways to complete an image, in the order of tables."""

_ROUNDS = 20
_SHOWN = 8


@dataclass(frozen=True)
class Config(vad.Config):
    """As the variational auto-decoder's, which the auto-encoder shares, and what is hidden.

    Attributes:
        fractions: parts of each image's pixels that are hidden.
        num_images: held-out images, the first ones.
    """

    fractions: Annotated[tuple[Annotated[float, Interval(gt=0, lt=1)], ...], Len(1, 20)] = (0.1, 0.3, 0.5, 0.7, 0.9)
    num_images: Annotated[int, Interval(ge=1, le=10_000)] = 250

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {**vad.Config.PROFILES["fast"], "num_images": 40},
        "cpu": {**vad.Config.PROFILES["cpu"], "num_images": 100},
        "full": {"fractions": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)},
    }


def build(config: Config) -> Task:
    """Nothing to train: the two models' own runs are found or made, then every method completes the same images.

    Metrics are mean squared errors per pixel, images on 0…1: `<method>/<fraction>/hidden` over the hidden pixels,
    `<method>/<fraction>/full` over the whole image. Arrays keep a few images per fraction.

    Raises:
        ConfigError: more images than are held out.
        DataError, DeviceError: as the models'.
    """
    if config.num_images > config.num_test:
        raise ConfigError(f"num_images = {config.num_images}: only num_test = {config.num_test} are held out.")

    def evaluate() -> tuple[Metrics, Arrays]:
        train, held_out, _ = ad.images_of(config)
        x = held_out[: config.num_images] / 255
        vad_run, vae_run = (run(vae.counterpart(config, cls)) for cls in (vad.Config, vae.Config))
        models = trained_decoder(vad_run), trained_decoder(vae_run), trained_encoder(vae_run)
        metrics: Metrics = {}
        arrays: Arrays = {"images": (255 * x[:_SHOWN]).round()}
        for fraction in config.fractions:
            seen, hidden = hide(x, fraction, config.seed)
            completed = _complete(config, train / 255, seen, *models)
            arrays[f"seen/{fraction:g}"] = 255 * seen[:_SHOWN].nan_to_num(0.5)
            for method, image in completed.items():
                for over, error in image_errors(x, image, hidden).items():
                    metrics[f"{method}/{fraction:g}/{over}"] = error.mean().item()
                    arrays[f"{method}/{fraction:g}/{over}"] = error
                arrays[f"{method}/{fraction:g}"] = 255 * image[:_SHOWN]
        return metrics, arrays

    return Task(modules={}, players={}, batches=lambda step: step, num_steps=0, evaluate=evaluate)


def image_errors(
    x: Float[Tensor, "image height width"],
    completed: Float[Tensor, "image height width"],
    hidden: Bool[Tensor, "image height width"],
) -> dict[str, Float[Tensor, " image"]]:
    """Mean squared error per pixel of every image, over its hidden pixels and over all."""
    squares = (x.double() - completed.double()).square().flatten(1)
    mask = hidden.flatten(1)
    return {"hidden": (squares * mask).sum(1) / mask.sum(1), "full": squares.mean(1)}


def curves(runs: Sequence[Any], over: str = "hidden") -> dict[str, Float[Tensor, "run fraction"]]:
    """Method → its mean squared errors, a row per run, a column per fraction.

    Args:
        runs: of this experiment, with the same fractions.
        over: `hidden` or `full`.
    """
    fractions = runs[0].config.fractions
    return {
        method: torch.tensor([[r.metrics[f"{method}/{fraction:g}/{over}"] for fraction in fractions] for r in runs])
        for method in METHODS
    }


def samples(runs: Sequence[Any], over: str = "hidden") -> dict[str, Float[Tensor, "sample fraction"]]:
    """As `curves` for several runs; for one, a row per image, so that a difference has a standard error either way."""
    if len(runs) > 1:
        return curves(runs, over)
    fractions, arrays = runs[0].config.fractions, runs[0].arrays
    return {
        method: torch.stack([arrays[f"{method}/{fraction:g}/{over}"] for fraction in fractions], 1)
        for method in METHODS
    }


def beaten_from(
    errors_by_method: Mapping[str, Float[Tensor, "sample fraction"]],
    winner: str,
    others: Sequence[str],
    fractions: Sequence[float],
) -> float | None:
    """The least fraction from which on `winner` has a smaller error than each of `others`, at it and all above.

    The mean difference must exceed twice its standard error over samples, runs or images, in which both methods see the
    same pixels. None where it does not win at the largest fraction.
    """
    wins = torch.ones(len(fractions), dtype=torch.bool)
    for other in others:
        difference = errors_by_method[other] - errors_by_method[winner]
        bar = 2 * difference.std(0) / len(difference) ** 0.5
        wins &= difference.mean(0) > bar
    first = None
    for fraction, won in sorted(zip(fractions, wins.tolist(), strict=True), reverse=True):
        if not won:
            break
        first = fraction
    return first


def _complete(
    config: Config,
    train: Float[Tensor, "train height width"],
    seen: Float[Tensor, "image height width"],
    vad_decoder: GaussianDecoder,
    vae_decoder: GaussianDecoder,
    encoder: Encoder,
) -> dict[str, Float[Tensor, "image height width"]]:
    """Every method's images, on 0…1."""
    mean, family = train.mean(0), FAMILIES[config.family]
    generator = torch.Generator().manual_seed(config.seed)
    fresh = LatentTable(len(seen), config.latent_dim, family, init_scale=config.init_scale, generator=generator)

    def decoded(decoder: GaussianDecoder, table: LatentTable) -> Tensor:
        return decode(decoder, table.locations()).clamp(0, 1)

    def fitted(decoder: GaussianDecoder, start: LatentTable, settle_steps: int) -> Tensor:
        table = fit_to_seen(
            decoder,
            seen,
            family,
            config.latent_dim,
            beta=config.beta,
            num_steps=config.test_steps,
            lr=config.test_rate,
            start=start,
            settle_steps=settle_steps,
        )
        return decoded(decoder, table)

    guessed = encoder_table(encoder, fill_in(encoder, vae_decoder, seen, mean, 0), config.latent_dim)
    repeated = encoder_table(encoder, fill_in(encoder, vae_decoder, seen, mean, _ROUNDS), config.latent_dim)
    components = min(config.latent_dim, len(train) - 1)
    return {
        MEAN: mean.expand_as(seen),
        LINEAR: principal_regression(train, seen, components).clamp(0, 1),
        VAD: fitted(vad_decoder, fresh, config.settle_steps),
        ENCODER: decoded(vae_decoder, guessed),
        ROUNDS: decoded(vae_decoder, repeated),
        REFINED: fitted(vae_decoder, guessed, 0),
        SEARCHED: fitted(vae_decoder, fresh, config.settle_steps),
    }
