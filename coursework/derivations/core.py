"""Derivations: lists of steps that check themselves, and the registry that tests and pages iterate over."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import sympy as sp

from coursework.derivations.equality import Status, Verdict, compare, try_relation
from coursework.derivations.registry import DerivationError, dotted, formula, register, resolve
from coursework.derivations.triangle import Agreement, Instances, close_triangle

RELATIONS = ("=", "<=", ">=")


@dataclasses.dataclass(frozen=True)
class Step:
    """One line: an expression, and why the line before it equals this one.

    Attributes:
        expression: a sympy scalar or matrix, without floating-point numbers.
        because: the reason, for the reader; the check does not rely on it.
        argued: instead of `because`, an argument in words for a step that algebra does not make (Jensen's
            inequality, an exchange of limits). It is tried at random points, and shown on the page as argued.
        relation: how the line before stands to this one: "=", or for an argued step "<=" or ">=".
    """

    expression: Any
    because: str = ""
    argued: str | None = None
    relation: str = "="

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", formula(self.expression))
        if bool(self.because.strip()) == bool((self.argued or "").strip()):
            raise DerivationError(f"step {self.expression}: give one reason, because= or argued=.")
        if self.relation not in RELATIONS:
            raise DerivationError(f"step relation {self.relation!r}: use one of {', '.join(RELATIONS)}.")
        if self.relation != "=" and not self.argued:
            raise DerivationError(f"step relation {self.relation!r} is for argued steps only: give argued=.")

    @property
    def reason(self) -> str:
        """Why, whichever kind of step it is."""
        return self.argued or self.because


@dataclasses.dataclass(frozen=True)
class StepReport:
    """What the check found about one step; `number` counts from 1, `left` is the line before."""

    number: int
    left: sp.Basic
    right: sp.Basic
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class Report:
    """The outcome of a derivation's check: every step, and every comparison of its last line with numbers."""

    key: str
    steps: tuple[StepReport, ...]
    agreements: tuple[Agreement, ...]

    @property
    def status(self) -> Status:
        """REFUTED if anything is, else UNDECIDED if anything is, else PROVED; argued steps stand on their reason."""
        found = {step.verdict.status for step in self.steps}
        if not all(agreement.holds for agreement in self.agreements):
            found.add(Status.REFUTED)
        return next((status for status in (Status.REFUTED, Status.UNDECIDED) if status in found), Status.PROVED)

    @property
    def passed(self) -> bool:
        """Whether the derivation stands."""
        return self.status is Status.PROVED

    def count(self, status: Status) -> int:
        """How many steps have this status."""
        return sum(step.verdict.status is status for step in self.steps)

    @property
    def failures(self) -> list[str]:
        """A paragraph for everything that is refuted or undecided: step, both sides, witness. Empty if all stands."""
        out = []
        for step in self.steps:
            if step.verdict.status in (Status.REFUTED, Status.UNDECIDED):
                head = f"derivation {self.key!r}, step {step.number} is {step.verdict}"
                out.append(f"{head}\n  left:  {step.left}\n  right: {step.right}")
        out += [f"derivation {self.key!r}: {agreement}" for agreement in self.agreements if not agreement.holds]
        return out

    def __str__(self) -> str:
        """The key and its status, then one line per step and comparison."""
        lines = [f"{self.key}: {self.status}"]
        lines += [f"  step {step.number}: {step.verdict}" for step in self.steps]
        lines += [f"  {agreement}" for agreement in self.agreements]
        return "\n".join(lines)

    def require(self) -> "Report":
        """The report itself.

        Raises:
            DerivationError: the derivation does not stand; lists `failures`.
        """
        if self.failures:
            raise DerivationError("\n".join(self.failures))
        return self


