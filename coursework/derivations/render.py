"""Derivations, their ledger and the refuted slips as MyST Markdown, for HTML and LaTeX alike."""

import math
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase

import sympy as sp

from coursework.derivations.core import DERIVATIONS, RELATIONS, Derivation, Report
from coursework.derivations.equality import Status, Verdict
from coursework.derivations.latex import aligned, latex
from coursework.derivations.naming import Named, abbreviations
from coursework.derivations.slips import SLIPS, Slip, SlipReport
from coursework.derivations.triangle import Agreement
from coursework.derivations.width import width
from coursework.derivations.witness import number

_INLINE = 240.0
"""Points: a formula no wider may stand in a line of text."""

UNCHECKED = Report("", (), ())
"""Stands for the report of a check that was not made."""

_SIGNS = dict(zip(RELATIONS, ("=", r"\leq", r"\geq"), strict=True))


def render(derivation: Derivation, report: Report | None = None) -> str:
    """A derivation line by line: the formulas in one display, then each step's reason and what the check found.

    Lines are broken to fit a text width of 160 mm; abbreviations used in the formulas are spelt out first. A letter
    above a sign points to the step's reason, below the formulas.

    Args:
        derivation: what to show.
        report: the outcome of its check; None runs the check, `UNCHECKED` sets the lines without a word on them.

    Raises:
        DerivationError: a formula is too wide and has no place to be broken.
    """
    report = report or derivation.check()
    verdicts = [mark(checked.verdict) for checked in report.steps] or [""] * len(derivation.steps[1:])
    rows = [(derivation.of, "=" if derivation.of else "", derivation.steps[0].expression)]
    reasons = [f"*Start:* {derivation.steps[0].reason}."]
    all_proved = report.steps and all(checked.verdict.status is Status.PROVED for checked in report.steps)
    for letter, step, found in zip(ascii_lowercase, derivation.steps[1:], verdicts, strict=False):
        rows.append(("", rf"\overset{{{letter}}}{{{_SIGNS[step.relation]}}}", step.expression))
        reasons.append(f"({letter}) {step.reason}" + (";" if all_proved or not found else f" — *{found}*;"))
    reasons[-1] = reasons[-1][:-1] + "."
    if all_proved:
        reasons.append("*Proved.*" if len(report.steps) == 1 else "*Each step proved.*")
    if report.agreements:
        reasons.append(_agreements(report.agreements))
    blocks = [*_where(derivation), aligned(*rows), " ".join(reasons)]
    return "\n\n".join(blocks) + "\n"


def mark(verdict: Verdict) -> str:
    """What the page says about a step: proved, argued, checked numerically, or refuted and where."""
    if verdict.status is Status.REFUTED:
        return f"refuted, {verdict.witness}"
    if verdict.status is Status.UNDECIDED:
        return f"not proved; checked numerically at {verdict.points} random points"
    if verdict.status is Status.ARGUED:
        return f"argued; checked numerically at {verdict.points} random points" if verdict.points else "argued"
    return "proved"


def _agreements(agreements: Sequence[Agreement]) -> str:
    """What the last line was compared with, and whether all agreed."""
    if all(agreement.holds for agreement in agreements):
        *most, last = (_named(agreement) for agreement in agreements)
        names = f"{', '.join(most)} and {last}" if most else last
        count, bound = agreements[0].instances, agreements[0].tolerance
        return (
            f"*Checked numerically:* at {count} random instances, the last line agrees to a relative "
            f"{_power(bound)} with {names}."
        )
    return " ".join(f"*Refuted:* the {agreement}." for agreement in agreements if not agreement.holds)


def _power(bound: float) -> str:
    """A tolerance as a power of ten where it is one."""
    exponent = round(math.log10(bound))
    return f"$10^{{{exponent}}}$" if math.isclose(bound, 10.0**exponent) else f"{bound:g}"


def _named(agreement: Agreement) -> str:
    return _code(agreement.name) if agreement.name.startswith("coursework.") else agreement.name


def _code(name: str) -> str:
    """A dotted name as module and function, without the packages around it."""
    return f"`{'.'.join(name.split('.')[-2:])}`"


