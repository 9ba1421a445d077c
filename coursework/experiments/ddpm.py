"""Denoising diffusion on images: a small U-shaped net guesses the noise; its bound in bits, its samples, its cost."""

import time
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval, Len
from torch import Tensor

from coursework.data.images import train_and_held_out
from coursework.data.signed import signed, unsigned
from coursework.errors import ConfigError
from coursework.experiments.gan import measuring_classifier
from coursework.metrics.generated import class_shares, sample_scores
from coursework.models.denoising import EpsNet, Schedule, evenly_spaced, sample
from coursework.models.diffusion import cosine_betas, linear_betas
from coursework.nets.unet import SmallUNet
from coursework.objectives import Terms
from coursework.objectives.ddpm import ddpm_bound, ddpm_simple
from coursework.training.device import resolve_device
from coursework.training.loop import Player, index_batches
from coursework.training.schedules import warm_half_cosine
from coursework.training.task import Arrays, Metrics, Task

_KEPT = 16
"""Samples kept for figures, from the same noise with every sampler."""


@dataclass(frozen=True)
class Config:
    """Data, chain, net, training and measurement.

    Attributes:
        dataset: images by name.
        num_train: training images: the first rows of the training file.
        num_test: held-out images that bound and samples are measured on.
        holdout: where those come from: the test file, or, to choose anything by, the rows that follow the training
            images in the training file.
        schedule: `linear` or `cosine`.
        length: T, steps of the noising chain.
        beta_first: first variance of the linear schedule.
        beta_last: its last variance.
        channels: of the net at half the image's sides.
        num_steps: of training.
        batch_size: images a step.
        rate: largest step size of Adam, falling to zero along a half cosine.
        num_samples: generated images that are measured, for every number of steps.
        steps: numbers of steps of the deterministic sampler, each at most T.
        ancestral: whether images are drawn by all T steps as well.
        num_bound_images: held-out images for the bound.
        num_draws: levels per image for the bound.
        measure: profile of the classifier that measures the samples.
        seed: of the weights, the noise and the order.
        device: `auto`, `cpu` or `cuda`.
        precision: of the matrix products in training; bfloat16 needs a processor or GPU made for it.
        compiled: whether losses are compiled, which a long training repays.
    """

    dataset: Literal["mnist", "fashion-mnist", "mnist-5k"] = "mnist"
    num_train: Annotated[int, Interval(ge=2, le=60_000)] = 50_000
    num_test: Annotated[int, Interval(ge=10, le=10_000)] = 10_000
    holdout: Literal["test", "validation"] = "test"
    schedule: Literal["linear", "cosine"] = "cosine"
    length: Annotated[int, Interval(ge=2, le=10_000)] = 100
    beta_first: Annotated[float, Interval(gt=0, lt=1)] = 1e-3
    beta_last: Annotated[float, Interval(gt=0, lt=1)] = 0.2
    channels: Annotated[int, Interval(ge=4, le=1024)] = 24
    num_steps: Annotated[int, Interval(ge=1, le=10_000_000)] = 2000
    batch_size: Annotated[int, Interval(ge=1, le=60_000)] = 64
    rate: Annotated[float, Interval(gt=0, le=1)] = 3e-3
    num_samples: Annotated[int, Interval(ge=10, le=100_000)] = 1000
    steps: Annotated[tuple[Annotated[int, Interval(ge=1, le=10_000)], ...], Len(1, 16)] = (5, 10, 25)
    ancestral: bool = True
    num_bound_images: Annotated[int, Interval(ge=2, le=10_000)] = 1000
    num_draws: Annotated[int, Interval(ge=1, le=10_000)] = 10
    measure: Literal["fast", "cpu", "full"] = "full"
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: bool = False

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {
            "dataset": "mnist-5k",
            "num_train": 1000,
            "num_test": 100,
            "length": 20,
            "beta_first": 5e-3,
            "beta_last": 0.6,
            "channels": 8,
            "num_steps": 30,
            "num_samples": 50,
            "steps": (5, 10),
            "num_bound_images": 50,
            "num_draws": 2,
            "measure": "fast",
        },
        "cpu": {
            "dataset": "mnist-5k",
            "num_train": 4000,
            "num_test": 1000,
            "length": 50,
            "beta_first": 2e-3,
            "beta_last": 0.35,
            "channels": 16,
            "num_steps": 500,
            "num_samples": 100,
            "steps": (5, 10, 25),
            "num_bound_images": 100,
            "num_draws": 8,
            "measure": "cpu",
        },
        "full": {},
    }


