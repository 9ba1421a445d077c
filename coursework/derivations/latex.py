"""Formulas as LaTeX that fits the page: terms in reading order, long lines broken where a reader would break them."""

import re

import sympy as sp
from sympy.printing.latex import LatexPrinter

from coursework.derivations.naming import Named
from coursework.derivations.registry import DerivationError
from coursework.derivations.width import BINARY, tokens, width

TEXT_WIDTH = 455.0
"""Points: 160 mm, the text width of the PDFs."""

_ROOTS = re.compile(r"\\sqrt\{(\d+)\} \\sqrt\{\\pi\}")


class _Printer(LatexPrinter):
    """Sympy's printer with sums begun by a positive term, and brackets, sums and integrals last in a product."""

    def __init__(self) -> None:
        super().__init__({"order": "none", "long_frac_ratio": 2})

    def _print_Add(self, expr: sp.Expr, order: str | None = None) -> str:
        content, rest = expr.primitive()
        if content.is_Integer and content != 1:
            return self._print_Mul(sp.Mul(content, rest, evaluate=False))
        terms = sorted(expr.as_ordered_terms(), key=lambda term: term.could_extract_minus_sign())
        text = self._print(terms[0])
        for term in terms[1:]:
            minus = term.could_extract_minus_sign()
            body = self._print(-term if minus else term)
            if isinstance(-term if minus else term, sp.Add):
                body = rf"\left({body}\right)"
            text += f" - {body}" if minus else f" + {body}"
        return text

    def _print_Mul(self, expr: sp.Expr) -> str:
        factors = []
        for factor in expr.as_ordered_factors():
            content, rest = factor.primitive() if factor.is_Add else (sp.Integer(1), factor)
            factors += [content, rest] if content.is_Integer and content != 1 else [factor]
        numbers = _roots_below([factor for factor in factors if factor.is_number])
        others = sorted((factor for factor in factors if not factor.is_number), key=_reading_place)
        return super()._print_Mul(sp.Mul(*numbers, *others, evaluate=False))

    def _needs_mul_brackets(self, expr: sp.Expr, first: bool = False, last: bool = False) -> bool:
        names = {name: sp.Dummy() for name in expr.atoms(Named)}  # a short name needs none, whatever it stands for
        return super()._needs_mul_brackets(expr.xreplace(names), first, last)

    def _print_Derivative(self, expr: sp.Derivative) -> str:
        if isinstance(expr.expr, sp.Symbol | Named) and len(expr.variables) == 1:
            above, below = self._print(expr.expr), self._print(expr.variables[0])
            return rf"\frac{{\partial {above}}}{{\partial {below}}}"
        return super()._print_Derivative(expr)

    def _print_Sum(self, expr: sp.Sum) -> str:
        content, rest = expr.function.primitive() if expr.function.is_Add else (sp.Integer(1), expr.function)
        if content.is_Integer and content != 1:
            expr = sp.Sum(sp.Mul(content, rest, evaluate=False), *expr.limits)
        return super()._print_Sum(expr)

    def _print_Indexed(self, expr: sp.Indexed) -> str:
        letters = all(isinstance(index, sp.Symbol) and len(index.name) == 1 for index in expr.indices)
        indices = ("" if letters else ", ").join(self._print(index) for index in expr.indices)
        return f"{self._print(expr.base.label)}_{{{indices}}}"

    def _print_log(self, expr: sp.Expr, exp: str | None = None) -> str:
        argument = expr.args[0]
        name = r"\log" if exp is None else rf"\log^{{{exp}}}"
        if isinstance(argument, sp.Symbol | Named):
            return f"{name} {self._print(argument)}"
        return rf"{name}\left({self._print(argument)}\right)"


