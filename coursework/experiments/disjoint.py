"""A GAN's discriminator and a Wasserstein critic between two parallel segments: what they say at each distance."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor, nn

from coursework.objectives import Terms
from coursework.objectives.adversarial import (
    gan_discriminator_loss,
    gan_generator_loss,
    wgan_critic_loss,
    wgan_generator_loss,
    wgan_gradient_penalty,
)
from coursework.training.device import resolve_device
from coursework.training.loop import Player
from coursework.training.task import Arrays, Metrics, Task

_NUM_TEST = 512


@dataclass(frozen=True)
class Config:
    """Which game, at which distances, and whether the generator moves.

    Data are uniform on {0} × [0, 1], fakes on {θ} × [0, 1]; the generator's one parameter is θ. Every distance has a
    discriminator of its own; all are trained side by side and know nothing of each other.

    Attributes:
        game: the original game, its generator with the saturating or the other loss; a critic kept Lipschitz by
            clipping its weights, or by a penalty on its gradient.
        distances: θ, or where θ starts if the generator moves.
        moving: whether the generator is trained too, by plain gradient descent, so that a flat loss stays flat.
        num_steps: of the discriminator.
        every: steps of the discriminator per step of the generator.
        width: of its two hidden layers.
        batch_size: points of either kind a step.
        rate: of the discriminator's Adam.
        generator_rate: of the generator's descent.
        clip: largest weight of the clipped critic.
        penalty: weight of the gradient penalty.
        seed: of the weights and the points.
        device: `auto`, `cpu` or `cuda`.
    """

    game: Literal["saturating", "non-saturating", "clipping", "penalty"] = "penalty"
    distances: tuple[Annotated[float, Interval(ge=-100, le=100)], ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    moving: bool = False
    num_steps: Annotated[int, Interval(ge=1, le=100_000)] = 700
    every: Annotated[int, Interval(ge=1, le=1000)] = 5
    width: Annotated[int, Interval(ge=1, le=4096)] = 32
    batch_size: Annotated[int, Interval(ge=1, le=100_000)] = 64
    rate: Annotated[float, Interval(gt=0, le=1)] = 2e-3
    generator_rate: Annotated[float, Interval(gt=0, le=10)] = 0.1
    clip: Annotated[float, Interval(gt=0, le=10)] = 0.1
    penalty: Annotated[float, Interval(gt=0, le=1000)] = 10.0
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "cpu"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {"fast": {"num_steps": 150}, "cpu": {}, "full": {}}


class Members(nn.Module):
    """Several MLPs of one shape, each for points of its own: (member, batch, 2) → (member, batch)."""

    def __init__(self, num_members: int, width: int) -> None:
        super().__init__()
        sizes = ((2, width), (width, width), (width, 1))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(num_members, *size).uniform_(-1, 1) / math.sqrt(size[0])) for size in sizes
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(num_members, 1, size[1])) for size in sizes)

    def forward(self, x: Float[Tensor, "member batch 2"]) -> Float[Tensor, "member batch"]:
        """Logits or scores."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = torch.baddbmm(bias, x, weight)
            if weight.shape[2] > 1:
                x = torch.nn.functional.leaky_relu(x, 0.2)
        return x[..., 0]

    @torch.no_grad()
    def clip(self, largest: float) -> None:
        """Every weight and bias back into ±`largest`."""
        for parameter in self.parameters():
            parameter.clamp_(-largest, largest)


class Line(nn.Module):
    """The generator: a uniform number u becomes the point (θ, u); one θ per member."""

    def __init__(self, theta: tuple[float, ...]) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))

    def forward(self, u: Float[Tensor, "member batch"]) -> Float[Tensor, "member batch 2"]:
        """Points of the segment at θ."""
        return torch.stack([self.theta[:, None].expand_as(u), u], -1)


def build(config: Config) -> Task:
    """The discriminators, the generator and what they say of each other in the end.

    Raises:
        DeviceError: the device is absent.
    """
    device = resolve_device(config.device)
    members = len(config.distances)
    judge = Members(members, config.width).to(device)
    generator = Line(config.distances).to(device)
    critic = config.game in ("clipping", "penalty")

    def segment(u: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(u), u], -1)

    def batches(step: int) -> Tensor:
        source = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        return torch.rand(2, members, config.batch_size, generator=source).to(device)

    def judge_loss(batch: Tensor) -> tuple[Tensor, Terms]:
        real, fake = segment(batch[0]), generator(batch[1]).detach()
        objective = wgan_critic_loss if critic else gan_discriminator_loss
        loss, terms = objective(judge(real).flatten(), judge(fake).flatten())
        if config.game == "penalty":
            terms = {**terms, "penalty": wgan_gradient_penalty(judge, real, fake).flatten()}
            loss = loss + config.penalty * terms["penalty"].mean()
        return members * loss, terms  # the members' mean losses, added up: each moves as if it were alone

    def generator_loss(batch: Tensor) -> tuple[Tensor, Terms]:
        scores = judge(generator(batch[1])).flatten()
        loss, terms = _generator_loss(config.game, scores)
        return members * loss, {**terms, "theta": generator.theta}

    players = {
        "discriminator": Player(
            judge_loss,
            [torch.optim.Adam(judge.parameters(), lr=config.rate, betas=(0.5, 0.9), fused=True)],
            after_step=(lambda: judge.clip(config.clip)) if config.game == "clipping" else None,
        )
    }
    if config.moving:
        descent = torch.optim.SGD(generator.parameters(), lr=config.generator_rate)
        players["generator"] = Player(generator_loss, [descent], every=config.every)

    def evaluate() -> tuple[Metrics, Arrays]:
        u = ((torch.arange(_NUM_TEST, device=device) + 0.5) / _NUM_TEST).expand(members, -1)
        real, fake = judge(segment(u)).detach(), judge(generator(u))
        arrays = {"theta": generator.theta.detach().cpu()}
        if critic:
            arrays["value"] = (real.mean(1) - fake.mean(1)).detach().cpu()
        else:
            arrays["value"] = -torch.stack(
                [gan_discriminator_loss(*pair)[0] for pair in zip(real, fake.detach(), strict=True)]
            ).cpu()
            arrays["fake_probability"] = fake.detach().sigmoid().mean(1).cpu()
        for game in (config.game,) if critic else ("saturating", "non-saturating"):
            (slope,) = torch.autograd.grad(
                torch.stack([_generator_loss(game, row)[0] for row in fake]).sum(), generator.theta, retain_graph=True
            )
            arrays[f"slope {game}"] = slope.cpu()
        return {"farthest": arrays["theta"].abs().max().item()}, arrays

    return Task(
        modules={"discriminator": judge, "generator": generator},
        players=players,
        batches=batches,
        num_steps=config.num_steps,
        evaluate=evaluate,
    )


def _generator_loss(game: str, scores: Tensor) -> tuple[Tensor, Terms]:
    if game in ("clipping", "penalty"):
        return wgan_generator_loss(scores)
    return gan_generator_loss(scores, saturating=game == "saturating")