def build(config: Config) -> Task:
    """The net, its Adam, and what it is worth in the end.

    Metrics: `bits` per dimension of held-out images, an upper bound, with its `bits_error`; its parts `bits_prior`,
    `bits_denoising` and `bits_decoder`; for every number of steps k, and for `all` of them, the entries of
    `sample_scores` and the `seconds` of CPU time per thousand images, as `ffid_k` and so on; `weights` of the net.

    Raises:
        ConfigError: a schedule that does not increase, more steps or draws than levels, or held-out images that would
            run past the file.
        DataError, DeviceError: the images or the device are absent.
    """
    schedule = noising(config)
    _check_counts(config)
    device = resolve_device(config.device)
    train, held_out, payload = train_and_held_out(config.dataset, config.num_train, config.num_test, config.holdout)
    x = signed(train).to(device)
    height, width = train.shape[1:]
    guess = EpsNet(SmallUNet(config.channels, (height, width)), schedule).to(device)

    def loss(index: Tensor) -> tuple[Tensor, Terms]:
        t = torch.randint(1, len(schedule) + 1, (len(index),), device=device)
        return ddpm_simple(guess, schedule, x[index], t, torch.randn_like(x[index]))

    def evaluate() -> tuple[Metrics, Arrays]:
        guess.eval()
        source = torch.Generator().manual_seed(config.seed)
        held = signed(held_out[: config.num_bound_images]).to(device)
        bound = ddpm_bound(guess, schedule, held, num_draws=config.num_draws, generator=source)
        classifier = measuring_classifier(config.dataset, config.measure)
        metrics: Metrics = {
            "bits": bound.total,
            "bits_error": bound.standard_error,
            "bits_prior": bound.prior,
            "bits_denoising": bound.denoising,
            "bits_decoder": bound.decoder,
            "weights": float(sum(p.numel() for p in guess.parameters())),
        }
        arrays: Arrays = {"levels": bound.levels, "terms": bound.terms.float()}
        noise = torch.randn(config.num_samples, height, width, generator=source).to(device)
        samplers: dict[str, dict[str, Any]] = {
            str(k): {"levels": evenly_spaced(k, len(schedule)), "eta": 0.0} for k in config.steps
        }
        for name, how in (samplers | ({"all": {"eta": 1.0}} if config.ancestral else {})).items():
            torch.manual_seed(config.seed)
            began = time.process_time()
            drawn = unsigned(torch.cat([sample(guess, schedule, part, **how) for part in noise.split(250)])).cpu()
            seconds = (time.process_time() - began) * 1000 / len(drawn)
            scores = sample_scores(drawn, held_out[: len(drawn)], classifier)
            metrics |= {f"{key}_{name}": value for key, value in {**scores, "seconds": seconds}.items()}
            arrays |= {f"samples_{name}": drawn[:_KEPT], f"shares_{name}": class_shares(classifier, drawn)}
        return metrics, arrays

    return Task(
        modules={"guess": guess},
        players={
            "guess": Player(
                loss,
                [torch.optim.Adam(guess.parameters(), lr=config.rate, fused=True)],
                schedules=[lambda step: warm_half_cosine(step, config.num_steps)],
            )
        },
        batches=index_batches(len(x), config.batch_size, config.seed, device),
        num_steps=config.num_steps,
        evaluate=evaluate,
        payload=payload,
    )


def noising(config: Config) -> Schedule:
    """The chain's schedule.

    Raises:
        ConfigError: it does not increase.
    """
    if config.schedule == "cosine":
        return Schedule(cosine_betas(config.length))
    if config.beta_last <= config.beta_first:
        raise ConfigError(
            f"beta_first = {config.beta_first:g}, beta_last = {config.beta_last:g}: the linear schedule must increase. "
            "Give a beta_last above beta_first."
        )
    return Schedule(linear_betas(config.length, config.beta_first, config.beta_last))


def _check_counts(config: Config) -> None:
    if max(config.steps) > config.length:
        raise ConfigError(f"steps = {config.steps}: at most length = {config.length}, the number of levels.")
    if config.num_draws > config.length - 1:
        raise ConfigError(f"num_draws = {config.num_draws}: at most length − 1 = {config.length - 1} denoising terms.")
    for name in ("num_samples", "num_bound_images"):
        if getattr(config, name) > config.num_test:
            raise ConfigError(
                f"{name} = {getattr(config, name)}: only num_test = {config.num_test} images are held out. Lower it."
            )
