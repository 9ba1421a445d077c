"""Abbreviations inside formulas: a name on the page that is, for every check, exactly what it stands for."""

import sympy as sp
from sympy.core.symbol import Str
from sympy.printing.latex import LatexPrinter


class Named(sp.Expr):
    """An expression printed under a short name: `Named("s", w * x + b)` prints as s.

    Arguments after the definition are printed with the name, integers as indices and others in brackets:
    s_c, q(x). A page lists what every name stands for, read from the expression itself, so that the printed
    text cannot drift from the one that is checked.
    """

    is_commutative = True

    def __new__(cls, name: str | Str, definition: sp.Expr, *shown: sp.Expr) -> "Named":
        """The abbreviation; `name` is LaTeX."""
        label = name if isinstance(name, Str) else Str(name)
        return super().__new__(cls, label, sp.sympify(definition), *map(sp.sympify, shown))

    @property
    def name(self) -> str:
        """LaTeX of the name, without arguments."""
        return self.args[0].name

    @property
    def definition(self) -> sp.Expr:
        """What it stands for, one level down."""
        return self.args[1]

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """Those of the definition; the name itself is text."""
        return self.definition.free_symbols

    def doit(self, **hints: object) -> sp.Expr:
        """The definition, evaluated."""
        return self.definition.doit(**hints)

    def _eval_derivative(self, symbol: sp.Expr) -> sp.Expr:
        return self.definition.diff(symbol)

    def _eval_is_real(self) -> bool | None:
        return self.definition.is_real

    def _eval_is_positive(self) -> bool | None:
        return self.definition.is_positive

    def _latex(self, printer: LatexPrinter) -> str:
        shown = self.args[2:]
        body = ", ".join(printer.doprint(arg) for arg in shown)
        text = self.name
        if shown and all(arg.is_integer for arg in shown):
            text = f"{text}_{{{body}}}"
        elif shown:
            text = f"{text}({body})"
        return text


def unfold(expression: sp.Basic) -> sp.Basic:
    """The expression with every abbreviation replaced by its definition, all the way down."""
    while names := _names_in(expression):
        expression = expression.xreplace({name: name.definition for name in names})
    return expression


def abbreviations(expression: sp.Basic) -> list[Named]:
    """The abbreviations met in an expression and in their definitions, in the order of reading, each name once."""
    found: dict[str, Named] = {}
    for node in sp.preorder_traversal(expression):
        if isinstance(node, Named):
            found.setdefault(node.name, node)
    return list(found.values())


def _names_in(expression: sp.Basic) -> set[Named]:
    return expression.atoms(Named)
