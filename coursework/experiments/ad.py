"""The auto-decoder of the mini-project: one free latent vector per training image, reconstruction loss alone."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval, Len
from jaxtyping import UInt8
from torch import Tensor

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.data import load
from coursework.data.augment import augment
from coursework.distributions.families import FAMILIES, Family
from coursework.errors import ConfigError
from coursework.inference import decode, infer_latents
from coursework.metrics.reconstruction import reconstruction_scores
from coursework.models.autodecoder import autodecoder_player
from coursework.nets import SkipDecoder
from coursework.training.device import resolve_device
from coursework.training.loop import index_batches
from coursework.training.optim import RowAdam
from coursework.training.schedules import half_cosine, warm_half_cosine
from coursework.training.task import Arrays, Metrics, Task

_KEPT = 64
"""Reconstructions kept for figures."""

_BETAS = (0.9, 0.99)
"""Decay of Adam's moments: a row is visited a few dozen times only, so its second moment has to forget faster."""


@dataclass(frozen=True)
class Config:
    """Data, decoder, training and test-time fit.

    Attributes:
        dataset: images by name.
        num_train: training images: the first rows of the training file.
        num_test: held-out images that get latents of their own.
        holdout: where those come from: the first rows of the test file, or, to choose anything by, the rows of the
            training file that follow the training images.
        latent_dim: coordinates of a latent.
        widths: hidden widths of the decoder's MLP.
        linear: whether the decoder has its linear part.
        start: `pca` puts the linear part on the training images' principal components, `random` does not.
        latent_start: `random` around zero, or `pca`, at the codes of the linear part's start, plus the same randomness.
        leak: slope of the decoder outside the range of pixels; 1 for a decoder without a bound.
        copies: altered versions of each training image, each with a latent of its own.
        epochs: passes over all rows, altered versions included.
        batch_size: rows a step.
        rate: largest step size of the decoder.
        latent_rate: largest step size of the latents.
        warm_fraction: part of the training over which the decoder's rate rises while the latents find their places.
        table_mode: `dense`, Adam on the whole table at the cost of a batch, or `rows`, an Adam per row.
        init_scale: spread of the latents' random start.
        test_steps: Adam steps of the test-time fit.
        test_rate: its first step size.
        seed: of the latents, the weights, the altered versions and the order.
        device: `auto`, `cpu` or `cuda`.
    """

    dataset: Literal["fashion-mnist", "mnist", "mnist-5k", "digits"] = "fashion-mnist"
    num_train: Annotated[int, Interval(ge=2, le=60_000)] = 1000
    num_test: Annotated[int, Interval(ge=1, le=10_000)] = 1000
    holdout: Literal["test", "validation"] = "test"
    latent_dim: Annotated[int, Interval(ge=1, le=784)] = 128
    widths: Annotated[tuple[Annotated[int, Interval(ge=1, le=65_536)], ...], Len(0, 16)] = (512,)
    linear: bool = True
    start: Literal["pca", "random"] = "pca"
    latent_start: Literal["pca", "random"] = "random"
    leak: Annotated[float, Interval(ge=0, le=1)] = 0.005
    copies: Annotated[int, Interval(ge=0, le=1000)] = 31
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 45
    batch_size: Annotated[int, Interval(ge=1, le=60_000)] = 64
    rate: Annotated[float, Interval(gt=0, le=1)] = 2e-3
    latent_rate: Annotated[float, Interval(gt=0, le=10)] = 0.3
    warm_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.2
    table_mode: Literal["dense", "rows"] = "rows"
    init_scale: Annotated[float, Interval(ge=0, le=100)] = 0.01
    test_steps: Annotated[int, Interval(ge=1, le=100_000)] = 250
    test_rate: Annotated[float, Interval(gt=0, le=10)] = 0.2
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_train": 200, "num_test": 200, "copies": 1, "epochs": 20, "test_steps": 60, "widths": (256,)},
        "cpu": {"copies": 15, "epochs": 12, "test_steps": 150},
        "full": {},
    }


