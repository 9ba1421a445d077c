"""Evidence for study S-TR: exponents at initialisation, what one step does, and both products against autograd."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from coursework.derivations.initial_gradients import (
    DEPTHS,
    LABELS,
    LIMITS,
    NORMS,
    Exponent,
    Initial,
    blocks_of,
    exponent,
    last_gradients,
    last_lengths,
    output_shift,
)
from coursework.derivations.layer_norm import layer_norm_backward
from coursework.derivations.residual_norm import Norm, product_backward, product_by_autograd
from coursework.nets.transformer import Stack, TransformerBlock


@dataclass(frozen=True)
class Probe:
    """How much a page measures: widths, depths, seeds at initialisation, and training runs."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    num_seeds: int
    num_runs: int


PROBES = {
    "fast": Probe((16,), (1, 2, 4, 8), 3, 1),
    "cpu": Probe((64, 128), DEPTHS, 8, 1),
    "full": Probe((64, 128, 256), DEPTHS, 16, 3),
}
"""Profile → how much."""


def depth_panels(
    surveys: Mapping[tuple[Norm, int], Sequence[Sequence[Initial]]], exponents: Mapping[tuple[Norm, int], Exponent]
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, dict[str, float]]]:
    """Norm → width → last layers' gradients (seed, depth), and their fitted exponents in the same order."""
    values: dict[str, dict[str, np.ndarray]] = {LABELS[norm]: {} for norm in NORMS}
    fits: dict[str, dict[str, float]] = {LABELS[norm]: {} for norm in NORMS}
    for (norm, width), found in surveys.items():
        values[LABELS[norm]][f"width {width}"] = last_gradients(found)
        fits[LABELS[norm]][f"width {width}"] = exponents[norm, width].value
    return values, fits


def shift_table(dim: int, seeds: Sequence[int], depths: Sequence[int]) -> pd.DataFrame:
    """Per depth: `output_shift` of both norms, geometric means over seeds, and their ratio."""
    rows = []
    for depth in depths:
        post, pre = (
            float(np.exp(np.mean([np.log(output_shift(norm, dim, depth, seed)) for seed in seeds]))) for norm in NORMS
        )
        rows.append({"layers": depth, "post-LN": post, "pre-LN": pre, "post-LN / pre-LN": post / pre})
    return pd.DataFrame(rows)


def shown(frame: pd.DataFrame, form: str = ".2g") -> pd.DataFrame:
    """The table with its floating-point numbers as short text."""
    return frame.map(lambda value: f"{value:{form}}" if isinstance(value, float) else value)


def exponent_table(
    surveys: Mapping[tuple[Norm, int], Sequence[Sequence[Initial]]], depths: Sequence[int]
) -> pd.DataFrame:
    """Per norm and width: the fitted exponent, what the lengths' own growth predicts over these depths, the limit."""
    rows = []
    for (norm, dim), found in surveys.items():
        fitted = exponent(last_gradients(found), depths)
        lengths = exponent(last_lengths(found) ** -0.5, depths)
        rows.append(
            {
                "LayerNorm": LABELS[norm],
                "width": dim,
                "exponent": f"{fitted.value:.3f}",
                "95 % interval": f"{fitted.low:.3f} to {fitted.high:.3f}",
                "of the inverse length": f"{lengths.value:.3f}",
                "limit": f"{LIMITS[norm]:g}",
                "within the bar": "yes" if fitted.near(LIMITS[norm]) else "no",
            }
        )
    return pd.DataFrame(rows)


def _random_stack(norm: Norm, dim: int, depth: int, seed: int) -> Stack:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Stack(depth, dim, 2, 2 * dim, norm)


def stack_backward(
    stack: Stack, x: Float[Tensor, "1 step dim"], g: Float[Tensor, "1 step dim"]
) -> Float[Tensor, "1 step dim"]:
    """∂L/∂x through a stack, its factors applied one by one: LayerNorm's by the derived formula, not by autograd."""
    states: list[tuple[Callable[[Tensor], Tensor], nn.LayerNorm, Tensor]] = []
    for block in blocks_of(stack):
        for part, norm in ((_attend(block), block.attention_norm), (block.feed_forward, block.feed_forward_norm)):
            states.append((part, norm, x))
            x = x + part(norm(x)) if block.norm == "pre" else norm(x + part(x))
    if isinstance(stack.last, nn.LayerNorm):
        g = _rows_back(stack.last, x, g)
    for part, norm, x in reversed(states):
        if isinstance(stack.last, nn.LayerNorm):
            g = g + _rows_back(norm, x, torch.func.vjp(part, norm(x))[1](g)[0])
        else:
            g = _rows_back(norm, x + part(x), g)
            g = g + torch.func.vjp(part, x)[1](g)[0]
    return g


def _attend(block: TransformerBlock) -> Callable[[Tensor], Tensor]:
    return lambda h: block.attention(h, h)


def _rows_back(norm: nn.LayerNorm, x: Tensor, g: Tensor) -> Tensor:
    eps = torch.tensor(norm.eps, dtype=x.dtype)
    rows = [layer_norm_backward(row, norm.weight, eps, up) for row, up in zip(x[0], g[0], strict=True)]
    return torch.stack(rows)[None].detach()


def product_gaps(depths: Sequence[int] = (1, 5, 8, 16), dim: int = 16, seed: int = 0) -> pd.DataFrame:
    """Largest difference between product and autograd, relative to the gradient's norm: tanh layers, and blocks."""
    rows = []
    for depth in depths:
        row: dict[str, object] = {"layers": depth}
        generator = torch.Generator().manual_seed(seed)
        x, g = torch.randn(2, dim, generator=generator, dtype=torch.float64)
        weights = torch.randn(depth, dim, dim, generator=generator, dtype=torch.float64) / dim**0.5
        states, slopes = torch.randn(2, 1, 6, dim, generator=generator, dtype=torch.float64)
        for norm in NORMS:
            exact = product_by_autograd(norm, x, list(weights), g)
            row[f"{LABELS[norm]}, tanh"] = float(
                (product_backward(norm, x, list(weights), g) - exact).norm() / exact.norm()
            )
            stack = _random_stack(norm, dim, depth, seed).double().requires_grad_(False)
            exact = torch.func.vjp(stack, states)[1](slopes)[0]
            row[f"{LABELS[norm]}, blocks"] = float(
                (stack_backward(stack, states, slopes) - exact).norm() / exact.norm()
            )
        rows.append(row)
    return pd.DataFrame(rows)
