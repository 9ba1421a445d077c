"""What a config turns into: everything that training, checkpointing and evaluation need, and no more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from coursework.training.loop import Batch, Player

Metrics = dict[str, float]
Arrays = dict[str, Tensor]


@dataclass(frozen=True)
class Task:
    """A training job, ready to start.

    Attributes:
        modules: everything with weights, by name; saved, restored and counted.
        players: who trains what.
        batches: step → batch.
        num_steps: when training ends.
        evaluate: called once after training; returns numbers and the tensors that figures need.
        finish: called once between training and evaluation.
        payload: data file → SHA-256, for provenance.
    """

    modules: Mapping[str, nn.Module]
    players: Mapping[str, Player]
    batches: Callable[[int], Batch]
    num_steps: int
    evaluate: Callable[[], tuple[Metrics, Arrays]]
    finish: Callable[[], None] | None = None
    payload: Mapping[str, str] = field(default_factory=dict)
