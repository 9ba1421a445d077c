import re
import shutil
import subprocess

import pytest
import sympy as sp

from coursework.derivations import DERIVATIONS, SLIPS
from coursework.derivations.core import Derivation, Step
from coursework.derivations.latex import TEXT_WIDTH, aligned, broken, latex
from coursework.derivations.naming import Named, abbreviations, unfold
from coursework.derivations.registry import DerivationError
from coursework.derivations.render import UNCHECKED, ledger, render, render_slip, render_slips, slip_table
from coursework.derivations.width import width

x, y = sp.symbols("x y", real=True)
mu = sp.Symbol("mu", real=True)
sigma = sp.Symbol("sigma", positive=True)
many = sp.symbols("alpha_1:40", real=True)
i, n = sp.symbols("i n", integer=True, nonnegative=True)
u = sp.IndexedBase("u")

MEASURED = {  # points, in TeX Gyre Pagella Math at 11 points, display style, by xelatex
    r"\sigma^{2}": 12,
    r"\log\left(\frac{11}{10}\right) - \frac{21}{242}": 77,
    r"2 x_{pq} \left(s - y_{pq}\right)": 66,
    r"\int\limits_{-\infty}^{\infty} q(x) \left(\log q(x) - \log p(x)\right)\, dx": 150,
    r"\sum_{\substack{0 \leq i \leq m - 1\\0 \leq j \leq n - 1}} \left(s - y_{ij}\right)^{2}": 85,
    r"\mu_{1}^{2} + \mu_{2}^{2} + \mu_{3}^{2} + \mu_{4}^{2} + \mu_{5}^{2} + \mu_{6}^{2} + \mu_{7}^{2}": 160,
    r"\left[\begin{matrix}\alpha & \beta\\\gamma & x\end{matrix}\right]": 35,
    r"\left|{\theta - x}\right| + \max\left(\alpha, \beta\right)": 92,
}


@pytest.mark.parametrize("formula", MEASURED)
def test_widths_are_estimated_on_the_safe_side(formula):
    assert MEASURED[formula] <= width(formula) <= 2.2 * MEASURED[formula]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x - mu, r"x - \mu"),
        (sp.log(x) - sp.log(y), r"\log x - \log y"),
        (2 * x - 2 * y, r"2 \left(x - y\right)"),
        (x * (2 * x - 2 * y), r"2 x \left(x - y\right)"),
        (-x, "- x"),
        (u[i] ** 2, "u_{i}^{2}"),
        (u[1, 12], "u_{1, 12}"),
        (Named("q", sp.exp(x), x) * (1 + x), r"q(x) \left(x + 1\right)"),
        (Named("s", u[i], i) ** 2, "s_{i}^{2}"),
        (sp.exp(-((x - mu) ** 2)) / sp.sqrt(2 * sp.pi), r"\frac{1}{\sqrt{2 \pi}} e^{- \left(x - \mu\right)^{2}}"),
        (sp.Derivative(Named("s", x * y), x), r"\frac{\partial s}{\partial x}"),
        (sp.Sum(2 * u[i] - 2, (i, 0, n)), r"\sum_{i=0}^{n} 2 \left(u_{i} - 1\right)"),
    ],
)
def test_formulas_read_as_they_are_written_by_hand(expression, text):
    assert latex(expression) == text


def test_printing_does_not_change_the_value():
    formulas = [step.expression for entry in DERIVATIONS.values() for step in entry.steps]
    before = [sp.srepr(formula) for formula in formulas]
    for formula in formulas:
        latex(formula)
    assert [sp.srepr(formula) for formula in formulas] == before


LONG = {
    "sum": sum(symbol**2 for symbol in many),
    "signs": sum((-1) ** place * sp.sqrt(symbol**2 + 1) for place, symbol in enumerate(many)),
    "bracket": sp.exp(x) * sum(symbol**2 for symbol in many),
    "brackets in brackets": x * (1 + sp.sin(x) * sum(many)),
    "integral": sp.Integral(sp.exp(-(x**2)) * sum(symbol * x for symbol in many), (x, -sp.oo, sp.oo)),
}


