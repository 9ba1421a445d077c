"""The loop that trains everything here. It names no model: maximum likelihood is a game with one player."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from coursework.errors import NonFiniteError

Batch = Any
Record = dict[str, float | int]


def constant(_step: int) -> float:
    """A schedule that leaves every rate as it is."""
    return 1.0


@dataclass
class Player:
    """One competing set of parameters: what it minimises and how it moves.

    Attributes:
        loss: batch → (scalar loss, terms per example).
        optimizers: those of this player's parameters; several when parts have rates of their own.
        every: takes part in every so-manieth step.
        schedules: step → factor on an optimiser's rate, one per optimiser; none for constant rates.
        before_step: called with the step before each update, for schedules of what is not a rate; as `batches`, a pure
            function of the step.
        after_step: called after each update, for projections such as weight clipping.
    """

    loss: Callable[[Batch], tuple[Tensor, Mapping[str, Tensor]]]
    optimizers: Sequence[torch.optim.Optimizer]
    every: int = 1
    schedules: Sequence[Callable[[int], float]] = ()
    before_step: Callable[[int], None] | None = None
    after_step: Callable[[], None] | None = None
    _base_rates: list[list[float]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.schedules:
            self.schedules = [constant] * len(self.optimizers)
        self._base_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]

    def set_rates(self, step: int) -> None:
        """Give every optimiser its rate for this step."""
        for optimizer, rates, schedule in zip(self.optimizers, self._base_rates, self.schedules, strict=True):
            factor = schedule(step)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = factor * rate


def fit(
    players: Mapping[str, Player],
    batches: Callable[[int], Batch],
    num_steps: int,
    *,
    start: int = 0,
    log_every: int = 50,
    modules: Mapping[str, nn.Module] | None = None,
    on_log: Callable[[int, Record], None] | None = None,
) -> None:
    """Train: at every step each player, in order, lowers its own loss on the step's batch.

    Args:
        players: by name.
        batches: step → batch; a pure function, so that a resumed run sees the batches of an uninterrupted one.
        num_steps: the step to stop before.
        start: the step to begin with.
        log_every: steps per record; a record holds the means since the last one.
        modules: by name, to say which tensor broke when a loss stops being finite.
        on_log: receives (steps done, record). Between two records nothing but the modules, the optimisers and the
            random state carries over, so this is the place to save a checkpoint.

    Raises:
        NonFiniteError: a loss is not finite; on a GPU found out at the end of the `log_every` steps around it.
    """
    totals: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    recent: list[tuple[int, str, Tensor]] = []
    for step in range(start, num_steps):
        batch = batches(step)
        for name, player in players.items():
            if step % player.every:
                continue
            player.set_rates(step)
            if player.before_step is not None:
                player.before_step(step)
            for optimizer in player.optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss, terms = player.loss(batch)
            recent.append((step, name, loss.detach()))
            if loss.device.type == "cpu" and not math.isfinite(loss.item()):  # on a GPU that would wait for it
                _check_finite(recent, players, modules)
            loss.backward()
            for optimizer in player.optimizers:
                optimizer.step()
            if player.after_step is not None:
                player.after_step()
            means = {"loss": loss.detach(), **{key: value.detach().mean() for key, value in terms.items()}}
            for key, mean in means.items():
                key = f"{name}/{key}"
                totals[key] = totals.get(key, 0.0) + mean
                counts[key] = counts.get(key, 0) + 1
        done = step + 1
        if done % log_every == 0 or done == num_steps:
            _check_finite(recent, players, modules)
            if on_log is not None:
                on_log(done, {"step": done, **{key: (totals[key] / counts[key]).item() for key in totals}})
            totals, counts = {}, {}


def index_batches(
    num_rows: int, batch_size: int, seed: int, device: torch.device | None = None
) -> Callable[[int], Tensor]:
    """Step → the row numbers of its batch; every row once an epoch, in an order drawn from (seed, epoch).

    A pure function of the step, so nothing about it needs saving. The last batch of an epoch may be smaller.

    Raises:
        ValueError: no rows, or a batch of none.
    """
    if num_rows < 1 or batch_size < 1:
        raise ValueError(f"num_rows = {num_rows}, batch_size = {batch_size}: both must be at least 1.")
    per_epoch = math.ceil(num_rows / batch_size)
    current: dict[int, Tensor] = {}

    def batch(step: int) -> Tensor:
        epoch, position = divmod(step, per_epoch)
        if epoch not in current:
            current.clear()
            generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
            current[epoch] = torch.randperm(num_rows, generator=generator).to(device or "cpu")
        return current[epoch][position * batch_size : (position + 1) * batch_size]

    return batch


def _check_finite(
    recent: list[tuple[int, str, Tensor]],
    players: Mapping[str, Player],
    modules: Mapping[str, nn.Module] | None,
) -> None:
    if not recent:
        return
    losses = torch.stack([loss for _, _, loss in recent])
    finite = torch.isfinite(losses)
    if bool(finite.all()):
        recent.clear()
        return
    step, name, loss = recent[int(finite.logical_not().nonzero()[0])]
    rates = ", ".join(f"{group['lr']:.3g}" for o in players[name].optimizers for group in o.param_groups)
    raise NonFiniteError(
        f"the loss of player {name!r} is {loss.item()} at step {step}, at rate {rates}; first tensor that is not "
        f"finite: {_first_not_finite(modules or {})}. The last checkpoint is untouched. Lower the rate, or check the "
        "data's range."
    )


def _first_not_finite(modules: Mapping[str, nn.Module]) -> str:
    tensors: Iterable[tuple[str, Tensor]] = (
        (f"{owner}.{name}", tensor.detach())
        for owner, module in modules.items()
        for name, tensor in module.state_dict(keep_vars=True).items()
    )
    return next((name for name, tensor in tensors if not torch.isfinite(tensor).all()), "the loss itself")
