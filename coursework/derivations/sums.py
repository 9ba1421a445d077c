"""Finite sums with symbolic bounds, brought to one form: what linearity, and nothing else, can show equal."""

import itertools
import math
from collections.abc import Iterator, Sequence

import sympy as sp
from sympy.core.relational import Relational

Limit = tuple[sp.Symbol, sp.Expr, sp.Expr]
Monomial = tuple[tuple[sp.Expr, ...], tuple[Limit, ...]]


def canonical_sums(expression: sp.Expr, facts: Sequence[sp.Basic] = ()) -> sp.Expr:
    r"""The expression as a linear combination of products of connected sums, bound indices renamed in one way.

    Nested sums are flattened, sums of sums split, factors that do not depend on an index taken out of its sum,
    sums of products of independent factors separated, unused indices counted, and Kronecker deltas whose index
    is known to lie in range (by its assumptions or by `facts`) carried out:
    :math:`\sum_{ij} 2 (s - y_{ij}) x \to 2 m n s x - 2 x \sum_{ij} y_{ij}`.

    Infinite sums, and sums whose bounds depend on other indices, are returned untouched: there, splitting needs
    more than linearity.

    >>> i, k, n = sp.symbols("i k n", integer=True)
    >>> y = sp.IndexedBase("y")
    >>> canonical_sums(sp.Sum(2 * y[i] + 3, (i, 1, n)) - 2 * sp.Sum(y[k], (k, 1, n)))
    3*n
    """
    try:
        return sp.Add(*(_collect(factors, limits, facts) for factors, limits in _monomials(expression)))
    except _NotPlainError:
        return expression


class _NotPlainError(Exception):
    """A sum that linearity alone does not cover."""


def _monomials(expression: sp.Expr) -> Iterator[Monomial]:
    """Products of factors under one flat list of limits; together they add up to the expression."""
    for term in sp.Add.make_args(sp.expand(expression)):
        parts = [_factor(factor) for factor in _factors(term)]
        for choice in itertools.product(*parts):
            factors = tuple(itertools.chain.from_iterable(part for part, _ in choice))
            limits = tuple(itertools.chain.from_iterable(part for _, part in choice))
            yield factors, limits


def _factors(term: sp.Expr) -> Iterator[sp.Expr]:
    for factor in sp.Mul.make_args(term):
        base, exponent = factor.as_base_exp()
        if base.has(sp.Sum) and exponent.is_Integer and exponent > 0:
            yield from [base] * int(exponent)
        else:
            yield factor


def _factor(factor: sp.Expr) -> list[Monomial]:
    if isinstance(factor, sp.Sum):
        return [
            (factors, (*outer, *limits))
            for function, outer in [_renamed(factor)]
            for factors, limits in _monomials(function)
        ]
    if isinstance(factor, sp.Add):
        return list(_monomials(factor))
    return [((factor,), ())]


def _renamed(total: sp.Sum) -> tuple[sp.Expr, tuple[Limit, ...]]:
    """The summand and limits under fresh indices, so that flattened sums never share one by accident."""
    indices = [limit[0] for limit in total.limits]
    if any(len(limit) != 3 or limit[1].has(*indices) or limit[2].has(*indices) for limit in total.limits):
        raise _NotPlainError
    if any(not bound.is_integer or bound.is_infinite for limit in total.limits for bound in limit[1:]):
        raise _NotPlainError
    fresh = {index: sp.Dummy(index.name, **index.assumptions0) for index in indices}
    limits = tuple((fresh[index], low, high) for index, low, high in total.limits)
    return total.function.xreplace(fresh), limits


def _collect(factors: Sequence[sp.Expr], limits: Sequence[Limit], facts: Sequence[sp.Basic]) -> sp.Expr:
    factors, limits = _without_deltas(list(factors), list(limits), facts)
    result = sp.Integer(1)
    while limits:
        group, limits = _connected(limits, factors)
        indices = {index for index, _, _ in group}
        inside = [factor for factor in factors if factor.free_symbols & indices]
        factors = [factor for factor in factors if not factor.free_symbols & indices]
        if inside:
            result *= _canonical(sp.Mul(*inside), group)
        else:
            result *= math.prod(high - low + 1 for _, low, high in group)
    return sp.expand(result * sp.Mul(*factors))


def _without_deltas(
    factors: list[sp.Expr], limits: list[Limit], facts: Sequence[sp.Basic]
) -> tuple[list[sp.Expr], list[Limit]]:
    ranges = [fact for index, low, high in limits for fact in (sp.Le(low, index), sp.Le(index, high))]
    known = [*facts, *ranges]
    for factor, limit in itertools.product(factors, limits):
        index, low, high = limit
        if not (isinstance(factor, sp.KroneckerDelta) and index in factor.args):
            continue
        target = factor.args[1] if factor.args[0] == index else factor.args[0]
        if target.has(index) or not (holds(sp.Le(low, target), known) and holds(sp.Le(target, high), known)):
            continue
        rest = [other.xreplace({index: target}) for other in factors if other is not factor]
        return _without_deltas(rest, [other for other in limits if other is not limit], facts)
    return factors, limits


def _connected(limits: list[Limit], factors: Sequence[sp.Expr]) -> tuple[list[Limit], list[Limit]]:
    """The limits that share factors, directly or not, with the first one; and the others."""
    group = {limits[0][0]}
    indices = {index for index, _, _ in limits}
    grown = True
    while grown:
        linked = [factor.free_symbols & indices for factor in factors if factor.free_symbols & group]
        bigger = group.union(*linked)
        grown, group = bigger != group, bigger
    inside = [limit for limit in limits if limit[0] in group]
    return inside, [limit for limit in limits if limit[0] not in group]


def _canonical(function: sp.Expr, limits: Sequence[Limit]) -> sp.Expr:
    """One of all orders and names of the indices, always the same one."""
    candidates = []
    for order in itertools.permutations(limits):
        new = {index: sp.Symbol(f"_{place}", **index.assumptions0) for place, (index, _, _) in enumerate(order)}
        candidates.append(sp.Sum(function.xreplace(new), *((new[index], low, high) for index, low, high in order)))
    return min(candidates, key=sp.default_sort_key)


def holds(condition: sp.Basic, facts: Sequence[sp.Basic]) -> bool:
    """Whether a relation follows at once: from the symbols' assumptions, or by being one of the facts."""
    if condition in (sp.true, True):
        return True
    if not isinstance(condition, Relational):
        return False
    return condition.canonical in {fact.canonical for fact in facts if isinstance(fact, Relational)}