@pytest.mark.parametrize("name", LONG)
def test_long_lines_are_broken_and_every_line_fits(name):
    text = latex(LONG[name])
    assert width(text) > TEXT_WIDTH
    lines = broken(text, TEXT_WIDTH)
    assert len(lines) > 1
    assert max(map(width, lines)) <= TEXT_WIDTH
    for line in lines:
        assert line.count(r"\left") == line.count(r"\right")
        assert line.count("{") == line.count("}")
    joined = "".join(lines).replace(r"\left.", "").replace(r"\right.", "")
    assert re.sub(r"\s", "", joined) == re.sub(r"\s", "", text)


def test_a_formula_without_a_place_to_break_is_refused():
    endless = sp.Mul(*(sp.Function(f"f_{place}")(x) for place in range(60)))
    with pytest.raises(DerivationError, match="Named"):
        aligned(("L", "=", endless))


def test_names_of_sums_need_no_brackets():
    total = Named("S", sp.Sum(sp.Symbol("j"), (sp.Symbol("j"), 1, 3)))
    assert latex(2 * total * sp.exp(x)) in (r"2 S e^{x}", r"2 e^{x} S")
    assert latex(x * sp.log(total)) == r"x \log S"


def test_a_matrix_is_never_broken_inside():
    matrix = sp.ImmutableMatrix([[sum(many[:8]), sum(many[8:16])]])
    text = latex(matrix)
    with pytest.raises(DerivationError, match="Named"):
        broken(text, width(text) - 20)
    lines = broken(f"{text} + {text}", width(text) + 20)
    assert [line.count(r"\begin{matrix}") for line in lines] == [1, 1]


def test_short_formulas_stay_on_one_line():
    assert aligned(("L", "=", x**2)) == "\\begin{align*}\nL &= x^{2}\n\\end{align*}"


def test_abbreviations_are_what_they_stand_for():
    s = Named("s", x * y + 1)
    q = Named("q", sp.exp(-s), x)
    assert unfold(q * s) == sp.exp(-x * y - 1) * (x * y + 1)
    assert unfold(sp.diff(q, x)) == -y * sp.exp(-x * y - 1)
    assert [name.name for name in abbreviations(q + 1)] == ["q", "s"]
    assert latex(q.subs(x, 2)) == "q(2)"
    assert q.free_symbols == {x, y}


def test_a_page_shows_every_step_its_reason_and_its_mark():
    entry = DERIVATIONS["conv-gradient"]
    text = render(entry)
    assert text.count("*Each step proved.*") == 1
    for step in entry.steps:
        assert step.reason in text
        assert latex(step.expression) in text
    for letter, step in zip("abcdefgh", entry.steps[1:], strict=False):
        assert rf"\overset{{{letter}}}{{=}} {latex(step.expression)}" in text
        assert f"({letter}) {step.reason}" in text
    assert text.startswith("Here $s = b + ")
    assert r"$0 \leq p \leq m - 1$" in text
    assert "`broadcast_loss.broadcast_gradients`" in text


def test_marks_tell_the_truth():
    def steps():
        yield Step(sp.log((sigma + 1) / 2), because="the start")
        yield Step(sp.log(sigma) / 2, argued="Jensen", relation=">=")
        yield Step(sp.log(sigma) / 2 + sp.atan(sigma) + sp.atan(1 / sigma) - sp.pi / 2, because="true, not shown")
        yield Step(sigma, because="false")

    text = render(Derivation(key="k", title="t", make_steps=steps, of="J"))
    assert "(a) Jensen — *argued; checked numerically at 8 random points*" in text
    assert re.search(r"&\\overset\{a\}\{\\geq\} \\frac\{(\\log \\sigma\}\{2\}|1\}\{2\} \\log \\sigma)", text)
    assert "*Each step proved.*" not in text
    assert "(b) true, not shown — *not proved; checked numerically at 8 random points*" in text
    assert re.search(r"\(c\) false — \*refuted, at sigma = .*on the left", text)


