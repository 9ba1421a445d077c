"""Numbers against a claim: random admissible points, exact where arithmetic allows, else to many digits."""

import dataclasses
import math
import random
from collections.abc import Iterable, Mapping, Sequence

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef

from coursework.derivations.integrals import integrated
from coursework.derivations.spread import differentiate, spread

DIGITS = 50
"""Working precision where exact rational arithmetic does not reach; each value is computed twice, the second time
with fewer digits, and counts only if both agree."""

QUADRATURE_DIGITS = 20
"""Working precision of a value that contains integrals."""

_CLOSE = sp.Rational(1, 10**30)
_CLOSE_BY_QUADRATURE = sp.Rational(1, 10**10)
_TRIES = 400
_SHOWN_ENTRIES = 12

Point = Mapping[sp.Basic, sp.Expr]


@dataclasses.dataclass(frozen=True)
class Witness:
    """A point where two sides do not stand in the claimed relation, and what each of them is there."""

    point: tuple[tuple[str, str], ...]
    left: sp.Expr
    right: sp.Expr

    @property
    def place(self) -> str:
        """The point alone, in words."""
        return "at " + ", ".join(f"{name} = {value}" for name, value in self.point) if self.point else "as it stands"

    def __str__(self) -> str:
        """The point and both sides, numbers shortened to ten digits."""
        return f"{self.place}: {number(self.left)} on the left, {number(self.right)} on the right"


def number(value: sp.Expr, digits: int = 10) -> str:
    """A number as short text: exact if it is a short decimal or fraction, else rounded to `digits` significant ones.

    >>> number(sp.Rational(99, 2)), number(sp.Rational(1, 3)), number(sp.log(2), 4)
    ('49.5', '1/3', '0.6931')
    """
    if value.is_Rational and len(str(value)) <= digits:
        exact = sp.Rational(repr(float(value))) == value
        return f"{float(value):.{digits}g}" if exact else str(value)
    return mpmath.nstr(mpmath.mpmathify(sp.N(value, digits + 5)), digits).removesuffix(".0")


def probe(
    left: sp.Expr, right: sp.Expr, facts: Sequence[sp.Basic], relation: str, seed: str, points: int
) -> tuple[Witness | None, int]:
    """A witness against `left relation right`, or None; and at how many points both sides could be computed.

    Points are drawn from the assumptions that the free symbols carry and fulfil `facts`; array entries are drawn
    from those of the array's label. The first points are small whole numbers, so that a witness is easy to check
    by hand. A point counts only when each side, computed at two precisions, agrees with itself.

    Args:
        left: a scalar expression.
        right: another one.
        facts: relations between the symbols that every point fulfils.
        relation: "=", "<=" or ">=".
        seed: the same text gives the same points.
        points: how many computable points to look for.
    """
    sides = [differentiate(left), differentiate(right)]
    if any(side.has(AppliedUndef, sp.nan, sp.zoo) for side in sides):
        return None, 0
    unknowns = _unknowns(sides)
    constant = not unknowns and not any(side.has(sp.Indexed) for side in sides)
    computed = 0
    for attempt in range(1 if constant else 3 * points):
        if computed == points:
            break
        point = draw(unknowns, facts, random.Random(f"{seed}/{attempt}"), attempt)
        if point is None:
            continue
        entries: dict[sp.Indexed, sp.Expr] = {}
        drawn = _Entries(entries, f"{seed}/{attempt}", attempt)
        one, other = (_value(spread(side, point, drawn)) for side in sides)
        if one is None or other is None:
            continue
        computed += 1
        if not _stands(one, other, relation, any(side.has(sp.Integral, sp.Sum) for side in sides)):
            return Witness(_described(point, entries), one, other), computed
    return None, computed


def draw(
    symbols: Iterable[sp.Symbol], facts: Sequence[sp.Basic], rng: random.Random, attempt: int = 6
) -> dict[sp.Symbol, sp.Expr] | None:
    """Random values that the symbols' assumptions and the facts admit, None if none was found.

    Values grow with `attempt`: small whole numbers first, later fractions of either sign.
    """
    ordered = sorted(symbols, key=lambda symbol: symbol.name)
    for _ in range(_TRIES):
        point = {symbol: _candidate(symbol, rng, attempt) for symbol in ordered}
        if all(_admits(symbol, value) for symbol, value in point.items()) and all(
            fact.subs(point) == sp.true for fact in facts if fact.free_symbols <= point.keys()
        ):
            return point
    return None


