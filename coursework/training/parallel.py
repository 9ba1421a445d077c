"""Data-parallel training: several processes share the weights, and each keeps the latents of its own rows alone.

A latent belongs to one row, so the process that holds the row is the only one that needs it: the table is split by row,
never copied and never sent, and may be larger than a device. What travels is the gradient of the shared weights, added
up over the processes before their optimiser moves. Every process then makes the same step, so the weights stay equal.
The loop is `fit`. Lightning Fabric brings the processes together: gloo between CPUs, NCCL between GPUs.

    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")    # torchrun --nproc-per-node 2 script.py
    fabric.launch()
    shard = Shard(fabric.global_rank, fabric.world_size, num_rows=len(images))
    table = own_rows(whole_table, shard).to(fabric.device)
    player = autodecoder_player(table, decoder, prior, images[shard.rows].to(fabric.device), …)
    batches = shard_batches(len(images), batch_size, seed, shard.count)
    fit_sharded(fabric, {"autodecoder": player}, batches, num_steps, seed=seed)
    raw = gather_rows(fabric, table.raw.detach(), shard)
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coursework.conditionals import LatentTable
from coursework.training.loop import Batch, Player, Record, fit
from coursework.training.optim import RowAdam

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_SENT_AT_ONCE = 65_536
"""Rows per message when a table is put together."""


@dataclass(frozen=True)
class Shard:
    """The rows that one of several processes holds: every `count`-th one, from `rank` on.

    >>> shard = Shard(rank=1, count=3, num_rows=8)
    >>> list(range(8))[shard.rows], len(shard)
    ([1, 4, 7], 3)
    """

    rank: int
    count: int
    num_rows: int

    @property
    def rows(self) -> slice:
        """Their numbers in the whole; row j of the shard is row `rank + j · count`."""
        return slice(self.rank, self.num_rows, self.count)

    def __len__(self) -> int:
        return len(range(self.num_rows)[self.rows])


def own_rows(table: LatentTable, shard: Shard) -> LatentTable:
    """A table of the shard's rows, a copy."""
    raw = table.raw.detach()[shard.rows]
    out = LatentTable(0, raw.shape[-1], table.family)
    out.raw = nn.Parameter(raw.clone())
    return out


def shard_batches(num_rows: int, batch_size: int, seed: int, count: int) -> Callable[[int], list[Tensor]]:
    """Step → the batch of every shard, as row numbers of that shard; together they hold about `batch_size` rows.

    Every row comes once an epoch, in orders drawn from (seed, epoch, shard). The shards' batches differ by a row at
    most, so no process waits for another. A pure function of the step, as `index_batches`.

    Raises:
        ValueError: there are batches with fewer rows than shards.
    """
    per_epoch = max(1, math.ceil(num_rows / batch_size)) if batch_size > 0 else 0
    shards = [Shard(rank, count, num_rows) for rank in range(count)]
    if not per_epoch or len(shards[-1]) < per_epoch:
        raise ValueError(
            f"num_rows = {num_rows}, batch_size = {batch_size} on {count} processes: every process needs at least one "
            "row of every batch. Take larger batches or fewer processes."
        )
    current: dict[int, list[tuple[Tensor, ...]]] = {}

    def batch(step: int) -> list[Tensor]:
        epoch, position = divmod(step, per_epoch)
        if epoch not in current:
            current.clear()
            current[epoch] = []
            for shard in shards:
                generator = torch.Generator().manual_seed((seed * count + shard.rank) * 1_000_003 + epoch)
                order = torch.randperm(len(shard), generator=generator)
                current[epoch].append(order.tensor_split(per_epoch))
        return [parts[position] for parts in current[epoch]]

    return batch


