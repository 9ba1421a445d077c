"""A small convolutional classifier that lends its features to Fréchet distances: an instrument, not a result."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn.functional import cross_entropy

from coursework.data import load
from coursework.data.images import num_rows
from coursework.nets.classifiers import ConvClassifier
from coursework.objectives import Terms
from coursework.training.device import resolve_device
from coursework.training.loop import Player, index_batches
from coursework.training.schedules import half_cosine
from coursework.training.task import Arrays, Metrics, Task


@dataclass(frozen=True)
class Config:
    """Which images, how long, how fast.

    Attributes:
        dataset: images by name.
        num_train: training images, the first ones; all if there are fewer.
        num_test: test images for the accuracy, likewise.
        epochs: passes over the training images.
        batch_size: images a step.
        rate: first step size of Adam, falling to zero along a half cosine.
        seed: of the weights and the order.
        device: `auto`, `cpu` or `cuda`.
    """

    dataset: Literal["fashion-mnist", "mnist", "mnist-5k"] = "fashion-mnist"
    num_train: Annotated[int, Interval(ge=10, le=60_000)] = 60_000
    num_test: Annotated[int, Interval(ge=10, le=10_000)] = 10_000
    epochs: Annotated[int, Interval(ge=1, le=1000)] = 6
    batch_size: Annotated[int, Interval(ge=1, le=60_000)] = 128
    rate: Annotated[float, Interval(gt=0, le=1)] = 2e-3
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_train": 4000, "num_test": 1000, "epochs": 1},
        "cpu": {"num_train": 20_000, "epochs": 2},
        "full": {},
    }


def build(config: Config) -> Task:
    """The classifier, its Adam and its test accuracy.

    Raises:
        DataError, DeviceError: the images or the device are absent.
    """
    device = resolve_device(config.device)
    train = load(config.dataset, "train", n=min(config.num_train, num_rows(config.dataset, "train")))
    test = load(config.dataset, "test", n=min(config.num_test, num_rows(config.dataset, "test")))
    images, labels = train.images.to(device), train.labels.to(device)
    classifier = ConvClassifier(len(train.class_names)).to(device)
    batches = index_batches(len(images), config.batch_size, config.seed, device)
    num_steps = config.epochs * -(-len(images) // config.batch_size)

    def loss(index: Tensor) -> tuple[Tensor, Terms]:
        logits = classifier(images[index] / 255)
        per_image = cross_entropy(logits, labels[index], reduction="none")
        return per_image.mean(), {"cross_entropy": per_image}

    @torch.no_grad()
    def evaluate() -> tuple[Metrics, Arrays]:
        classifier.eval()
        guesses = torch.cat([classifier(part.to(device) / 255).argmax(1).cpu() for part in test.images.split(1000)])
        return {"accuracy": (guesses == test.labels).double().mean().item()}, {"guesses": guesses}

    return Task(
        modules={"classifier": classifier},
        players={
            "classifier": Player(
                loss,
                [torch.optim.Adam(classifier.parameters(), lr=config.rate, fused=True)],
                schedules=[lambda step: half_cosine(step, num_steps)],
            )
        },
        batches=batches,
        num_steps=num_steps,
        evaluate=evaluate,
        payload={**train.payload, **test.payload},
    )