class _Entries:
    """Array entries, drawn when first asked for; the same entry of the same point is always the same number."""

    def __init__(self, known: dict[sp.Indexed, sp.Expr], seed: str, attempt: int) -> None:
        self.known, self.seed, self.attempt = known, seed, attempt

    def __call__(self, entry: sp.Indexed) -> sp.Expr:
        if entry not in self.known:
            rng = random.Random(f"{self.seed}/{entry}")
            label = entry.base.label
            drawn = draw([label], (), rng, self.attempt)
            self.known[entry] = sp.nan if drawn is None else drawn[label]
        return self.known[entry]


def _candidate(symbol: sp.Symbol, rng: random.Random, attempt: int) -> sp.Expr:
    size = 1 + attempt // 2
    if symbol.is_integer:
        return sp.Integer(rng.randint(-min(2 * size, 4), min(2 * size, 4)))
    if symbol.is_real:
        return _fraction(rng, size)
    return _fraction(rng, size) + sp.I * _fraction(rng, size)


def _fraction(rng: random.Random, size: int) -> sp.Rational:
    return sp.Rational(rng.randint(-2 * size, 2 * size), rng.randint(1, max(1, size - 1)))


def _admits(symbol: sp.Symbol, value: sp.Expr) -> bool:
    return all(getattr(value, f"is_{name}") is truth for name, truth in symbol.assumptions0.items())


def _unknowns(sides: Sequence[sp.Expr]) -> set[sp.Symbol]:
    """Free scalar symbols: no array names, no array entries."""
    arrays = {base.label for side in sides for base in side.atoms(sp.IndexedBase)}
    free = {symbol for side in sides for symbol in side.free_symbols}
    return {symbol for symbol in free if isinstance(symbol, sp.Symbol) and symbol not in arrays}


def _value(side: sp.Expr) -> sp.Expr | None:
    """The number that a closed expression is, None when it cannot be had reliably."""
    if side.is_Rational:
        return side
    if side.free_symbols:
        return None
    digits = QUADRATURE_DIGITS if side.has(sp.Integral) else DIGITS
    values = []
    for precision in (digits, digits - 5):
        closed = integrated(side, precision)
        value = sp.nan if closed is None else sp.N(closed, precision)
        if not all(part.is_Float or part.is_Rational for part in value.as_real_imag()):
            return None
        values.append(value)
    fine, coarse = values
    return fine if abs(fine - coarse) <= _CLOSE_BY_QUADRATURE / 100 * (1 + abs(fine)) else None


def _stands(left: sp.Expr, right: sp.Expr, relation: str, quadrature: bool) -> bool:
    difference = left - right
    if left.is_Rational and right.is_Rational:
        tolerance = sp.Integer(0)
    else:
        tolerance = (_CLOSE_BY_QUADRATURE if quadrature else _CLOSE) * (1 + abs(left))
    if relation == "=":
        return bool(abs(difference) <= tolerance)
    if not difference.is_real:
        return False
    return bool(difference <= tolerance) if relation == "<=" else bool(difference >= -tolerance)


def _described(point: Point, entries: Mapping[sp.Indexed, sp.Expr]) -> tuple[tuple[str, str], ...]:
    """Names and values as text; of large arrays only how many random entries there were."""
    scalars = [(str(symbol), number(value)) for symbol, value in point.items()]
    if len(entries) > _SHOWN_ENTRIES:
        return (*scalars, ("random array entries", str(len(entries))))
    arrays: dict[str, dict[tuple[int, ...], str]] = {}
    for entry, value in entries.items():
        arrays.setdefault(str(entry.base), {})[tuple(map(int, entry.indices))] = number(value)
    return (*scalars, *(named for name in sorted(arrays) for named in _listed(name, arrays[name])))


def _listed(name: str, values: Mapping[tuple[int, ...], str]) -> list[tuple[str, str]]:
    """An array as one nested list if the entries fill a block that begins at 0 or 1, else entry by entry."""
    axes = [sorted(set(axis)) for axis in zip(*values, strict=True)]
    whole = math.prod(map(len, axes)) == len(values) and all(
        axis[0] in (0, 1) and axis[-1] - axis[0] + 1 == len(axis) for axis in axes
    )
    if not whole:
        return [(f"{name}[{', '.join(map(str, place))}]", values[place]) for place in sorted(values)]

    def block(start: tuple[int, ...]) -> str:
        if len(start) == len(axes):
            return values[start]
        return "[" + ", ".join(block((*start, index)) for index in axes[len(start)]) + "]"

    return [(name, block(()))]
