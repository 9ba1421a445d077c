"""The third and second side of every formula: code and an independent computation, at random arguments."""

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp
import torch

from coursework.derivations.naming import unfold
from coursework.derivations.registry import DerivationError
from coursework.derivations.witness import draw

INSTANCES = 8
"""Random arguments at which the last line is compared with the code and with each oracle."""

Instances = Callable[[np.random.Generator], tuple[Any, ...]]
"""Random arguments: numbers or arrays, in the order of a derivation's `arguments`."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far the last line is from another way to the same numbers: the largest relative difference met."""

    name: str
    instances: int
    discrepancy: float
    tolerance: float
    worst: str = ""

    @property
    def holds(self) -> bool:
        """Whether all instances agree within the tolerance; a discrepancy that is not a number does not."""
        return self.discrepancy <= self.tolerance

    def __str__(self) -> str:
        """One line: what was compared, how often, how far apart; where, if too far."""
        text = f"last line against {self.name}: {self.instances} instances, "
        if self.holds:
            return f"{text}all within {self.tolerance:g}"
        return f"{text}relative difference {self.discrepancy:.3g} (allowed {self.tolerance:g}) {self.worst}"


def close_triangle(
    last: sp.Expr,
    others: Mapping[str, Callable[..., Any]],
    arguments: Sequence[sp.Basic],
    *,
    free_indices: Sequence[sp.Symbol] = (),
    facts: Sequence[sp.Basic] = (),
    instances: Instances | None = None,
    tolerance: float = 1e-9,
    seed: str = "",
) -> tuple[Agreement, ...]:
    """The last line, turned into numbers, against each of the other ways to compute them.

    Args:
        last: the expression; its free symbols are arguments, sizes of array arguments and free indices.
        others: name → function of the arguments, given as float64 tensors, that returns a number or an array.
        arguments: symbols and arrays in the order of those functions' parameters.
        free_indices: indices of `last` that run over the axes of the result.
        facts: relations between the symbols that random arguments fulfil.
        instances: draws arguments; None draws numbers from the symbols' assumptions.
        tolerance: largest difference, relative to the larger of 1 and the value, that counts as agreement.
        seed: fixes the arguments.

    Raises:
        DerivationError: the last line has free symbols that nothing binds.
    """
    if not others:
        return ()
    formula = numeric(last, arguments, free_indices)
    rng = np.random.default_rng(list(seed.encode()))
    drawn = [instances(rng) if instances else _numbers(arguments, facts, f"{seed}/{k}") for k in range(INSTANCES)]
    out = []
    for name, other in others.items():
        gaps = []
        for values in drawn:
            result = np.asarray(other(*(torch.as_tensor(value, dtype=torch.float64) for value in values)))
            gaps.append((_gap(formula(values, result.shape), result), f"at {_short(arguments, values)}"))
        worst = max(gaps, key=lambda gap: gap[0])
        out.append(Agreement(name, len(gaps), worst[0], tolerance, worst[1]))
    return tuple(out)


def numeric(
    expression: sp.Expr, arguments: Sequence[sp.Basic], free_indices: Sequence[sp.Symbol] = ()
) -> Callable[[Sequence[Any], tuple[int, ...]], np.ndarray]:
    """The expression as a function of argument values and of the shape over which its free indices run.

    Raises:
        DerivationError: the expression has free symbols that are neither arguments nor sizes nor free indices.
    """
    arrays = [argument for argument in arguments if isinstance(argument, sp.IndexedBase)]
    sizes = {size for array in arrays for size in array.shape or () if not size.is_number}
    order = (*arguments, *sorted(sizes, key=str), *free_indices)
    closed = unfold(expression)
    bound = {*order, *(array.label for array in arrays)}
    loose = {symbol for symbol in closed.free_symbols if isinstance(symbol, sp.Symbol)} - bound
    if loose:
        raise DerivationError(f"last line {expression}: no argument gives a value to {sorted(map(str, loose))}.")
    function = sp.lambdify(order, closed, modules=["scipy", "numpy"])

    def evaluate(values: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
        known = _sizes(arguments, values)
        places = np.indices(shape) if free_indices else ()
        return np.asarray(function(*values, *(known[size] for size in sorted(sizes, key=str)), *places))

    return evaluate


def _sizes(arguments: Sequence[sp.Basic], values: Sequence[Any]) -> dict[sp.Basic, int]:
    known: dict[sp.Basic, int] = {}
    for argument, value in zip(arguments, values, strict=True):
        if isinstance(argument, sp.IndexedBase) and argument.shape:
            for size, length in zip(argument.shape, np.shape(value), strict=True):
                if known.setdefault(size, length) != length or (size.is_number and size != length):
                    raise DerivationError(f"array {argument}: length {length} where {size} was expected.")
    return known


def _numbers(arguments: Sequence[sp.Basic], facts: Sequence[sp.Basic], seed: str) -> tuple[float, ...]:
    point = draw(arguments, facts, random.Random(seed))
    if point is None:
        raise DerivationError(f"no admissible values found for {', '.join(map(str, arguments))}.")
    return tuple(float(point[argument]) for argument in arguments)


def _gap(ours: np.ndarray, theirs: np.ndarray) -> float:
    gap = np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs)))
    return float("inf") if np.isnan(gap) else float(gap)


def _short(arguments: Sequence[sp.Basic], values: Sequence[Any]) -> str:
    return ", ".join(
        f"{name} = {value:.6g}" if np.ndim(value) == 0 else f"{name} of shape {np.shape(value)}"
        for name, value in zip(arguments, values, strict=True)
    )