def fit_sharded(
    fabric: "Fabric",
    players: Mapping[str, Player],
    batches: Callable[[int], list[Tensor]],
    num_steps: int,
    *,
    seed: int,
    start: int = 0,
    log_every: int = 50,
    modules: Mapping[str, nn.Module] | None = None,
    on_log: Callable[[int, Record], None] | None = None,
) -> None:
    """Train as `fit` would on the whole batch, each process on its own part of it.

    Args:
        fabric: launched.
        players: whose batches are row numbers of this process's shard. A parameter under `RowAdam` is this process's
            own, every other one is shared and starts as process 0 has it.
        batches: of `shard_batches`, the same on every process.
        num_steps: the step to stop before.
        seed: of the draws that losses make, together with the process's number.
        start: the step to begin with.
        log_every: as `fit`'s.
        modules: as `fit`'s.
        on_log: as `fit`'s; called on every process with the means over all of them.

    Raises:
        NonFiniteError: as `fit`, on the process whose part of the loss is not finite.
    """
    rank, count = fabric.global_rank, fabric.world_size
    shared = [o for player in players.values() for o in player.optimizers if not isinstance(o, RowAdam)]

    def own_part(step: int) -> tuple[Tensor, float]:
        parts = batches(step)
        return parts[rank].to(fabric.device), len(parts[rank]) / sum(map(len, parts))

    def log_all(done: int, record: Record) -> None:
        names = [name for name in record if name != "step"]
        sums = _sum(fabric, torch.tensor([record[name] for name in names]).to(fabric.device))
        if on_log is not None:
            on_log(done, {"step": done, **dict(zip(names, sums.tolist(), strict=True))})

    for optimizer in shared:
        _start_from_first(fabric, optimizer)
    hooks = [o.register_step_pre_hook(lambda o, *_: _add_up_gradients(fabric, o)) for o in shared]
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed * count + rank)
            own = {name: dataclasses.replace(player, loss=_weighted(player.loss)) for name, player in players.items()}
            fit(own, own_part, num_steps, start=start, log_every=log_every, modules=modules, on_log=log_all)
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def gather_rows(fabric: "Fabric", own: Float[Tensor, "own *rest"], shard: Shard) -> Float[Tensor, "row *rest"]:
    """The whole of what is split by row, on the CPU of every process; a device holds a small part of it at a time."""
    longest = math.ceil(shard.num_rows / shard.count)
    padded = torch.cat([own, own.new_zeros(longest - len(own), *own.shape[1:])])
    parts = []
    for part in padded.split(_SENT_AT_ONCE):
        everyone = part.new_zeros(shard.count, *part.shape)  # (rank, j, *rest)
        everyone[shard.rank] = part
        parts.append(_sum(fabric, everyone).transpose(0, 1).flatten(0, 1).cpu())  # row rank + j · count
    return torch.cat(parts)[: shard.num_rows]


def _weighted(
    loss: Callable[[Batch], tuple[Tensor, Mapping[str, Tensor]]],
) -> Callable[[Batch], tuple[Tensor, Mapping[str, Tensor]]]:
    """A mean over this process's rows as its part of the mean over everyone's."""

    def part(batch: tuple[Batch, float]) -> tuple[Tensor, Mapping[str, Tensor]]:
        own, weight = batch
        mean, terms = loss(own)
        return weight * mean, {name: weight * values for name, values in terms.items()}

    return part


@torch.no_grad()
def _add_up_gradients(fabric: "Fabric", optimizer: torch.optim.Optimizer) -> None:
    """Every gradient of the optimiser becomes the sum over the processes, in one message."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    total = _sum(fabric, torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, part in zip(gradients, total.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


@torch.no_grad()
def _start_from_first(fabric: "Fabric", optimizer: torch.optim.Optimizer) -> None:
    """The optimiser's parameters become those of process 0, bit by bit: all others add zeros to them."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            mine = parameter if fabric.global_rank == 0 else torch.zeros_like(parameter)
            parameter.copy_(_sum(fabric, mine.clone()))


def _sum(fabric: "Fabric", tensor: Tensor) -> Tensor:
    """The sum over all processes, on every one of them."""
    total = fabric.all_reduce(tensor, reduce_op="sum")
    assert isinstance(total, Tensor)
    return total
