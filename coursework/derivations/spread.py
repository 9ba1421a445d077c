"""Formulas at a point: finite sums added up term by term, arrays entry by entry, in exact arithmetic."""

import itertools
from collections.abc import Callable, Mapping

import sympy as sp


def spread(expression: sp.Expr, point: Mapping[sp.Basic, sp.Expr], entry: Callable[[sp.Indexed], sp.Expr]) -> sp.Expr:
    """The expression at `point`, its finite sums added up and its array entries given by `entry`.

    A sum inside another one that does not depend on the outer index is added up once, so that a loss over all
    pixels costs the sum, not the product, of the ranges. Integrals and infinite sums stay.

    >>> i, n = sp.symbols("i n", integer=True)
    >>> y = sp.IndexedBase("y")
    >>> spread(sp.Sum(y[i] ** 2, (i, 1, n)), {n: sp.Integer(3)}, lambda term: term.indices[0])
    14
    """
    bound = {limit[0] for node in expression.atoms(sp.Sum, sp.Integral) for limit in node.limits}
    if bound & point.keys():
        expression = expression.as_dummy()
    return _spread(expression.xreplace(dict(point)), entry, {})


def differentiate(expression: sp.Expr) -> sp.Expr:
    """Derivatives carried out, under the sums, which stay as they are."""
    return expression.replace(
        lambda node: isinstance(node, sp.Derivative), lambda node: node.expr.diff(*node.variable_count)
    )


def _spread(expression: sp.Basic, entry: Callable[[sp.Indexed], sp.Expr], seen: dict[sp.Basic, sp.Basic]) -> sp.Basic:
    if expression in seen:
        return seen[expression]
    if isinstance(expression, sp.Indexed):
        ready = all(index.is_Integer for index in expression.indices)
        return entry(expression) if ready else expression
    if not expression.args or not expression.has(sp.Sum, sp.Indexed):
        return expression
    result = expression.func(*(_spread(arg, entry, seen) for arg in expression.args))
    if isinstance(expression, sp.Sum) and isinstance(result, sp.Sum):
        result = _added_up(result, entry)
    if not expression.free_symbols:
        seen[expression] = result
    return result


def _added_up(total: sp.Sum, entry: Callable[[sp.Indexed], sp.Expr]) -> sp.Expr:
    if not all(len(limit) == 3 and all(bound.is_Integer for bound in limit[1:]) for limit in total.limits):
        return total
    indices = [limit[0] for limit in total.limits]
    ranges = [range(int(low), int(high) + 1) for _, low, high in total.limits]
    seen: dict[sp.Basic, sp.Basic] = {}
    terms = (
        _spread(total.function.xreplace(dict(zip(indices, map(sp.Integer, place), strict=True))), entry, seen)
        for place in itertools.product(*ranges)
    )
    return sp.Add(*terms)
