"""Shallow against deep at one number of parameters, on the triangle map composed with itself (question D1)."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval, Len
from jaxtyping import Float
from torch import Tensor, nn

from coursework.derivations.linear_pieces import Layer, deep_sawtooth, triangle
from coursework.errors import ConfigError
from coursework.objectives import Terms
from coursework.training.device import resolve_device
from coursework.training.loop import Player
from coursework.training.schedules import half_cosine
from coursework.training.task import Arrays, Metrics, Task

TEST_POINTS = 8192
CURVE_POINTS = 513


@dataclass(frozen=True)
class Config:
    """Which targets, which nets, how long.

    Attributes:
        powers: how often the triangle map is composed, one target each.
        width: units of each hidden layer of the deep net.
        depth: hidden layers of the deep net; the shallow net gets as many units as give it the same parameters.
        num_points: points of 0…1 a step, one drawn in each of as many equal cells.
        num_steps: steps of Adam.
        rate: first step size of nets that start at random, falling to zero along a half cosine.
        near_rate: that of the deep nets that start near the exact weights; a second set of them takes `rate`.
        noise: standard deviation of what is added to the exact weights to start near them.
        seed: of the weights and the points.
        device: `auto`, `cpu` or `cuda`.
    """

    powers: Annotated[tuple[Annotated[int, Interval(ge=1, le=12)], ...], Len(1, 12)] = (2, 3, 4, 5, 6)
    width: Annotated[int, Interval(ge=2, le=256)] = 8
    depth: Annotated[int, Interval(ge=2, le=32)] = 8
    num_points: Annotated[int, Interval(ge=2, le=65_536)] = 192
    num_steps: Annotated[int, Interval(ge=1, le=1_000_000)] = 1000
    rate: Annotated[float, Interval(gt=0, le=1)] = 1e-2
    near_rate: Annotated[float, Interval(gt=0, le=1)] = 1e-3
    noise: Annotated[float, Interval(gt=0, le=1)] = 1e-2
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"powers": (2, 4), "num_steps": 300},
        "cpu": {},
        "full": {},
    }


class Nets(nn.Module):
    """ReLU nets of one shape, one per target, trained side by side.

    Args:
        weights: per layer (net, out, in).
        biases: per layer (net, out, 1).
    """

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(weights), nn.ParameterList(biases)

    def forward(self, x: Float[Tensor, " point"]) -> Float[Tensor, "net point"]:
        """Every net's output at every point."""
        h = x.expand(len(self.weights[0]), 1, -1)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, weight, torch.relu(h) if number else h)
        return h[:, 0]

    def layers(self, net: int) -> list[Layer]:
        """One net's weights and biases as plain layers."""
        pairs = zip(self.weights, self.biases, strict=True)
        return [(weight[net].detach(), bias[net, :, 0].detach()) for weight, bias in pairs]


def shallow_width(width: int, depth: int) -> int:
    """Units of one hidden layer that has the parameters of `depth` hidden layers of `width` units.

    Raises:
        ConfigError: no whole number does.

    >>> shallow_width(8, 8)
    176
    """
    parameters = 2 * width + (depth - 1) * width * (width + 1) + width + 1
    if (parameters - 1) % 3:
        raise ConfigError(
            f"parameters width = {width}, depth = {depth}: the deep net has {parameters} parameters, which no net with "
            "one hidden layer has. Choose width or depth - 1 so that width (width + 1) (depth - 1) divides by 3."
        )
    return (parameters - 1) // 3


def random_nets(sizes: Sequence[int], count: int, generator: torch.Generator) -> Nets:
    """He's initialisation; the corners of the first layer drawn from 0…1, so that none is wasted outside."""
    weights, biases = [], []
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = number == len(sizes) - 2
        weight = torch.randn(count, outputs, inputs, generator=generator) * math.sqrt((1 if last else 2) / inputs)
        place = torch.rand(count, outputs, 1, generator=generator)
        biases.append(-weight * place if number == 0 else (0 if last else 0.2) * (place - 0.5))
        weights.append(weight)
    return Nets(weights, biases)


