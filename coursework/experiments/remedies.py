"""Deep nets whose gradients vanish or explode, each without and with one remedy (question D10)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from coursework.data import load
from coursework.objectives import Terms
from coursework.training.device import resolve_device
from coursework.training.loop import Player, index_batches
from coursework.training.task import Arrays, Metrics, Task

PROBED = 100
"""Training images on which gradient norms are taken, before the first step."""

CLIPPED = ("rnn_after", "gentle_after")
"""Nets whose gradient is clipped."""


@dataclass(frozen=True)
class Config:
    """Which nets, which images, how long.

    Attributes:
        dataset: images by name.
        num_train: training images, the first ones.
        num_test: test images, the first ones.
        depth: hidden layers of the fully connected and of the convolutional net; the recurrent one reads rows.
        width: units of a fully connected or recurrent layer.
        channels: of a convolutional layer.
        recurrent_scale: standard deviation of recurrent weights, times the root of the width.
        clip: largest norm of the recurrent net's gradient once it is clipped.
        epochs: passes over the training images.
        batch_size: images a step.
        rate: step size of plain gradient descent for the fully connected net.
        conv_rate: that of the convolutional net.
        recurrent_rate: that of the recurrent net; a second pair of recurrent nets ("gentle") takes `rate`.
        seed: of the weights and the order.
        device: `auto`, `cpu` or `cuda`.
    """

    dataset: Literal["fashion-mnist", "mnist"] = "fashion-mnist"
    num_train: Annotated[int, Interval(ge=10, le=60_000)] = 1200
    num_test: Annotated[int, Interval(ge=10, le=10_000)] = 500
    depth: Annotated[int, Interval(ge=2, le=200)] = 20
    width: Annotated[int, Interval(ge=1, le=4096)] = 64
    channels: Annotated[int, Interval(ge=1, le=256)] = 8
    recurrent_scale: Annotated[float, Interval(gt=0, le=100)] = 2.0
    clip: Annotated[float, Interval(gt=0, le=1e6)] = 1.0
    epochs: Annotated[int, Interval(ge=1, le=1000)] = 4
    batch_size: Annotated[int, Interval(ge=1, le=60_000)] = 50
    rate: Annotated[float, Interval(gt=0, le=10)] = 0.05
    conv_rate: Annotated[float, Interval(gt=0, le=10)] = 0.01
    recurrent_rate: Annotated[float, Interval(gt=0, le=10)] = 0.4
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_train": 200, "num_test": 200, "epochs": 2},
        "cpu": {},
        "full": {},
    }


class DeepMLP(nn.Module):
    """Equal layers of ReLU units on flat images; `he` sets their weights to variance 2 / inputs, biases to zero."""

    def __init__(self, depth: int, width: int, *, he: bool, pixels: int = 784, num_classes: int = 10) -> None:
        super().__init__()
        layers = [nn.Linear(width if number else pixels, width) for number in range(depth)]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(width, num_classes)
        if he:
            for layer in layers:
                nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.in_features))
                nn.init.zeros_(layer.bias)

    def forward(self, x: Float[Tensor, "batch row column"]) -> tuple[Float[Tensor, "batch class"], list[Tensor]]:
        """Logits, and what each layer gives, first to last."""
        states = [x.flatten(1)]
        for layer in self.layers:
            states.append(torch.relu(layer(states[-1])))
        return self.head(states[-1]), states[1:]


class DeepCNN(nn.Module):
    """ReLU and equal 3 × 3 convolutions on patches of 4 × 4 pixels; `residual` adds each layer to what it reads."""

    def __init__(self, depth: int, channels: int, *, residual: bool, side: int = 28, num_classes: int = 10) -> None:
        super().__init__()
        self.residual = residual
        self.stem = nn.Conv2d(1, channels, 4, stride=4)
        self.layers = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth))
        self.head = nn.Linear(channels * (side // 4) ** 2, num_classes)

    def forward(self, x: Float[Tensor, "batch row column"]) -> tuple[Float[Tensor, "batch class"], list[Tensor]]:
        """Logits, and what each layer gives, first to last."""
        states = [self.stem(x[:, None])]
        for layer in self.layers:
            change = layer(torch.relu(states[-1]))
            states.append(states[-1] + change if self.residual else change)
        return self.head(states[-1].flatten(1)), states[1:]


class RowReader(nn.Module):
    """A recurrent layer of tanh units that reads an image row by row, top to bottom; logits from its last state."""

    def __init__(self, width: int, scale: float, *, columns: int = 28, num_classes: int = 10) -> None:
        super().__init__()
        self.read = nn.Linear(columns, width)
        self.recur = nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, num_classes)
        nn.init.normal_(self.recur.weight, std=scale / math.sqrt(width))

    def forward(self, x: Float[Tensor, "batch row column"]) -> tuple[Float[Tensor, "batch class"], list[Tensor]]:
        """Logits, and the state after each row."""
        states: list[Tensor] = []
        for row in self.read(x).unbind(1):
            states.append(torch.tanh(row + self.recur(states[-1]) if states else row))
        return self.head(states[-1]), states


def clipped(optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor], largest: float) -> torch.optim.Optimizer:
    """The optimiser, which from now on shortens a gradient longer than `largest` before each step."""
    optimizer.register_step_pre_hook(lambda *_: _shorten(parameters, largest))
    return optimizer


def _shorten(parameters: Sequence[Tensor], largest: float) -> None:
    nn.utils.clip_grad_norm_(parameters, largest)


def state_gradients(
    net: nn.Module, x: Float[Tensor, "batch row column"], y: Tensor
) -> tuple[Float[Tensor, " layer"], float]:
    """Norm of the loss's gradient for each layer's output or each time's state, and for all parameters together."""
    logits, states = net(x)
    loss = cross_entropy(logits, y)
    by_state = torch.autograd.grad(loss, states, retain_graph=True)
    by_parameter = torch.autograd.grad(loss, list(net.parameters()))
    return torch.stack([g.norm() for g in by_state]), float(sum(g.square().sum() for g in by_parameter)) ** 0.5