def build(config: Config) -> Task:
    """The auto-decoder, ready to train.

    Raises:
        ConfigError: the held-out images would overlap the training images or run past the file.
        DataError, DeviceError: the images or the device are absent.
    """
    return autodecoder_task(config, FAMILIES["delta"], beta=0.0, scale=1.0)


def autodecoder_task(config: Config, family: Family, *, beta: float, scale: float) -> Task:
    """An auto-decoder with posteriors of `family`, likelihood N(decoder(z), scale²) per pixel on 0…1, weight `beta`.

    Raises:
        ConfigError, DataError, DeviceError: as `build`.
    """
    if config.latent_start == "pca" and not (config.linear and config.start == "pca"):
        raise ConfigError("latent_start = 'pca' needs linear = True and start = 'pca', whose components it uses.")
    device = resolve_device(config.device)
    generator = torch.Generator().manual_seed(config.seed)
    train, held_out, payload = _images(config)
    images = augment(train, config.copies, generator).to(device)
    table = LatentTable(len(images), config.latent_dim, family, init_scale=config.init_scale, generator=generator)
    shape = (train.shape[1], train.shape[2])
    net = SkipDecoder(config.latent_dim, config.widths, shape, linear=config.linear, leak=config.leak)
    if config.start == "pca":
        net.start_from(train / 255)
    if config.latent_start == "pca":
        with torch.no_grad():
            table.raw[:, 0] += net.linear_codes(images.cpu() / 255)
    decoder = GaussianDecoder(net, scale)
    table.to(device)
    decoder.to(device)
    num_steps = config.epochs * math.ceil(len(images) / config.batch_size)
    player = autodecoder_player(
        table,
        decoder,
        family.prior(config.latent_dim),
        images,
        beta=beta,
        rate=config.rate,
        latent_rate=config.latent_rate,
        betas=_BETAS,
        mode=config.table_mode,
        schedules=(
            lambda step: warm_half_cosine(step, num_steps, config.warm_fraction),
            lambda step: half_cosine(step, num_steps),
        ),
    )

    def finish() -> None:
        for optimizer in player.optimizers:
            if isinstance(optimizer, RowAdam):
                optimizer.finish()

    def evaluate() -> tuple[Metrics, Arrays]:
        fitted = infer_latents(
            decoder,
            (held_out / 255).to(device),
            family,
            config.latent_dim,
            beta=beta,
            num_steps=config.test_steps,
            lr=config.test_rate,
            init_scale=config.init_scale,
            generator=torch.Generator().manual_seed(config.seed),
        )
        latents = {"train": table.locations()[: len(train)], "test": fitted.locations()}
        metrics: Metrics = {}
        arrays: Arrays = {}
        for split, originals in (("train", train), ("test", held_out)):
            decoded = 255 * decode(decoder, latents[split]).cpu().clamp(0, 1)
            metrics |= {f"{split}_{name}": value for name, value in reconstruction_scores(originals, decoded).items()}
            arrays |= {f"{split}_latents": latents[split].cpu(), f"{split}_reconstructions": decoded[:_KEPT]}
        return metrics, arrays

    return Task(
        modules={"decoder": decoder, "table": table},
        players={"autodecoder": player},
        batches=index_batches(len(images), config.batch_size, config.seed, device),
        num_steps=num_steps,
        evaluate=evaluate,
        finish=finish,
        payload=payload,
    )


def _images(
    config: Config,
) -> tuple[UInt8[Tensor, "train height width"], UInt8[Tensor, "held height width"], dict[str, str]]:
    """Training images, held-out images and the hashes of their files."""
    if config.holdout == "test":
        train, test = (
            load(config.dataset, "train", n=config.num_train),
            load(config.dataset, "test", n=config.num_test),
        )
        return train.images, test.images, {**train.payload, **test.payload}
    try:
        both = load(config.dataset, "train", n=config.num_train + config.num_test)
    except ConfigError:
        raise ConfigError(
            f"num_train = {config.num_train} and num_test = {config.num_test} with holdout = 'validation': the "
            f"training file of {config.dataset} has fewer rows than both together. Lower one of them."
        ) from None
    return both.images[: config.num_train], both.images[config.num_train :], dict(both.payload)
