"""Measured evidence for question D6: what a permutation of the tokens does to attention and to a GRU."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from coursework.report.tables import mean_and_spread

TOLERANCE = 1e-10
"""Largest difference that rounding in double precision explains, for numbers of order one."""

_DIM = 8


def _attended(x: Float[Tensor, "step feature"], weight: Float[Tensor, "three feature feature"]) -> Tensor:
    """Torch's attention of the tokens to each other, without positions."""
    query, key, value = (x @ part for part in weight)
    return scaled_dot_product_attention(query[None], key[None], value[None])[0]


def _recurrent(x: Float[Tensor, "step feature"], seed: int) -> Tensor:
    """The states of a GRU with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gru = nn.GRU(_DIM, _DIM, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        return gru(x[None])[0][0]


def permutation_gaps(count: int, seed: int) -> dict[str, list[float]]:
    """Largest differences over outputs, one per random instance of 2 to 12 tokens and a random permutation of them.

    Returns:
        For attention and the GRU: how far the outputs for permuted tokens are from the permuted outputs, and how far
        the pooled output (the mean; for the GRU the last state) is from the one for the tokens as they were. A
        permutation that moves nothing is drawn again.
    """
    generator = torch.Generator().manual_seed(seed)
    names = ("attention, rows", "attention, pooled", "attention with positions, pooled", "GRU, rows", "GRU, last state")
    found: dict[str, list[float]] = {name: [] for name in names}
    for instance in range(count):
        tokens = int(torch.randint(2, 13, (), generator=generator))

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        x, place, weight = draw(tokens, _DIM), draw(tokens, _DIM), draw(3, _DIM, _DIM) / _DIM**0.5
        order = torch.randperm(tokens, generator=generator)
        while torch.equal(order, torch.arange(tokens)):
            order = torch.randperm(tokens, generator=generator)
        before, after = _attended(x, weight), _attended(x[order], weight)
        placed, moved = _attended(x + place, weight), _attended(x[order] + place, weight)
        states, permuted = _recurrent(x, seed + instance), _recurrent(x[order], seed + instance)
        pairs = (
            (before[order], after),
            (before.mean(0), after.mean(0)),
            (placed.mean(0), moved.mean(0)),
            (states[order], permuted),
            (states[-1], permuted[-1]),
        )
        for name, (one, other) in zip(names, pairs, strict=True):
            found[name].append(float((one - other).abs().max()))
    return found


def permutation_table(count: int, seed: int) -> pd.DataFrame:
    """Per output: how many of `count` random permutations leave it as it was, to `TOLERANCE`."""
    gaps = permutation_gaps(count, seed)
    meanings = {
        "attention, rows": "the same rows, permuted",
        "attention, pooled": "the same",
        "attention with positions, pooled": "the same",
        "GRU, rows": "the same rows, permuted",
        "GRU, last state": "the same",
    }
    return pd.DataFrame(
        [
            {
                "output": name,
                "asked whether": meanings[name],
                "yes": sum(gap <= TOLERANCE for gap in values),
                "no": sum(gap > TOLERANCE for gap in values),
            }
            for name, values in gaps.items()
        ]
    )


READERS: dict[str, tuple[str, str]] = {
    "GRU": ("gru", "none"),
    "GRU, positions added": ("gru", "add"),
    "GRU, positions concatenated": ("gru", "concatenate"),
    "attention": ("attention", "none"),
    "attention, positions added": ("attention", "add"),
}
"""Label → body and positions of the readers compared on the page."""

AT_CHANCE = 0.05
"""An accuracy nearer to one half than this is called chance."""

SOLVED = 0.95
"""An accuracy of at least this is called solved."""


def reader_table(metrics: Mapping[str, Sequence[Mapping[str, float]]]) -> pd.DataFrame:
    """One row per reader: parameters, and mean and spread over seeds of both accuracies.

    Args:
        metrics: label → the metrics of the runs that differ in their seed.
    """
    return pd.DataFrame(
        [
            {
                "reader": label,
                "parameters": f"{runs[0]['parameters']:,.0f}",
                "accuracy": mean_and_spread([run["accuracy"] for run in runs], ".3f"),
                "twice as long": mean_and_spread([run["longer_accuracy"] for run in runs], ".3f"),
            }
            for label, runs in metrics.items()
        ]
    )


def verdict(accuracies: Iterable[float]) -> str:
    """`solved`, `chance` or `between`, the same for all accuracies; `mixed` where they differ."""
    words = {
        "solved" if value >= SOLVED else "chance" if abs(value - 0.5) < AT_CHANCE else "between" for value in accuracies
    }
    return words.pop() if len(words) == 1 else "mixed"