def build(config: Config) -> Task:
    """Eight nets, each a player of its own: without and with a remedy, from one seed; the recurrent pair at two rates.

    Every net keeps the losses of its steps in a buffer, which checkpoints save with its weights.

    Raises:
        DataError, DeviceError: the images or the device are absent.
    """
    device = resolve_device(config.device)
    train = load(config.dataset, "train", n=config.num_train)
    test = load(config.dataset, "test", n=config.num_test)
    images, labels = train.images.to(device), train.labels.to(device)
    shown, wanted = images[:PROBED] / 255, labels[:PROBED]
    num_steps = config.epochs * -(-len(images) // config.batch_size)

    def make(kind: str, remedy: bool) -> nn.Module:
        torch.manual_seed(config.seed)
        if kind == "mlp":
            return DeepMLP(config.depth, config.width, he=remedy)
        if kind == "cnn":
            return DeepCNN(config.depth, config.channels, residual=remedy)
        return RowReader(config.width, config.recurrent_scale)

    nets: dict[str, nn.Module] = {}
    norms: Arrays = {}
    for kind in ("mlp", "cnn", "rnn", "gentle"):
        for remedy in (False, True):
            name = f"{kind}_{'after' if remedy else 'before'}"
            nets[name] = make(kind, remedy).to(device)
            nets[name].register_buffer("losses", torch.full((num_steps,), torch.nan, device=device))
            nets[name].register_buffer("taken", torch.zeros((), dtype=torch.long, device=device))
            by_state, whole = state_gradients(nets[name], shown, wanted)
            shrunk = min(1.0, config.clip / whole) if name in CLIPPED else 1.0
            norms[f"{name}_gradients"] = shrunk * by_state.detach().cpu()

    rates = {"mlp": config.rate, "cnn": config.conv_rate, "rnn": config.recurrent_rate, "gentle": config.rate}

    def player(name: str) -> Player:
        net = nets[name]

        def loss(index: Tensor) -> tuple[Tensor, Terms]:
            per_image = cross_entropy(net(images[index] / 255)[0], labels[index], reduction="none")
            net.get_buffer("losses")[net.get_buffer("taken")] = per_image.mean().detach()
            net.get_buffer("taken").add_(1)
            return per_image.mean(), {"cross_entropy": per_image}

        parameters = list(net.parameters())
        sgd = torch.optim.SGD(parameters, lr=rates[name.partition("_")[0]])
        return Player(loss, [clipped(sgd, parameters, config.clip) if name in CLIPPED else sgd])

    @torch.no_grad()
    def evaluate() -> tuple[Metrics, Arrays]:
        metrics: Metrics = {}
        for name, net in nets.items():
            logits = net(test.images.to(device) / 255)[0].cpu()
            metrics[f"{name}_accuracy"] = (logits.argmax(1) == test.labels).double().mean().item()
            metrics[f"{name}_loss"] = cross_entropy(net(images / 255)[0], labels).item()
        return metrics, norms | {f"{name}_losses": net.get_buffer("losses").cpu() for name, net in nets.items()}

    return Task(
        modules=nets,
        players={name: player(name) for name in nets},
        batches=index_batches(len(images), config.batch_size, config.seed, device),
        num_steps=num_steps,
        evaluate=evaluate,
        payload={**train.payload, **test.payload},
    )