def test_the_ledger_has_a_row_for_each():
    reports = {key: DERIVATIONS[key].check() for key in ("conv-loss", "conv-bias")}
    lines = ledger(reports).splitlines()
    assert [line.split(" | ")[1] for line in lines[2:4]] == list(reports)
    assert "| 3 proved |" in lines[2]
    assert "| `broadcast_gradients` |" in lines[3]


def test_the_ledger_names_what_is_argued_and_what_fails():
    def steps():
        yield Step(sigma, because="the start")
        yield Step(sigma / 1, argued="said", relation=">=")
        yield Step(2 * sigma, because="false")

    entry = Derivation(key="conv-loss", title="t", make_steps=steps)
    assert "| 1 argued, 1 refuted |" in ledger({"conv-loss": entry.check()})


def test_slips_show_both_values_and_a_formula_that_fits_a_line():
    key = "noise-times-variance"
    report = SLIPS[key].check()
    witness = report.wrong.witness
    row = slip_table({key: report}).splitlines()[2]
    assert [cell.strip() for cell in row.strip("|").split("|")[1:]] == [
        "refuted",
        str(witness.left),
        str(int(witness.right)),
        "proved",
    ]
    text = render_slip(SLIPS[key], report)
    assert "$" not in text
    short = SLIPS["evidence-without-log"]
    assert f": ${latex(short.make_claim().wrong)}$. *Refuted:* " in render_slip(short)
    values = f"the quantity is {witness.left} and the printed form gives {int(witness.right)}"
    assert f"*Refuted:* at `sigma = {dict(witness.point)['sigma']}` {values}. The right form is *proved*" in text
    assert render_slips({key: report}).strip() == text.strip()


def _pages():
    yield from (render(entry) for entry in DERIVATIONS.values())
    yield from (render_slip(entry) for entry in SLIPS.values())


@pytest.mark.skipif(not shutil.which("xelatex"), reason="needs xelatex")
def test_tex_finds_every_formula_narrow_enough(tmp_path):
    formulas = [step.expression for entry in DERIVATIONS.values() for step in entry.steps]
    formulas += [
        getattr(entry.make_claim(), part) for entry in SLIPS.values() for part in ("quantity", "wrong", "right")
    ]
    formulas += [*LONG.values(), sp.Matrix([[x, y], [mu, sigma]]), sp.gamma(sigma) ** 3]
    blocks = [
        aligned(("L", "=", formula)).replace("align*", "aligned")
        for formula in dict.fromkeys(map(sp.ImmutableMatrix._sympify, formulas))
    ]
    tex = [
        r"\documentclass[11pt]{article}",
        r"\usepackage{amsmath}",
        r"\newbox\measured",
        r"\begin{document}",
        *(rf"\setbox\measured\hbox{{$\displaystyle {block}$}}\typeout{{WIDTH \the\wd\measured}}" for block in blocks),
        r"\end{document}",
    ]
    (tmp_path / "widths.tex").write_text("\n".join(tex), encoding="utf-8")
    command = ["xelatex", "-no-pdf", "-interaction=nonstopmode", "widths.tex"]
    log = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    widths = [float(found) for found in re.findall(r"WIDTH ([\d.]+)pt", log)]
    assert len(widths) == len(blocks), log[-2000:]
    assert "! " not in log, log[-2000:]
    assert max(widths) <= TEXT_WIDTH


def test_without_a_check_the_lines_are_set_and_nothing_is_said_of_them():
    entry = DERIVATIONS["bernoulli-slope"]
    checked, unchecked = render(entry), render(entry, UNCHECKED)
    assert unchecked.split("\n\n")[:-1] == checked.split("\n\n")[: len(unchecked.split("\n\n")) - 1]
    assert all(step.reason in unchecked for step in entry.steps)
    for word in ("proved", "hecked", "rgued"):
        assert word not in unchecked