def ledger(reports: Mapping[str, Report]) -> str:
    """A table of derivations: what is derived, its key, steps proved and argued, and the function that computes it."""
    rows = []
    for key, report in reports.items():
        entry, proved, argued = DERIVATIONS[key], report.count(Status.PROVED), report.count(Status.ARGUED)
        parts = [f"{proved} proved"] * bool(proved) + [f"{argued} argued"] * bool(argued)
        if not report.passed:
            parts.append(f"{len(report.steps) - proved - argued} {report.status}")
        code = f"`{entry.code.rpartition('.')[2]}`" if entry.code else "–"
        rows.append((entry.title, key, ", ".join(parts), code))
    return _table(("Derivation", "Key", "Steps", "Computed by"), rows)


def slip_table(reports: Mapping[str, SlipReport]) -> str:
    """A table of wrong formulas: the verdict, and what the quantity and the printed formula are at the witness."""
    head = ("Formula", "As printed", "Right value", "Printed value", "Corrected")
    rows = []
    for key, report in reports.items():
        witness = report.wrong.witness
        values = [_plain(side) for side in (witness.left, witness.right)] if witness else ["–", "–"]
        rows.append((SLIPS[key].title, str(report.wrong.status), *values, str(report.right.status)))
    return _table(head, rows)


def render_slip(slip: Slip, report: SlipReport | None = None) -> str:
    """One slip: what is wrong, the printed formula where it is short, and the point that refutes it."""
    report = report or slip.check()
    wrong = latex(report.claim.wrong)
    short = width(wrong) < _INLINE and not abbreviations(report.claim.wrong)
    sentences = [f"**{slip.title}.** {slip.says} Met in {slip.source}", f": ${wrong}$." if short else "."]
    witness = report.wrong.witness
    if witness:
        point = ", ".join(f"{name} = {value}" for name, value in witness.point)
        where = f"at `{point}` " if point else ""
        values = f"the quantity is {_plain(witness.left)} and the printed form gives {_plain(witness.right)}"
        sentences.append(f" *{report.wrong.status.capitalize()}:* {where}{values}.")
    else:
        sentences.append(f" *{report.wrong.status.capitalize()}.*")
    derived = f", derived as {slip.derivation}" if slip.derivation else ""
    return "".join(sentences) + f" The right form is *{report.right.status}*{derived}.\n"


def render_slips(reports: Mapping[str, SlipReport]) -> str:
    """All slips, a paragraph each."""
    return "\n".join(render_slip(SLIPS[key], report) for key, report in reports.items())


def _where(derivation: Derivation) -> list[str]:
    """What the abbreviations stand for and what is assumed throughout: in a sentence, or displayed where wide."""
    named: dict[str, Named] = {}
    for step in derivation.steps:
        named |= {name.name: name for name in abbreviations(step.expression)}
    meanings = [f"{latex(name)} = {latex(name.definition)}" for name in named.values()]
    facts = ", ".join(f"${_between(fact)}$" for fact in derivation.facts)
    if not meanings:
        return [f"Throughout, {facts}."] if facts else []
    if max(map(width, meanings)) <= _INLINE:
        listed = ", ".join(f"${meaning}$" for meaning in meanings)
        return [f"Here {listed}; throughout, {facts}." if facts else f"Here {listed}."]
    shown = "Here,\n\n" + aligned(*((latex(name), "=", name.definition) for name in named.values()))
    return [shown, f"Throughout, {facts}."] if facts else [shown]


def _between(fact: sp.Basic) -> str:
    """LaTeX of a relation, with the lower end where it bounds a symbol that is not negative."""
    if isinstance(fact, sp.Le) and fact.lhs.is_Symbol and fact.lhs.is_nonnegative:
        return rf"0 \leq {latex(fact)}"
    return latex(fact)


def _plain(value: sp.Expr) -> str:
    """A number to six digits, with a minus sign that is one."""
    return number(value, 6).replace("-", "−")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *(list(row) for row in rows)]
    cells = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
    return "\n".join([cells[0], "|" + " --- |" * len(lines[0]), *cells[1:]]) + "\n"
