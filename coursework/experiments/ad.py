"""The auto-decoder of the mini-project: one free latent vector per training image, reconstruction loss alone."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval, Len
from jaxtyping import UInt8
from torch import Tensor, nn

from coursework.conditionals import GaussianDecoder, LaplaceDecoder, LatentTable
from coursework.data.augment import augment
from coursework.data.images import train_and_held_out
from coursework.distributions.families import FAMILIES, Family
from coursework.errors import ConfigError
from coursework.inference import decode, infer_latents, settle
from coursework.metrics.reconstruction import reconstruction_scores
from coursework.models.autodecoder import autodecoder_player
from coursework.nets.decoders import LocalDecoder, SkipDecoder
from coursework.nets.mlp import MLP
from coursework.training.device import resolve_device
from coursework.training.loop import index_batches
from coursework.training.optim import RowAdam
from coursework.training.schedules import geometric, half_cosine, warm_half_cosine
from coursework.training.task import Arrays, Metrics, Task

LIKELIHOODS = {"normal": GaussianDecoder, "laplace": LaplaceDecoder}
"""Law of a pixel given its latent, by name."""

_KEPT = 64
"""Reconstructions kept for figures."""

_LEAK_FRACTION = 0.7
"""Part of the training over which the leak goes from its first value to its last."""

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
        hidden: the decoder's nonlinear part: `local`, a grid of cells, `mlp`, or `none`.
        channels: features per cell of the local one.
        widths: hidden widths of the MLP.
        linear: whether the decoder has its linear part.
        likelihood: of a pixel given its latent; `normal` makes errors count squared, `laplace` absolute.
        start: `pca` puts the linear part on the training images' principal components, `random` does not.
        settle_steps: Adam steps of the latents against the linear part alone, before the decoder moves.
        leak: slope of the decoder outside the range of pixels when training starts; 1 for a decoder without a bound.
        leak_end: slope when training ends.
        copies: altered versions of each training image, each with a latent of its own.
        strength: how much the versions are altered; 1 is up to a pixel, 4 degrees, 5 % of size, 10 % of brightness.
        epochs: passes over all rows, altered versions included.
        batch_size: rows a step.
        rate: largest step size of the decoder.
        latent_rate: largest step size of the latents.
        warm_fraction: part of the training over which the decoder's rate rises.
        table_mode: `dense`, Adam on the whole table at the cost of a batch, or `rows`, an Adam per row.
        init_scale: spread of the latents' random start.
        test_steps: Adam steps of the test-time fit, after `settle_steps` of them against the linear part.
        test_rate: its first step size.
        seed: of the latents, the weights, the altered versions and the order.
        device: `auto`, `cpu` or `cuda`.
        precision: of the matrix products in training; bfloat16 needs a processor or GPU made for it.
        compiled: whether losses are compiled, which a long training repays.
    """

    dataset: Literal["fashion-mnist", "mnist", "mnist-5k", "digits"] = "fashion-mnist"
    num_train: Annotated[int, Interval(ge=2, le=60_000)] = 1000
    num_test: Annotated[int, Interval(ge=1, le=10_000)] = 1000
    holdout: Literal["test", "validation"] = "test"
    latent_dim: Annotated[int, Interval(ge=1, le=784)] = 128
    hidden: Literal["local", "mlp", "none"] = "local"
    channels: Annotated[int, Interval(ge=1, le=65_536)] = 48
    widths: Annotated[tuple[Annotated[int, Interval(ge=1, le=65_536)], ...], Len(1, 16)] = (512,)
    linear: bool = True
    likelihood: Literal["normal", "laplace"] = "normal"
    start: Literal["pca", "random"] = "pca"
    settle_steps: Annotated[int, Interval(ge=0, le=100_000)] = 40
    leak: Annotated[float, Interval(gt=0, le=1)] = 0.02
    leak_end: Annotated[float, Interval(gt=0, le=1)] = 0.002
    copies: Annotated[int, Interval(ge=0, le=1000)] = 47
    strength: Annotated[float, Interval(ge=0, le=5)] = 1.5
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 27
    batch_size: Annotated[int, Interval(ge=1, le=60_000)] = 64
    rate: Annotated[float, Interval(gt=0, le=1)] = 2e-3
    latent_rate: Annotated[float, Interval(gt=0, le=10)] = 0.2
    warm_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.03
    table_mode: Literal["dense", "rows"] = "rows"
    init_scale: Annotated[float, Interval(ge=0, le=100)] = 0.01
    test_steps: Annotated[int, Interval(ge=1, le=100_000)] = 200
    test_rate: Annotated[float, Interval(gt=0, le=10)] = 0.2
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: bool = False

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_train": 200, "num_test": 200, "copies": 1, "epochs": 20, "test_steps": 60, "channels": 16},
        "cpu": {"copies": 15, "epochs": 12, "test_steps": 150, "channels": 32},
        "full": {},
    }


