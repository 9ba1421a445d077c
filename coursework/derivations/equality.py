"""Are two expressions equal? Proved symbolically, refuted by a witness, or undecided: never a guess."""

import dataclasses
import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sympy as sp

from coursework.derivations.integrals import centred
from coursework.derivations.naming import check_bound_variables, unfold
from coursework.derivations.registry import DerivationError, formula
from coursework.derivations.spread import differentiate
from coursework.derivations.sums import canonical_sums
from coursework.derivations.witness import Witness, probe

POINTS = 8
"""Random points at which a relation that is not proved is tried."""

CROSS_CHECKS = 2
"""Random points at which even a proved equality is tried: a computer algebra system errs now and then."""


class Status(enum.StrEnum):
    """What is known about a step, a derivation or a claim."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    ARGUED = "argued"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A status, how it came about, and at how many random points both sides were computed."""

    status: Status
    method: str
    points: int
    witness: Witness | None = None

    def __str__(self) -> str:
        """The status and what it rests on, in one line."""
        if self.witness:
            return f"{self.status}: {self.witness}"
        if self.status is Status.PROVED:
            return f"{self.status} ({self.method})"
        places = f"{self.points} random point{'s' * (self.points != 1)}"
        return f"{self.status}: {self.method}, no counterexample at {places}"


def compare(left: Any, right: Any, *, facts: Sequence[sp.Basic] = (), seed: str = "") -> Verdict:
    """Whether two scalars, or two matrices entry by entry, are equal.

    PROVED when symbolic evaluation and simplification take the difference to zero *and* no random point speaks
    against it; REFUTED, with the point, when both sides differ at an admissible point; UNDECIDED otherwise,
    however many points agree.

    Args:
        left: a sympy expression or matrix.
        right: another one, of the same shape.
        facts: relations between the symbols that may be used, such as `p <= m - 1`.
        seed: fixes the random points.

    Raises:
        DerivationError: the shapes differ, a side is no exact formula, or a bound variable's assumptions do not fit
            its range.

    >>> x = sp.Symbol("x", real=True)
    >>> compare(sp.sin(x) ** 2 + sp.cos(x) ** 2, sp.Integer(1)).status
    <Status.PROVED: 'proved'>
    >>> print(compare(sp.sqrt(x**2), x).witness)
    at x = -1: 1 on the left, -1 on the right
    """
    verdicts = []
    for place, (one, other) in enumerate(entries(left, right)):
        verdict = _compare(unfold(one), unfold(other), facts, f"{seed}/{place}")
        if verdict.status is Status.REFUTED:
            return verdict
        verdicts.append(verdict)
    undecided = [verdict for verdict in verdicts if verdict.status is Status.UNDECIDED]
    return (undecided or verdicts)[0]


def _compare(left: sp.Expr, right: sp.Expr, facts: Sequence[sp.Basic], seed: str) -> Verdict:
    check_bound_variables(left, right)
    witness, points = probe(left, right, facts, "=", seed, CROSS_CHECKS)
    method = None if witness else prove(left, right, facts)
    if method is None and witness is None:
        witness, points = probe(left, right, facts, "=", seed, POINTS)
    if witness:
        return Verdict(Status.REFUTED, "a point where the sides differ", points, witness)
    return Verdict(Status.PROVED if method else Status.UNDECIDED, method or "no proof found", points)


def try_relation(left: Any, right: Any, relation: str, *, facts: Sequence[sp.Basic] = (), seed: str = "") -> Verdict:
    """Whether an argued relation survives random points: ARGUED when none speaks against it, else REFUTED."""
    points = []
    for place, (one, other) in enumerate(entries(left, right)):
        one, other = unfold(one), unfold(other)
        check_bound_variables(one, other)
        witness, count = probe(one, other, facts, relation, f"{seed}/{place}", POINTS)
        if witness:
            return Verdict(Status.REFUTED, "a point where the relation fails", count, witness)
        points.append(count)
    return Verdict(Status.ARGUED, "an argument in words", min(points))


def entries(left: Any, right: Any) -> list[tuple[sp.Expr, sp.Expr]]:
    """Pairs of scalars to compare: one for scalars, all entries for matrices.

    Raises:
        DerivationError: the shapes differ, or one side is no exact formula.
    """
    left, right = (
        side.as_explicit() if isinstance(side, sp.MatrixExpr) else side for side in map(formula, (left, right))
    )
    shapes = [getattr(side, "shape", ()) if isinstance(side, sp.MatrixBase) else () for side in (left, right)]
    if shapes[0] != shapes[1]:
        raise DerivationError(f"shape {shapes[0]} on the left, {shapes[1]} on the right: nothing to compare.")
    if not shapes[0]:
        return [(left, right)]
    return list(zip(left.flat(), right.flat(), strict=True))


def prove(left: sp.Expr, right: sp.Expr, facts: Sequence[sp.Basic] = ()) -> str | None:
    """How the difference of two scalars was taken to zero, None if no way was found.

    Ways, cheapest first: the same expression; equal insides of integrals over one range; derivatives carried out
    and sums brought to one form; integrals, sums and derivatives evaluated; then simplification. Nothing is forced:
    what a step may assume, its symbols say.
    """
    if left == right:
        return "the same expression"
    if _same_range(left, right) and prove(left.function, right.function, facts):
        return "equal integrands"
    for method, difference in _differences(left, right, facts):
        if difference == 0:
            return method
    return None


def _same_range(left: sp.Expr, right: sp.Expr) -> bool:
    """Whether both are integrals over one range."""
    return isinstance(left, sp.Integral) and isinstance(right, sp.Integral) and left.limits == right.limits


_SIMPLIFIERS: tuple[tuple[str, Callable[[sp.Expr], sp.Expr]], ...] = (
    ("expansion", sp.expand),
    ("a common denominator", lambda e: sp.cancel(sp.together(e))),
    ("expansion of logarithms", lambda e: sp.expand(sp.expand_log(sp.together(e)))),
    ("trigonometry", sp.trigsimp),
    ("powers", lambda e: sp.expand(sp.powsimp(sp.powdenest(e)))),
    ("gamma functions", sp.gammasimp),
    ("simplification", sp.simplify),
)


def _differences(left: sp.Expr, right: sp.Expr, facts: Sequence[sp.Basic]) -> Iterator[tuple[str, sp.Expr]]:
    """The difference in ever more worked-out forms, each with the name of the way."""
    difference = left - right
    yield "expansion", sp.expand(difference)
    difference = differentiate(difference)
    yield "differentiation", sp.expand(difference)
    if difference.has(sp.Sum):
        difference = canonical_sums(difference, facts)
        yield "linearity of finite sums", difference
    difference = sp.expand(centred(difference)).doit()
    for method, simplify in _SIMPLIFIERS:
        simpler = simplify(difference)
        yield method, canonical_sums(simpler, facts) if simpler.has(sp.Sum) else simpler
