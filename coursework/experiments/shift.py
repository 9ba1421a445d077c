"""A convolutional net against fully connected ones on images that are moved at test time (question D2)."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from jaxtyping import Num
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from coursework.data import load
from coursework.objectives import Terms
from coursework.training.device import resolve_device
from coursework.training.loop import Player, index_batches
from coursework.training.schedules import half_cosine
from coursework.training.task import Arrays, Metrics, Task

DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass(frozen=True)
class Config:
    """Which images, how far they move, which nets, how long.

    Attributes:
        dataset: images by name.
        num_train: training images, the first ones; none is moved.
        num_test: test images, the last ones; the first ones served to choose the convolutional net.
        margin: empty pixels added on each side, and the largest move at test time.
        channels: of each convolution; the last ones are averaged over the image.
        hidden: units of the wide fully connected net; the narrow one has as many as give it the parameters of the
            convolutional one.
        epochs: passes over the training images.
        batch_size: images a step.
        rate: first step size of Adam, falling to zero along a half cosine.
        seed: of the weights and the order.
        device: `auto`, `cpu` or `cuda`.
    """

    dataset: Literal["fashion-mnist", "mnist"] = "fashion-mnist"
    num_train: Annotated[int, Interval(ge=10, le=60_000)] = 3000
    num_test: Annotated[int, Interval(ge=10, le=10_000)] = 1000
    margin: Annotated[int, Interval(ge=1, le=14)] = 4
    channels: Annotated[int, Interval(ge=1, le=256)] = 24
    hidden: Annotated[int, Interval(ge=1, le=4096)] = 128
    epochs: Annotated[int, Interval(ge=1, le=1000)] = 6
    batch_size: Annotated[int, Interval(ge=1, le=60_000)] = 50
    rate: Annotated[float, Interval(gt=0, le=1)] = 1e-2
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_train": 500, "num_test": 200, "epochs": 2},
        "cpu": {},
        "full": {},
    }


def convolutional(channels: int, num_classes: int = 10) -> nn.Sequential:
    """Three normalised convolutions, two of them with stride 2, and the mean over the image before the logits."""
    return nn.Sequential(
        nn.Conv2d(1, channels // 2, 5, stride=2, padding=2),
        nn.BatchNorm2d(channels // 2),
        nn.ReLU(),
        nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )


def fully_connected(pixels: int, hidden: int, num_classes: int = 10) -> nn.Sequential:
    """One hidden layer of normalised ReLU units."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(pixels, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, num_classes)
    )


def count_parameters(module: nn.Module) -> int:
    """All weights and biases."""
    return sum(parameter.numel() for parameter in module.parameters())


def equal_hidden(parameters: int, pixels: int, num_classes: int = 10) -> int:
    """Hidden units of the fully connected net whose number of parameters is nearest to `parameters`, at least one."""
    return max(1, round((parameters - num_classes) / (pixels + 3 + num_classes)))


def moved(images: Num[Tensor, "image 1 row column"], down: int, right: int) -> Num[Tensor, "image 1 row column"]:
    """The images moved by whole pixels; what leaves on one side comes back on the other, which is empty margin."""
    return images.roll((down, right), (-2, -1))


def build(config: Config) -> Task:
    """Three nets, each a player of its own, and their accuracies on test images moved by 0 to `margin` pixels.

    Raises:
        DataError, DeviceError: the images or the device are absent.
    """
    device = resolve_device(config.device)
    train = load(config.dataset, "train", n=config.num_train)
    test = load(config.dataset, "test")
    test_labels = test.labels[-config.num_test :]
    border = (config.margin,) * 4
    images, labels = pad(train.images, border)[:, None].to(device), train.labels.to(device)
    shown = pad(test.images[-config.num_test :], border)[:, None]
    pixels = images[0].numel()
    cnn = convolutional(config.channels)
    nets = {
        "cnn": cnn,
        "mlp": fully_connected(pixels, equal_hidden(count_parameters(cnn), pixels)),
        "wide": fully_connected(pixels, config.hidden),
    }
    num_steps = config.epochs * -(-len(images) // config.batch_size)

    def player(net: nn.Module) -> Player:
        def loss(index: Tensor) -> tuple[Tensor, Terms]:
            per_image = cross_entropy(net(images[index] / 255), labels[index], reduction="none")
            return per_image.mean(), {"cross_entropy": per_image}

        adam = torch.optim.Adam(net.to(device).parameters(), lr=config.rate, fused=True)
        return Player(loss, [adam], schedules=[lambda step: half_cosine(step, num_steps)])

    @torch.no_grad()
    def evaluate() -> tuple[Metrics, Arrays]:
        metrics: Metrics = {}
        for name, net in nets.items():
            net.eval()
            metrics[f"{name}_parameters"] = float(count_parameters(net))
            for distance in range(config.margin + 1):
                right = [
                    net(moved(shown, distance * down, distance * right).to(device) / 255).argmax(1).cpu() == test_labels
                    for down, right in (DIRECTIONS if distance else DIRECTIONS[:1])
                ]
                metrics[f"{name}_{distance}"] = torch.stack(right).double().mean().item()
        return metrics, {}

    return Task(
        modules=nets,
        players={name: player(net) for name, net in nets.items()},
        batches=index_batches(len(images), config.batch_size, config.seed, device),
        num_steps=num_steps,
        evaluate=evaluate,
        payload={**train.payload, **test.payload},
    )
