"""Adam on the rows of a table, at a cost that grows with the batch and not with the table."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

_LONGEST_MEMORY = 256
"""Skipped steps whose momentum still moves a row: 0.9 ** 256 is 2e-12."""


class RowAdam(torch.optim.Optimizer):
    r"""Adam for a table of which a step touches a few rows.

    `gather(index)` hands out the batch's rows as a leaf tensor; after `backward`, `step()` updates those rows and their
    moments and writes them back. Nothing of the table's size is computed, so a step costs the same for a thousand rows
    as for a million.

    Mode `rows`: each row has its own Adam, with its own step count; rows outside the batch stay bit-identical.

    Mode `dense`: what `torch.optim.Adam` does to the whole table. There a row outside the batch has gradient zero, yet
    its momentum goes on moving it. Over the k steps that a row last updated at step T has missed, m and v only decay,
    so the moves add up in closed form, with r = β₁/√β₂ and ε taken at its first missed step:

        Δ = −m_T / (√v_T + ε') · Σ_{j=1..k} lr_{T+j} · r^j · √(1 − β₂^{T+j}) / (1 − β₁^{T+j})

    and `gather` applies it before handing the row out. Call `finish()` once after the last step to bring all rows up
    to date. The sum stops at 256 terms, where r^j has vanished.

    Args:
        table: parameter whose first dimension counts rows. Its own gradient is not used.
        lr: step size, > 0; a loop may change it between steps through `param_groups`.
        betas: decay of the two moments, 0 ≤ β₁ < √β₂ < 1.
        eps: added to the root of the second moment.
        mode: `dense` or `rows`.

    Raises:
        ValueError: a hyper-parameter is out of range, or a batch names a row twice.
        RuntimeError: a second `gather` before the first one's `step`.

    Reference: Kingma and Ba, arXiv:1412.6980, algorithm 1.
    """

    def __init__(
        self,
        table: nn.Parameter,
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        mode: Literal["dense", "rows"] = "dense",
    ) -> None:
        if not lr > 0:
            raise ValueError(f"lr = {lr}: the step size must be positive.")
        if not (0 <= betas[0] < betas[1] ** 0.5 < 1):
            raise ValueError(f"betas = {betas}: needs 0 ≤ β₁ < √β₂ < 1.")
        if mode not in ("dense", "rows"):
            raise ValueError(f"mode = {mode!r}: known are 'dense' and 'rows'.")
        super().__init__([table], {"lr": lr, "betas": betas, "eps": eps})
        self.mode = mode
        self._pending: tuple[Tensor, Tensor] | None = None
        state = self.state[table]
        state["exp_avg"] = torch.zeros_like(table)
        state["exp_avg_sq"] = torch.zeros_like(table)
        state["last_step"] = torch.zeros(len(table), dtype=torch.int32, device=table.device)  # count, in mode rows
        state["step"] = torch.zeros((), dtype=torch.int64)
        state["pace"] = torch.zeros(0, dtype=torch.float64, device=table.device)  # [t]: lr_t·√(1−β₂^t)/(1−β₁^t)

    @property
    def _table(self) -> nn.Parameter:
        return self.param_groups[0]["params"][0]

    @torch.no_grad()
    def gather(self, index: Int[Tensor, " batch"]) -> Float[Tensor, "batch *row"]:
        """The rows `index`, up to date, as a leaf that collects their gradient."""
        if self._pending is not None:
            raise RuntimeError("gather: the rows of the batch before are not stepped yet; call step() or zero_grad().")
        if index.device.type == "cpu" and len(torch.unique(index)) != len(index):
            raise ValueError("gather: a row is named twice in one batch; sample batches without replacement.")
        if self.mode == "dense":
            self._catch_up(index)
        rows = self._table[index].requires_grad_()
        self._pending = (index, rows)
        return rows

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the rows handed out by the last `gather` from their gradient."""
        if closure is not None:
            raise ValueError("closure: RowAdam takes none; compute the loss before step().")
        if self._pending is None:
            raise RuntimeError("step: no rows are waiting; call gather() first.")
        index, rows = self._pending
        self._pending = None
        if rows.grad is None:
            raise RuntimeError("step: the gathered rows have no gradient; call backward() on a loss made of them.")
        group, state = self.param_groups[0], self.state[self._table]
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = int(state["step"])
        m = state["exp_avg"][index].lerp_(rows.grad, 1 - beta1)
        v = state["exp_avg_sq"][index].mul_(beta2).addcmul_(rows.grad, rows.grad, value=1 - beta2)
        state["exp_avg"][index], state["exp_avg_sq"][index] = m, v
        if self.mode == "dense":
            correction1, correction2 = 1 - beta1**step, 1 - beta2**step
            self._remember(step, group["lr"] * correction2**0.5 / correction1)
            state["last_step"][index] = step
            rows.detach().addcdiv_(m, (v / correction2).sqrt_().add_(group["eps"]), value=-group["lr"] / correction1)
        else:
            count = state["last_step"][index] + 1
            state["last_step"][index] = count
            count = count.to(rows.dtype).view(-1, *[1] * (rows.dim() - 1))
            size = group["lr"] / (1 - beta1**count)
            rows.detach().sub_(size * m / (v / (1 - beta2**count)).sqrt_().add_(group["eps"]))
        self._table[index] = rows.detach()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget rows that were gathered and not stepped."""
        self._pending = None

    @torch.no_grad()
    def finish(self) -> None:
        """Bring every row up to date, in mode `dense`; costs one pass over the table."""
        if self.mode == "dense":
            for index in torch.arange(len(self._table), device=self._table.device).split(65_536):
                self._catch_up(index)

    def _remember(self, step: int, pace: float) -> None:
        state = self.state[self._table]
        if step >= len(state["pace"]):
            longer = state["pace"].new_zeros(max(1024, 2 * step))
            longer[: len(state["pace"])] = state["pace"]
            state["pace"] = longer
        state["pace"][step] = pace

    def _catch_up(self, index: Tensor) -> None:
        """Apply to the rows `index` the moves of the steps that they missed, and decay their moments."""
        group, state = self.param_groups[0], self.state[self._table]
        step = int(state["step"])
        if step == 0:
            return
        beta1, beta2 = group["betas"]
        last = state["last_step"][index].long()
        missed = step - last  # (batch,)
        longest = min(_LONGEST_MEMORY, step)
        j = torch.arange(1, longest + 1, device=index.device)
        pace = state["pace"][(last[:, None] + j).clamp_(max=step)]  # (batch, j)
        weight = (beta1 / beta2**0.5) ** j.double()
        total = (pace * weight * (j <= missed[:, None])).sum(1)
        shape = (-1, *[1] * (self._table.dim() - 1))
        m, v = state["exp_avg"][index], state["exp_avg_sq"][index]
        eps = group["eps"] * (1 - beta2 ** (last + 1).double()).sqrt()
        move = total.view(shape) * m / (v.double().sqrt() + eps.view(shape))
        self._table[index] -= move.to(m.dtype)
        state["exp_avg"][index] = m * (beta1 ** missed.double()).to(m.dtype).view(shape)
        state["exp_avg_sq"][index] = v * (beta2 ** missed.double()).to(v.dtype).view(shape)
        state["last_step"][index] = step
