"""The cost of an auto-decoder's training step against the number of rows, RowAdam beside torch's optimisers.

A step gathers latents, decodes, goes backwards and updates decoder and table. Sizes and optimisers take turns
within a round; the ratios are of medians over the rounds. Memory: what table and optimiser keep per row, and the
largest tensor that a step makes, which must not grow with the number of rows.
"""

import argparse
import gc
import statistics
from collections.abc import Callable
from typing import Any

import torch
from _measure import cpu_seconds, interleaved, write
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.nets.decoders import SkipDecoder
from coursework.nets.mlp import MLP
from coursework.objectives.elbo import elbo
from coursework.training.device import device_name
from coursework.training.optim import RowAdam

LATENT_DIM, BATCH_SIZE, WIDTH = 64, 64, 512
KINDS = ("RowAdam rows", "RowAdam dense", "SparseAdam", "Adam", "Adam fused")
DENSE = ("Adam", "Adam fused")


class Training:
    """An auto-decoder with a table of `num_rows` rows under the optimiser `kind`; `step` trains it by one step."""

    def __init__(self, kind: str, num_rows: int) -> None:
        self.generator = torch.Generator().manual_seed(0)
        self.num_rows = num_rows
        self.family = FAMILIES["delta"]
        raw = LatentTable(num_rows, LATENT_DIM, self.family, generator=self.generator).raw.detach()
        self.decoder = GaussianDecoder(SkipDecoder(LATENT_DIM, MLP([LATENT_DIM, WIDTH, 28 * 28])), 1.0)
        self.prior = self.family.prior(LATENT_DIM)
        self.weights = torch.optim.Adam(self.decoder.parameters(), lr=1e-3, fused=True)
        self.x = torch.rand(BATCH_SIZE, 28, 28, generator=self.generator)
        if kind.startswith("RowAdam"):
            rows = RowAdam(nn.Parameter(raw), lr=1e-2, mode="rows" if kind.endswith("rows") else "dense")
            self.latents: torch.optim.Optimizer = rows
            self.gather: Callable[[Tensor], Tensor] = rows.gather
        elif kind == "SparseAdam":
            table = nn.Embedding.from_pretrained(raw.flatten(1), freeze=False, sparse=True)
            self.latents = torch.optim.SparseAdam(table.parameters(), lr=1e-2)
            self.gather = lambda index: table(index).view(-1, 1, LATENT_DIM)
        else:
            parameter = nn.Parameter(raw)
            self.latents = torch.optim.Adam([parameter], lr=1e-2, fused=kind.endswith("fused"))
            self.gather = lambda index: parameter[index]

    def step(self) -> None:
        """One step."""
        index = torch.randint(self.num_rows, (BATCH_SIZE,), generator=self.generator).unique()
        self.latents.zero_grad()
        self.weights.zero_grad()
        rows = self.gather(index)
        loss, _ = elbo(self.family(rows), self.decoder, self.prior, self.x[: len(index)], beta=0.0)
        loss.backward()
        self.weights.step()
        self.latents.step()

    def bytes_per_row(self) -> float:
        """What is kept for the table, its values and its optimiser's state, by the number of rows."""
        (parameter,) = self.latents.param_groups[0]["params"]
        state = [value for value in self.latents.state[parameter].values() if isinstance(value, Tensor)]
        return sum(tensor.nbytes for tensor in [parameter, *state]) / self.num_rows


class _Largest(TorchDispatchMode):
    """Bytes of the largest tensor made inside."""

    size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        known = {_address(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and not leaf.is_sparse and _address(leaf) not in known:
                self.size = max(self.size, leaf.untyped_storage().nbytes())
        return out


def _address(tensor: Tensor) -> int:
    return 0 if tensor.is_sparse else tensor.untyped_storage().data_ptr()


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 60_000, 1_000_000])
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = {(kind, size): f"{kind}, {size} rows" for kind in KINDS for size in options.sizes}
    trainings = {case: Training(*case) for case in names}
    largest: dict[str, float] = {}
    for case, training in trainings.items():
        for _ in range(2):
            training.step()  # state and caches come into being
        with _Largest() as made:
            training.step()
        largest[names[case]] = made.size / 1e6

    def timed(case: tuple[str, int]) -> Callable[[], float]:
        repeats = 2 if case[0] in DENSE and case[1] > 100_000 else 30
        step = trainings[case].step
        return lambda: 1000 * cpu_seconds(lambda: [step() for _ in range(repeats)]) / repeats

    gc.collect()
    times = interleaved({name: timed(case) for case, name in names.items()}, options.rounds)
    medians = {case: statistics.median(times[name]) for case, name in names.items()}
    kept = {name: trainings[case].bytes_per_row() for case, name in names.items()}

    print(f"CPU milliseconds per training step, one thread of {device_name()}, median of {options.rounds} rounds")
    print(f"{'':16}" + "".join(f"{size:>12,}" for size in options.sizes) + f"{'last / first':>14}")
    ratios = {}
    for kind in KINDS:
        row = [medians[kind, size] for size in options.sizes]
        ratios[kind] = row[-1] / row[0]
        print(f"{kind:16}" + "".join(f"{value:12.2f}" for value in row) + f"{ratios[kind]:14.2f}")
    print("largest tensor that a step makes, MB · kept for table and optimiser, bytes per row")
    for kind in KINDS:
        cells = (f"{largest[names[kind, size]]:.2f} · {kept[names[kind, size]]:.0f}" for size in options.sizes)
        print(f"{kind:16}" + "".join(f"{cell:>14}" for cell in cells))
    steps = [
        {
            "optimizer": kind,
            "rows": size,
            "milliseconds": times[name],
            "largest_tensor_mb": largest[name],
            "kept_bytes_per_row": kept[name],
        }
        for (kind, size), name in names.items()
    ]
    write("row_adam", {"steps": steps, "last_by_first": ratios})


if __name__ == "__main__":
    main()
