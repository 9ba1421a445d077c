"""Adversarial games on images between fully connected nets: four losses, one network, one budget."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval, Len
from jaxtyping import UInt8
from torch import Tensor

from coursework.data.images import train_and_held_out
from coursework.data.signed import signed
from coursework.errors import ConfigError
from coursework.experiments.registry import configure
from coursework.metrics.generated import class_shares, sample_scores
from coursework.models.gan import (
    Snapshots,
    averaged,
    critic_player,
    discriminator_player,
    generated,
    generator_player,
    normal_latents,
)
from coursework.nets.adversarial import ImageGenerator, ImageJudge
from coursework.nets.classifiers import ConvClassifier
from coursework.runs import run
from coursework.training.device import resolve_device
from coursework.training.loop import index_batches
from coursework.training.schedules import half_cosine
from coursework.training.task import Arrays, Metrics, Task

_KEPT = 16
"""Fixed latents whose images are kept at the start, in the middle and at the end."""

_CRITICS = ("clipping", "penalty")


@dataclass(frozen=True)
class Config:
    """Data, game, nets, training and measurement.

    Attributes:
        dataset: images by name.
        num_train: training images: the first rows of the training file.
        num_test: held-out images that the samples are compared with.
        holdout: where those come from: the test file, or, to choose anything by, the rows that follow the training
            images in the training file.
        game: the original game, with its `saturating` generator or the `non-saturating` one; a critic kept Lipschitz
            by `clipping` or by a `penalty`.
        smooth: the discriminator's target for data: 1, or less for one-sided label smoothing. No part of a critic.
        clip: largest weight of the clipped critic.
        penalty: weight of the gradient penalty.
        every: steps of the discriminator or critic per step of the generator.
        latent_dim: coordinates of a latent.
        widths: hidden widths of the generator.
        judge_widths: hidden widths of the discriminator or critic.
        batch_norm: whether the generator normalises its hidden layers over the batch.
        num_steps: of the discriminator or critic.
        batch_size: images a step.
        rate: first step size of the generator's Adam, falling to zero along a half cosine.
        judge_rate: that of the discriminator or critic.
        num_samples: generated images that are measured.
        measure: profile of the classifier that measures them.
        decay: what the moving average of the generator's weights keeps of itself at each step; the average is what is
            measured (arXiv:1806.04498). 0 measures the last weights.
        seed: of the weights, the latents and the order.
        device: `auto`, `cpu` or `cuda`.
    """

    dataset: Literal["mnist", "fashion-mnist", "mnist-5k"] = "mnist"
    num_train: Annotated[int, Interval(ge=2, le=60_000)] = 50_000
    num_test: Annotated[int, Interval(ge=10, le=10_000)] = 10_000
    holdout: Literal["test", "validation"] = "test"
    game: Literal["saturating", "non-saturating", "clipping", "penalty"] = "non-saturating"
    smooth: Annotated[float, Interval(gt=0, le=1)] = 1.0
    clip: Annotated[float, Interval(gt=0, le=10)] = 0.05
    penalty: Annotated[float, Interval(gt=0, le=1000)] = 1.0
    every: Annotated[int, Interval(ge=1, le=1000)] = 1
    latent_dim: Annotated[int, Interval(ge=1, le=4096)] = 100
    widths: Annotated[tuple[Annotated[int, Interval(ge=1, le=65_536)], ...], Len(1, 16)] = (128, 256, 512, 1024)
    judge_widths: Annotated[tuple[Annotated[int, Interval(ge=1, le=65_536)], ...], Len(1, 16)] = (512, 256)
    batch_norm: bool = True
    num_steps: Annotated[int, Interval(ge=2, le=10_000_000)] = 5000
    batch_size: Annotated[int, Interval(ge=2, le=60_000)] = 64
    rate: Annotated[float, Interval(gt=0, le=1)] = 1e-3
    judge_rate: Annotated[float, Interval(gt=0, le=1)] = 1e-3
    decay: Annotated[float, Interval(ge=0, lt=1)] = 0.999
    num_samples: Annotated[int, Interval(ge=10, le=100_000)] = 10_000
    measure: Literal["fast", "cpu", "full"] = "full"
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {
            "dataset": "mnist-5k",
            "num_train": 1000,
            "num_test": 200,
            "num_samples": 200,
            "num_steps": 100,
            "widths": (64, 128),
            "judge_widths": (64,),
            "measure": "fast",
        },
        "cpu": {
            "dataset": "mnist-5k",
            "num_train": 3000,
            "num_test": 1000,
            "num_samples": 1000,
            "num_steps": 300,
            "measure": "cpu",
        },
        "full": {},
    }


def build(config: Config) -> Task:
    """The two players, the pictures of their progress, and what the samples are worth in the end.

    Metrics: those of `sample_scores` of `num_samples` generated images against the held-out ones, `collapse`, the mean
    distance of a generated image from their mean over that of real ones, and the numbers of weights.

    Raises:
        ConfigError: the held-out images would run past the file, smoothing in a game without labels, or a batch of one
            image that is to be normalised.
        DataError, DeviceError: the images or the device are absent.
    """
    if config.game in _CRITICS and config.smooth != 1:
        raise ConfigError(f"smooth = {config.smooth} with game = {config.game!r}: a critic has no labels. Leave it 1.")
    if config.batch_norm and config.num_train % config.batch_size == 1:
        raise ConfigError(
            f"num_train = {config.num_train} with batch_size = {config.batch_size} leaves a last batch of one image, "
            "which batch_norm cannot normalise. Change one of them by one."
        )
    device = resolve_device(config.device)
    train, held_out, payload = train_and_held_out(config.dataset, config.num_train, config.num_test, config.holdout)
    x = signed(train.flatten(1)).to(device)
    generator = ImageGenerator(config.latent_dim, config.widths, x.shape[1], batch_norm=config.batch_norm).to(device)
    judge = ImageJudge(x.shape[1], config.judge_widths).to(device)
    latents = normal_latents(config.latent_dim, device)
    moments = (0, config.num_steps // 2)
    fixed = torch.randn(_KEPT, config.latent_dim, generator=torch.Generator().manual_seed(config.seed))
    average = averaged(generator, config.decay)
    snapshots = Snapshots(moments, fixed, x.shape[1]).to(device)

    def schedule(step: int) -> float:
        return half_cosine(step, config.num_steps)

    shared: dict[str, Any] = {"schedules": [schedule], "before_step": lambda step: snapshots.take(generator, step)}
    if config.game in _CRITICS:
        first = critic_player(
            judge,
            generator,
            x,
            latents,
            rate=config.judge_rate,
            clip=config.clip if config.game == "clipping" else None,
            penalty=config.penalty if config.game == "penalty" else None,
            **shared,
        )
    else:
        first = discriminator_player(
            judge, generator, x, latents, rate=config.judge_rate, smooth=config.smooth, **shared
        )
    second = generator_player(
        generator,
        judge,
        latents,
        game="wasserstein" if config.game in _CRITICS else config.game,
        rate=config.rate,
        every=config.every,
        schedules=[schedule],
        after_step=lambda: average.update_parameters(generator),
    )

    def evaluate() -> tuple[Metrics, Arrays]:
        shape = train.shape[1:]
        source = torch.Generator().manual_seed(config.seed)
        z = torch.randn(config.num_samples, config.latent_dim, generator=source)
        samples = generated(average, z.to(device)).cpu().unflatten(1, shape)
        classifier = measuring_classifier(config.dataset, config.measure)
        last = generated(average, snapshots.latents)
        metrics = {
            **sample_scores(samples, held_out, classifier),
            "collapse": _spread(samples) / _spread(held_out),
            "generator_weights": float(sum(p.numel() for p in generator.parameters())),
            "judge_weights": float(sum(p.numel() for p in judge.parameters())),
        }
        pictures = torch.cat([snapshots.images, last[None]]).cpu().unflatten(2, shape)
        return metrics, {"progress": pictures, "shares": class_shares(classifier, samples)}

    return Task(
        modules={"generator": generator, "average": average, "judge": judge, "snapshots": snapshots},
        players={"judge": first, "generator": second},
        batches=index_batches(len(x), config.batch_size, config.seed, device),
        num_steps=config.num_steps,
        evaluate=evaluate,
        payload=payload,
    )


def measuring_classifier(dataset: str, profile: str) -> ConvClassifier:
    """The classifier whose features and classes measure samples, found or trained."""
    classifier = run(configure("classifier", profile, dataset=dataset)).modules()["classifier"]
    assert isinstance(classifier, ConvClassifier)
    return classifier.requires_grad_(False)


def _spread(images: UInt8[Tensor, "image height width"]) -> float:
    flat = images.flatten(1).float()
    return math.sqrt((flat - flat.mean(0)).square().sum(1).mean().item())