def _roots_below(numbers: list[sp.Expr]) -> list[sp.Expr]:
    """The numbers of a product, with √n / 2n written as 1 / 2√n: a Gaussian's constant in its usual form."""
    rational, rest = sp.Mul(*numbers).as_coeff_Mul()
    roots = [factor.base for factor in sp.Mul.make_args(rest) if factor.is_Pow and factor.exp == sp.Rational(1, 2)]
    for root in roots:
        if root.is_Integer and rational.q % root == 0:
            below = sp.Pow(root, -sp.Rational(1, 2), evaluate=False)
            rational, rest = rational * root, sp.Mul(below, rest / sp.sqrt(root), evaluate=False)
            break
    return [*([rational] if rational != 1 else []), *([rest] if rest != 1 else [])]


def _reading_place(factor: sp.Expr) -> int:
    base = factor.as_base_exp()[0]
    if isinstance(base, sp.Sum | sp.Integral | sp.Derivative):
        return 2
    return 1 if base.is_Add or isinstance(base, sp.Function) else 0


def latex(expression: sp.Basic) -> str:
    r"""LaTeX of an expression, in one line.

    >>> x, mu = sp.symbols("x mu")
    >>> latex(2 * (x - mu) * x)
    '2 x \\left(x - \\mu\\right)'
    """
    return _ROOTS.sub(r"\\sqrt{\1 \\pi}", _Printer().doprint(expression))


def aligned(*rows: tuple[str, str, sp.Basic], max_width: float = TEXT_WIDTH) -> str:
    r"""A display of formulas `head sign expression`, in lines at most `max_width` points wide, aligned at the signs.

    A page may end between two lines.

    Args:
        rows: LaTeX before the sign; the sign, a relation such as `=`; and what follows. The first two may be empty.
        max_width: in points, at 11 point type.

    Raises:
        DerivationError: a line has no place where it could be broken. Give a part of it a name, with `Named`.
    """
    indent = r"\quad"
    room = max_width - max(width(f"{head} {sign}") for head, sign, _ in rows) - width(indent)
    lines = []
    for head, sign, expression in rows:
        first, *others = broken(latex(expression), room)
        lines += [f"{head} &{sign} {first}".strip(), *(f"&{indent} {line}" for line in others)]
    body = " \\\\\n".join(lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def broken(text: str, room: float) -> list[str]:
    """A formula's LaTeX as lines of at most `room` points, broken before signs, outside brackets where possible.

    Raises:
        DerivationError: no such lines were found.
    """
    lines = [text]
    for depth in range(4):
        lines = [part for line in lines for part in _packed(line, room, depth)]
        if all(width(line) <= room for line in lines):
            return lines
    raise DerivationError(
        f"a formula is wider than the page and cannot be broken: {text[:120]}… Give a part of it a name, with Named."
    )


def _packed(line: str, room: float, depth: int) -> list[str]:
    """The line cut before signs at bracket depth `depth` into rows that fit, where there are such signs."""
    if width(line) <= room:
        return [line]
    pieces = _pieces(line, depth)
    rows = [pieces[0]]
    for piece in pieces[1:]:
        if width(rows[-1] + piece) + 12 <= room:
            rows[-1] += piece
        else:
            rows.append(piece)
    return _balanced(rows)


def _pieces(line: str, depth: int) -> list[str]:
    pieces, braces, brackets, before = [""], 0, 0, ""
    for token in tokens(line):
        braces += {"{": 1, "}": -1, r"\begin": 1, r"\end": -1}.get(token, 0)
        brackets += {r"\left": 1, r"\right": -1}.get(token, 0)
        binary = token in "+-" and before not in ("", "(", "=", *BINARY)
        if binary and braces == 0 and brackets == depth:
            pieces.append("")
        pieces[-1] += token
        before = before if token.isspace() else token
    return pieces


def _balanced(rows: list[str]) -> list[str]:
    r"""Rows in which every `\left` has its `\right`: brackets that run over a line's end get invisible partners."""
    out, open_before = [], 0
    for row in rows:
        opened = row.count(r"\left") - row.count(r"\right")
        out.append(r"\left." * open_before + row.strip() + r"\right." * (open_before + opened))
        open_before += opened
    return out
