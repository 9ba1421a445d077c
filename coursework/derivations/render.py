"""Derivations, their ledger and the refuted slips as MyST Markdown, for HTML and LaTeX alike."""

import math
from collections.abc import Iterable, Mapping, Sequence

import sympy as sp

from coursework.derivations.core import DERIVATIONS, RELATIONS, Derivation, Report
from coursework.derivations.equality import Status, Verdict
from coursework.derivations.latex import aligned, latex
from coursework.derivations.naming import Named, abbreviations
from coursework.derivations.slips import SLIPS, Slip, SlipReport
from coursework.derivations.triangle import Agreement
from coursework.derivations.witness import number

_SIGNS = dict(zip(RELATIONS, ("=", r"\leq", r"\geq"), strict=True))


def render(derivation: Derivation, report: Report | None = None) -> str:
    """A derivation line by line: each formula displayed, before it its reason and what the check found.

    Lines are broken to fit a text width of 160 mm; abbreviations used in the formulas are spelt out first.

    Args:
        derivation: what to show.
        report: the outcome of its check; None runs the check.

    Raises:
        DerivationError: a formula is too wide and has no place to be broken.
    """
    report = report or derivation.check()
    steps = derivation.steps
    blocks = [*_where(derivation), f"**Start:** {steps[0].reason}."]
    blocks.append(aligned((derivation.of, "=" if derivation.of else "", steps[0].expression)))
    for step, checked in zip(steps[1:], report.steps, strict=True):
        blocks.append(f"**Step {checked.number}:** {step.reason}. — *{mark(checked.verdict)}*")
        blocks.append(aligned(("", _SIGNS[step.relation], step.expression)))
    if report.agreements:
        blocks.append(_agreements(report.agreements))
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
    return "\n\n".join(f"*Refuted:* the {agreement}." for agreement in agreements if not agreement.holds)


def _power(bound: float) -> str:
    """A tolerance as a power of ten where it is one."""
    exponent = round(math.log10(bound))
    return f"$10^{{{exponent}}}$" if math.isclose(bound, 10.0**exponent) else f"{bound:g}"


def _named(agreement: Agreement) -> str:
    return _code(agreement.name) if agreement.name.startswith("coursework.") else agreement.name


def _code(name: str) -> str:
    """A dotted name as function and module, each short enough for a line to be broken between them."""
    module, _, function = name.rpartition(".")
    return f"`{function}` of `{module}`"


def ledger(reports: Mapping[str, Report]) -> str:
    """A table of derivations: status, steps proved and argued, and what they use; below it, the code behind them."""
    head = ("Derivation", "Key", "Steps proved", "Uses")
    rows = []
    behind: dict[str, list[str]] = {}
    for key, report in reports.items():
        entry, argued = DERIVATIONS[key], report.count(Status.ARGUED)
        steps = f"{report.status}, {report.count(Status.PROVED)} of {len(report.steps)}"
        rows.append((entry.title, key, steps + f", {argued} argued" * bool(argued), ", ".join(entry.uses) or "–"))
        if entry.code:
            behind.setdefault(entry.code, []).append(key)
    code = [f"- {', '.join(keys)}: last line computed by {_code(name)}." for name, keys in behind.items()]
    return "\n".join([_table(head, rows), *code]) + "\n"


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
    """One slip in full: the quantity, the printed formula and the right one, and the point that tells them apart."""
    report = report or slip.check()
    claim = report.claim
    shown = _derivation_named(slip)
    blocks = [
        f"**{slip.title}.** {slip.says} Met in {slip.source}.{shown}",
        *_spelt_out([claim.quantity, claim.wrong, claim.right]),
    ]
    rows = (
        (r"\text{quantity}", ":", claim.quantity),
        (rf"\text{{as printed, {report.wrong.status}}}", ":", claim.wrong),
        (rf"\text{{corrected, {report.right.status}}}", ":", claim.right),
    )
    blocks.append(aligned(*((head, r"\colon\quad", formula) for head, _, formula in rows)))
    witness = report.wrong.witness
    if witness:
        values = f"the quantity is {_plain(witness.left)}; the printed form gives {_plain(witness.right)}."
        point = ", ".join(f"{name} = {value}" for name, value in witness.point)
        blocks.append(f"At `{point}` {values}" if point else f"In numbers, {values}")
    return "\n\n".join(blocks) + "\n"


def render_slips(reports: Mapping[str, SlipReport]) -> str:
    """All slips in full, one after the other, as the errata page shows them."""
    return "\n\n".join(render_slip(SLIPS[key], report) for key, report in reports.items())


def _derivation_named(slip: Slip) -> str:
    """A sentence that names the derivation of the right form, empty if there is none."""
    return f" The right form is derived as {slip.derivation}." if slip.derivation else ""


def _where(derivation: Derivation) -> list[str]:
    """What the abbreviations stand for and what is assumed throughout."""
    blocks = _spelt_out([step.expression for step in derivation.steps])
    if derivation.facts:
        facts = ", ".join(f"${_between(fact)}$" for fact in derivation.facts)
        blocks.append(f"Throughout, {facts}.")
    return blocks


def _spelt_out(expressions: Iterable[sp.Basic]) -> list[str]:
    named: dict[str, Named] = {}
    for expression in expressions:
        named |= {name.name: name for name in abbreviations(expression)}
    if not named:
        return []
    return ["Here,\n\n" + aligned(*((latex(name), "=", name.definition) for name in named.values()))]


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
