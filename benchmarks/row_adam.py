"""The cost of an auto-decoder's training step against the number of rows, RowAdam beside torch's Adam.

A step gathers latents, decodes, goes backwards and updates decoder and table. Sizes and optimisers take turns
within a round; the ratios are of medians over the rounds.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.nets.decoders import SkipDecoder
from coursework.nets.mlp import MLP
from coursework.objectives.elbo import elbo
from coursework.training.device import device_name
from coursework.training.optim import RowAdam

LATENT_DIM, BATCH_SIZE, WIDTH = 64, 64, 512


def make_step(kind: str, num_rows: int) -> Callable[[], None]:
    """A training step of an auto-decoder with a table of `num_rows` rows under the optimiser `kind`."""
    generator = torch.Generator().manual_seed(0)
    family = FAMILIES["delta"]
    table = LatentTable(num_rows, LATENT_DIM, family, generator=generator)
    decoder = GaussianDecoder(SkipDecoder(LATENT_DIM, MLP([LATENT_DIM, WIDTH, 28 * 28])), 1.0)
    prior = family.prior(LATENT_DIM)
    weights = torch.optim.Adam(decoder.parameters(), lr=1e-3, fused=True)
    latents = (
        torch.optim.Adam([table.raw], lr=1e-2)
        if kind == "torch Adam"
        else RowAdam(table.raw, lr=1e-2, mode=kind.split()[1])
    )
    x = torch.rand(BATCH_SIZE, 28, 28, generator=generator)

    def step() -> None:
        index = torch.randint(num_rows, (BATCH_SIZE,), generator=generator).unique()
        latents.zero_grad()
        weights.zero_grad()
        rows = latents.gather(index) if isinstance(latents, RowAdam) else table.raw[index]
        loss, _ = elbo(family(rows), decoder, prior, x[: len(index)], beta=0.0)
        loss.backward()
        weights.step()
        latents.step()

    return step


def milliseconds(step: Callable[[], None], repeats: int) -> float:
    """Process CPU time of one step, the mean over `repeats`."""
    began = time.process_time()
    for _ in range(repeats):
        step()
    return 1000 * (time.process_time() - began) / repeats


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 60_000, 1_000_000])
    options = parser.parse_args()
    torch.set_num_threads(1)
    kinds = ["RowAdam rows", "RowAdam dense", "torch Adam"]
    cases = {(kind, size): make_step(kind, size) for kind in kinds for size in options.sizes}
    times: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    for case, step in cases.items():
        milliseconds(step, 3 if case[0] == "torch Adam" else 30)
    for _ in range(options.rounds):
        for case, step in cases.items():
            few = case[0] == "torch Adam" and case[1] > 10_000
            times[case].append(milliseconds(step, 3 if few else 40))
    medians = {case: statistics.median(values) for case, values in times.items()}
    print(f"CPU milliseconds per training step, one thread of {device_name()}, median of {options.rounds} rounds")
    print(f"{'':16}" + "".join(f"{size:>12,}" for size in options.sizes) + f"{'last / first':>14}")
    for kind in kinds:
        row = [medians[kind, size] for size in options.sizes]
        print(f"{kind:16}" + "".join(f"{value:12.2f}" for value in row) + f"{row[-1] / row[0]:14.2f}")
    target = Path("build/benchmarks/row_adam.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "processor": device_name(),
        "torch": torch.__version__,
        "milliseconds": {f"{kind}, {size} rows": values for (kind, size), values in times.items()},
    }
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