def build(config: Config) -> Task:
    """The auto-decoder, ready to train.

    Raises:
        ConfigError: the held-out images would overlap the training images or run past the file, or a latent has more
            coordinates than an image has pixels.
        DataError, DeviceError: the images or the device are absent.
    """
    return autodecoder_task(config, FAMILIES["delta"], beta=0.0, scale=1.0)


def autodecoder_task(config: Config, family: Family, *, beta: float, scale: float) -> Task:
    """An auto-decoder with posteriors of `family`, pixels on 0…1 around decoder(z) with `scale`, weight `beta`.

    Raises:
        ConfigError, DataError, DeviceError: as `build`.
    """
    _check_parts(config)
    device = resolve_device(config.device)
    generator = torch.Generator().manual_seed(config.seed)
    train, held_out, payload = images_of(config)
    images = augment(train, config.copies, generator, strength=config.strength).to(device)
    prior = family.prior(config.latent_dim, device=device)
    table = LatentTable(len(images), config.latent_dim, family, init_scale=config.init_scale, generator=generator)
    net = _decoder(config, (train.shape[1], train.shape[2]))
    if config.start == "pca":
        net.start_from(train / 255, mean=prior.mean.mean().item(), spread=prior.stddev.mean().item())
    decoder = LIKELIHOODS[config.likelihood](net, scale)
    table.to(device)
    decoder.to(device)

    table = settle(decoder, images / 255, table, beta=beta, num_steps=config.settle_steps)
    num_steps = config.epochs * math.ceil(len(images) / config.batch_size)

    def set_leak(step: int) -> None:
        net.leak = geometric(step, num_steps, config.leak, config.leak_end, _LEAK_FRACTION)

    player = autodecoder_player(
        table,
        decoder,
        prior,
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
        before_step=set_leak,
    )

    def finish() -> None:
        for optimizer in player.optimizers:
            if isinstance(optimizer, RowAdam):
                optimizer.finish()

    def evaluate() -> tuple[Metrics, Arrays]:
        net.leak = config.leak_end
        generator = torch.Generator().manual_seed(config.seed)
        x = (held_out / 255).to(device)
        fresh = LatentTable(len(x), config.latent_dim, family, init_scale=config.init_scale, generator=generator)
        start = settle(decoder, x, fresh.to(device), beta=beta, num_steps=config.settle_steps)
        fitted = infer_latents(
            decoder,
            x,
            family,
            config.latent_dim,
            beta=beta,
            num_steps=config.test_steps,
            lr=config.test_rate,
            start=start,
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


def _check_parts(config: Config) -> None:
    """Settings that contradict one another.

    Raises:
        ConfigError: names them.
    """
    if config.hidden == "none" and not config.linear:
        raise ConfigError("hidden = 'none' with linear = False leaves no decoder: choose a hidden part or keep linear.")
    if config.settle_steps and not config.linear:
        raise ConfigError(
            f"settle_steps = {config.settle_steps} with linear = False: there is no linear part to settle against. "
            "Set settle_steps = 0."
        )


def _decoder(config: Config, shape: tuple[int, int]) -> SkipDecoder:
    hidden: nn.Module | None = None
    if config.hidden == "local":
        hidden = LocalDecoder(config.latent_dim, config.channels, shape)
    elif config.hidden == "mlp":
        hidden = MLP([config.latent_dim, *config.widths, shape[0] * shape[1]], nn.ReLU)
    return SkipDecoder(config.latent_dim, hidden, shape, linear=config.linear, leak=config.leak)


def images_of(
    config: Config,
) -> tuple[UInt8[Tensor, "train height width"], UInt8[Tensor, "held height width"], dict[str, str]]:
    """Training images, held-out images and the hashes of their files.

    Raises:
        ConfigError: a file has too few rows, or the images have fewer pixels than a latent coordinates.
    """
    train, held_out, payload = train_and_held_out(config.dataset, config.num_train, config.num_test, config.holdout)
    if config.latent_dim > train[0].numel():
        raise ConfigError(
            f"latent_dim = {config.latent_dim}: an image of {config.dataset} has {train[0].numel()} pixels; a latent "
            "needs no more coordinates than that."
        )
    return train, held_out, payload
