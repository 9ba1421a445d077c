"""Negative controls: formulas that are wrong in print, kept to show that the checks would have caught them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import sympy as sp

from coursework.derivations.equality import Status, Verdict, compare
from coursework.derivations.registry import DerivationError, dotted, formula, register


@dataclasses.dataclass(frozen=True)
class Claim:
    """A quantity as it is defined, what was printed for it, and what it is."""

    quantity: Any
    wrong: Any
    right: Any

    def __post_init__(self) -> None:
        for name in ("quantity", "wrong", "right"):
            object.__setattr__(self, name, formula(getattr(self, name)))


@dataclasses.dataclass(frozen=True)
class SlipReport:
    """The verdicts on `quantity = wrong` and `quantity = right`."""

    key: str
    claim: Claim
    wrong: Verdict
    right: Verdict

    @property
    def passed(self) -> bool:
        """Whether the printed form is refuted by a witness and the right one proved."""
        return self.wrong.status is Status.REFUTED and self.right.status is Status.PROVED

    def __str__(self) -> str:
        """The key and both verdicts."""
        return f"{self.key}\n  as printed: {self.wrong}\n  corrected:  {self.right}"


@dataclasses.dataclass(frozen=True)
class Slip:
    """A mistake met in the course's documents, as two claims that can be checked.

    Attributes:
        key: name in `SLIPS`.
        title: what the formula is about, in a few words.
        says: what is wrong with it, in a sentence; no numbers, the claim has them.
        source: where it was met, in words.
        make_claim: function that builds the claim; runs when it is asked for, never at import.
        facts: relations between the symbols that hold throughout.
        decimals: when the printed number is rounded, to how many decimals: it is refuted only if it is off by more
            than half a unit of the last one.
        derivation: key of the derivation that shows the right form in full, if there is one.
    """

    key: str
    title: str
    says: str
    source: str
    make_claim: Callable[[], Claim]
    facts: tuple[sp.Basic, ...] = ()
    decimals: int | None = None
    derivation: str = ""

    @property
    def origin(self) -> str:
        """Dotted name of the function that builds the claim."""
        return dotted(self.make_claim)

    def check(self) -> SlipReport:
        """Both claims compared with the quantity; the same points every time."""
        claim = self.make_claim()
        wrong = compare(claim.quantity, claim.wrong, facts=self.facts, seed=f"{self.key}/wrong")
        if self.decimals is not None and wrong.witness is not None:
            gap = abs(wrong.witness.left - wrong.witness.right)
            if gap <= sp.Rational(1, 2 * 10**self.decimals):
                wrong = Verdict(Status.UNDECIDED, "right to the digits that were printed", wrong.points)
        right = compare(claim.quantity, claim.right, facts=self.facts, seed=f"{self.key}/right")
        return SlipReport(self.key, claim, wrong, right)


SLIPS: dict[str, Slip] = {}
"""Key → slip. Importing `coursework.derivations` fills it whole."""


def slip(key: str, **fields: Any) -> Callable[[Callable[[], Claim]], Slip]:
    """A decorator that registers a function returning a `Claim` under `key`; `fields` are those of `Slip`.

    Raises:
        DerivationError: the key is taken, or nothing says what is wrong.
    """

    def enter(make_claim: Callable[[], Claim]) -> Slip:
        entry = Slip(key=key, make_claim=make_claim, **fields)
        if not entry.says.strip():
            raise DerivationError(f"slip {key!r}: says= must say what is wrong.")
        return register(SLIPS, key, entry)

    return enter