@dataclasses.dataclass(frozen=True)
class Derivation:
    r"""An ordered list of steps with what it derives, what implements it and what it is compared with.

    Attributes:
        key: name in `DERIVATIONS`.
        title: what is derived, in words.
        make_steps: generator function of the steps; runs when steps are asked for, never at import.
        of: LaTeX of what all lines are equal to, such as `\frac{\partial L}{\partial b}`.
        facts: relations between the symbols that hold throughout, such as `p <= m - 1`.
        uses: keys of derivations whose results this one relies on.
        implements: the function that computes the last line in code, or its dotted name.
        arguments: symbols and arrays of the last line, in the order of that function's parameters.
        free_indices: indices of the last line that run over the axes of the function's result.
        oracles: name → independent numeric computation, with the same parameters.
        calling: turns that function, and each oracle, into a function of `arguments`, where they do not take these
            as they are: adds an axis, picks one of several results.
        instances: draws random arguments; None draws numbers from the symbols' assumptions.
        tolerance: largest relative difference at which last line, code and oracles agree.
    """

    key: str
    title: str
    make_steps: Callable[[], Iterator[Step]]
    of: str = ""
    facts: tuple[sp.Basic, ...] = ()
    uses: tuple[str, ...] = ()
    implements: Any = None
    arguments: tuple[sp.Basic, ...] = ()
    free_indices: tuple[sp.Symbol, ...] = ()
    oracles: dict[str, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    calling: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    instances: Instances | None = None
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        object.__setattr__(self, "implements", resolve(self.key, self.implements))
        object.__setattr__(self, "__module__", self.make_steps.__module__)
        if self.implements and not (self.oracles and self.arguments):
            raise DerivationError(
                f"derivation {self.key!r}: implements= needs arguments= (the symbols it takes) and oracles= (an "
                "independent computation to compare both with)."
            )

    @property
    def origin(self) -> str:
        """Dotted name of the function that yields the steps."""
        return dotted(self.make_steps)

    @property
    def code(self) -> str:
        """Dotted name of the implementing function, empty if there is none."""
        return dotted(self.implements) if callable(self.implements) else ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All lines, the first one being what is derived.

        Raises:
            DerivationError: fewer than two lines.
        """
        steps = tuple(self.make_steps())
        if len(steps) < 2:
            raise DerivationError(f"derivation {self.key!r} has {len(steps)} line(s): nothing follows from anything.")
        return steps

    def check(self) -> Report:
        """Every line compared with the one before it, and the last one with the code and the oracles.

        Seeds are made of the key and the step's number: two checks say the same.

        Raises:
            DerivationError: `uses` names no derivation, or two consecutive lines have different shapes.
        """
        unknown = [key for key in self.uses if key not in DERIVATIONS]
        if unknown:
            raise DerivationError(f"derivation {self.key!r} uses {', '.join(unknown)}: no such derivation.")
        steps = self.steps
        pairs = enumerate(itertools.pairwise(steps), start=1)
        reports = tuple(self._check_step(number, before, after) for number, (before, after) in pairs)
        others = {self.code: self.implements, **self.oracles} if callable(self.implements) else self.oracles
        agreements = close_triangle(
            steps[-1].expression,
            {name: self.calling(other) if self.calling else other for name, other in others.items()},
            self.arguments,
            free_indices=self.free_indices,
            facts=self.facts,
            instances=self.instances,
            tolerance=self.tolerance,
            seed=self.key,
        )
        return Report(self.key, reports, agreements)

    def _check_step(self, number: int, before: Step, after: Step) -> StepReport:
        left, right, seed = before.expression, after.expression, f"{self.key}/{number}"
        try:
            if after.argued:
                verdict = try_relation(left, right, after.relation, facts=self.facts, seed=seed)
            else:
                verdict = compare(left, right, facts=self.facts, seed=seed)
        except DerivationError as error:
            raise DerivationError(f"derivation {self.key!r}, step {number}: {error}") from None
        return StepReport(number, left, right, verdict)


DERIVATIONS: dict[str, Derivation] = {}
"""Key → derivation. Importing `coursework.derivations` fills it whole."""


def derivation(key: str, **fields: Any) -> Callable[[Callable[[], Iterator[Step]]], Derivation]:
    """A decorator that registers a generator of steps under `key`; `fields` are those of `Derivation`.

    Raises:
        DerivationError: the key is taken, or `implements` is neither a function nor the dotted name of one.
    """

    def enter(make_steps: Callable[[], Iterator[Step]]) -> Derivation:
        return register(DERIVATIONS, key, Derivation(key=key, make_steps=make_steps, **fields))

    return enter
