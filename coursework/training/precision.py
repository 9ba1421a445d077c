"""How a task computes: matrix products in half precision, losses compiled. What it computes stays the same."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from coursework.training.loop import Batch
from coursework.training.task import Task

Loss = Callable[[Batch], tuple[Tensor, Mapping[str, Tensor]]]


def prepared(task: Task, config: Any, device: torch.device) -> Task:
    """The task as its config's `precision` and `compiled` ask for, where it has them."""
    if getattr(config, "precision", "float32") == "bfloat16":
        task = in_bfloat16(task, device)
    return compiled(task) if getattr(config, "compiled", False) else task


def in_bfloat16(task: Task, device: torch.device) -> Task:
    """The same task, its losses under autocast: matrix products and convolutions in bfloat16.

    Weights, optimisers and evaluation stay in float32, and so do densities and divergences: what a module or a part of
    it hands out is brought back to float32, so only what is inside a net is in bfloat16. Worth it where the processor
    or GPU multiplies such matrices faster, which a CPU without AVX512_BF16 or AMX does not: there it takes many times
    as long. Check that the final metric stays within its noise.

    Reference: Micikevicius et al., arXiv:1710.03740 (with float16); bfloat16 needs no scaling of the loss.
    """
    for module in task.modules.values():
        for part in (module, *module.children()):
            part.register_forward_hook(_to_float32)

    def cast(loss: Loss) -> Loss:
        def cast_loss(batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
            with torch.autocast(device.type, torch.bfloat16):
                return loss(batch)

        return cast_loss

    return _with_losses(task, cast)


def compiled(task: Task) -> Task:
    """The same task, its losses compiled by `torch.compile`, which takes a while at the first step.

    Sums are taken in another order, so the last digits of a loss differ. Needs a C++ compiler on a CPU.
    """
    return _with_losses(task, torch.compile)


def _with_losses(task: Task, change: Callable[[Loss], Loss]) -> Task:
    players = {name: dataclasses.replace(player, loss=change(player.loss)) for name, player in task.players.items()}
    return dataclasses.replace(task, players=players)


def _to_float32(_module: nn.Module, _inputs: tuple[Any, ...], out: Any) -> Any:
    if isinstance(out, tuple):
        return tuple(_to_float32(_module, _inputs, part) for part in out)
    return out.float() if isinstance(out, Tensor) and out.dtype == torch.bfloat16 else out
