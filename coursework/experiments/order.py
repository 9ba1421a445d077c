"""Which of two marks came first: a GRU and self-attention, with and without position embeddings."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coursework.models.readers import Reader
from coursework.objectives import Terms
from coursework.training.device import resolve_device
from coursework.training.loop import Player
from coursework.training.schedules import half_cosine
from coursework.training.task import Arrays, Metrics, Task

_LONGER = 2
"""The longer test sequences have so many times the length of those trained on."""


@dataclass(frozen=True)
class Config:
    """Model, task and training.

    Attributes:
        body: what reads the sequence, `gru` or `attention`.
        positions: embeddings of the position: `none`, `add` to those of the tokens, or `concatenate`.
        num_tokens: size of the vocabulary, the two marks included.
        length: tokens of a sequence.
        dim: coordinates of an embedding and of the GRU's state.
        num_steps: training steps, each on new sequences.
        batch_size: sequences a step.
        num_test: sequences of each test.
        rate: first step size of Adam, falling to zero along a half cosine.
        seed: of the weights and the sequences.
        device: `auto`, `cpu` or `cuda`.
    """

    body: Literal["gru", "attention"] = "gru"
    positions: Literal["none", "add", "concatenate"] = "none"
    num_tokens: Annotated[int, Interval(ge=3, le=1000)] = 10
    length: Annotated[int, Interval(ge=2, le=500)] = 12
    dim: Annotated[int, Interval(ge=1, le=1024)] = 32
    num_steps: Annotated[int, Interval(ge=1, le=100_000)] = 150
    batch_size: Annotated[int, Interval(ge=1, le=10_000)] = 64
    num_test: Annotated[int, Interval(ge=1, le=100_000)] = 2000
    rate: Annotated[float, Interval(gt=0, le=1)] = 5e-3
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    PROFILES: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"num_steps": 100, "num_test": 500},
        "cpu": {},
        "full": {},
    }


def sequences(
    count: int, length: int, num_tokens: int, generator: torch.Generator
) -> tuple[Int[Tensor, "batch step"], Bool[Tensor, " batch"]]:
    """Random sequences with exactly one mark 0 and one mark 1, and whether mark 0 comes first.

    The marks' places are two different ones drawn at random; the other tokens are drawn from 2 … `num_tokens` − 1. The
    answer is independent of which tokens a sequence holds: it is in their order alone.
    """
    blank = torch.randint(2, num_tokens, (count, length), generator=generator)
    places = torch.rand(count, length, generator=generator).argsort(1)[:, :2]
    tokens = blank.scatter(1, places, torch.tensor([0, 1]).expand(count, 2))
    return tokens, places[:, 0] < places[:, 1]


def build(config: Config) -> Task:
    """The reader, its Adam, and its accuracy on new sequences, of the length trained on and longer.

    Raises:
        DeviceError: the device is absent.
    """
    device = resolve_device(config.device)
    longer = _LONGER * config.length
    reader = Reader(config.body, config.positions, config.num_tokens, config.dim, longer).to(device)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        tokens, first = sequences(config.batch_size, config.length, config.num_tokens, generator)
        return tokens.to(device), first.to(device)

    def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Terms]:
        tokens, first = batch
        per_sequence = binary_cross_entropy_with_logits(reader(tokens), first.float(), reduction="none")
        return per_sequence.mean(), {"cross_entropy": per_sequence}

    @torch.no_grad()
    def evaluate() -> tuple[Metrics, Arrays]:
        reader.eval()
        metrics: Metrics = {"parameters": float(sum(p.numel() for p in reader.parameters()))}
        arrays: Arrays = {}
        for name, length in (("accuracy", config.length), ("longer_accuracy", longer)):
            generator = torch.Generator().manual_seed(2**40 + config.seed)
            tokens, first = sequences(config.num_test, length, config.num_tokens, generator)
            logits = reader(tokens.to(device)).cpu()
            metrics[name] = ((logits > 0) == first).double().mean().item()
            arrays[name.replace("accuracy", "logits")] = logits
        return metrics, arrays

    return Task(
        modules={"reader": reader},
        players={
            "reader": Player(
                loss,
                [torch.optim.Adam(reader.parameters(), lr=config.rate)],
                schedules=[lambda step: half_cosine(step, config.num_steps)],
            )
        },
        batches=batches,
        num_steps=config.num_steps,
        evaluate=evaluate,
    )