def nets_near(powers: Sequence[int], width: int, depth: int, noise: float, generator: torch.Generator) -> Nets:
    """The exact weights in the corner of a wider and deeper net, which passes the value on; all weights disturbed."""
    sizes = [1, *[width] * depth, 1]
    weights = [torch.zeros(len(powers), after, before) for before, after in pairwise(sizes)]
    biases = [torch.zeros(len(powers), after, 1) for after in sizes[1:]]
    for net, power in enumerate(powers):
        for number, (weight, bias) in enumerate(deep_sawtooth(power)):
            weights[number][net, : len(weight), : weight.shape[1]] = weight
            biases[number][net, : len(bias), 0] = bias
        for number in range(power + 1, depth + 1):
            weights[number][net, 0, 0] = 1
    disturbed = [value + noise * torch.randn(value.shape, generator=generator) for value in (*weights, *biases)]
    return Nets(disturbed[: depth + 1], disturbed[depth + 1 :])


def build(config: Config) -> Task:
    """The four sets of nets, each a player of its own, and their errors on a fine grid.

    Raises:
        ConfigError: no shallow net has the deep net's parameters, or the deep net is less deep than the largest power.
        DeviceError: the device is absent.
    """
    if max(config.powers) > config.depth:
        raise ConfigError(f"parameter depth = {config.depth}: give at least the largest power, {max(config.powers)}.")
    device = resolve_device(config.device)
    generator = torch.Generator().manual_seed(config.seed)
    count, deep = len(config.powers), [1, *[config.width] * config.depth, 1]
    nets = {
        "shallow": random_nets([1, shallow_width(config.width, config.depth), 1], count, generator),
        "deep": random_nets(deep, count, generator),
        "near": nets_near(config.powers, config.width, config.depth, config.noise, generator),
    }
    nets["near_large"] = copy.deepcopy(nets["near"])

    def targets(x: Tensor) -> Tensor:
        return torch.stack([triangle(x, power) for power in config.powers])

    def batches(step: int) -> tuple[Tensor, Tensor]:
        drawn = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        x = (torch.arange(config.num_points) + torch.rand(config.num_points, generator=drawn)) / config.num_points
        return x.to(device), targets(x).to(device)

    def player(name: str) -> Player:
        net = nets[name].to(device)

        def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Terms]:
            x, y = batch
            errors = ((net(x) - y) ** 2).mean(1)
            return errors.sum(), {"mse": errors}

        rate = config.near_rate if name == "near" else config.rate
        adam = torch.optim.Adam(net.parameters(), lr=rate, fused=True)
        return Player(loss, [adam], schedules=[lambda step: half_cosine(step, config.num_steps)])

    before = {name: _errors(net, targets) for name, net in nets.items()}

    def evaluate() -> tuple[Metrics, Arrays]:
        metrics: Metrics = {}
        arrays: Arrays = {}
        for name, net in nets.items():
            net.cpu()
            errors = _errors(net, targets)
            for power, start, end in zip(config.powers, before[name].tolist(), errors.tolist(), strict=True):
                metrics |= {f"{name}_{power}_start": start, f"{name}_{power}": end}
            with torch.no_grad():
                arrays[name] = net(torch.linspace(0, 1, CURVE_POINTS))
        return metrics, arrays

    return Task(
        modules=nets,
        players={name: player(name) for name in nets},
        batches=batches,
        num_steps=config.num_steps,
        evaluate=evaluate,
    )


@torch.no_grad()
def _errors(nets: Nets, targets: Any) -> Float[Tensor, " net"]:
    """Mean squared errors over the midpoints of a fine grid."""
    x = (torch.arange(TEST_POINTS) + 0.5) / TEST_POINTS
    device = nets.weights[0].device
    return ((nets(x.to(device)).cpu() - targets(x)) ** 2).mean(1)
