"""Abbreviations inside formulas: a name on the page that is, for every check, exactly what it stands for."""

import sympy as sp
from sympy.core.symbol import Str
from sympy.printing.latex import LatexPrinter

from coursework.derivations.registry import DerivationError


class Named(sp.Expr):
    """An expression printed under a short name: `Named("s", w * x + b)` prints as s.

    Arguments after the definition are printed with the name, integers as indices and others in brackets:
    s_c, q(x). A page lists what every name stands for, read from the expression itself, so that the printed
    text cannot drift from the one that is checked.
    """

    is_commutative = True

    def __new__(cls, name: str | Str, definition: sp.Expr, *shown: sp.Basic) -> "Named":
        """The abbreviation; `name` is LaTeX."""
        if isinstance(name, Str):  # rebuilt from its arguments, after a substitution for example
            return super().__new__(cls, name, definition, *shown)
        arguments = [sp.sympify(argument) for argument in shown]
        brackets = Str("index" if all(argument.is_integer for argument in arguments) else "argument")
        return super().__new__(cls, Str(name), sp.sympify(definition), brackets, *arguments)

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
        brackets, *shown = self.args[2:]
        if not shown:
            return self.name
        body = ", ".join(printer.doprint(argument) for argument in shown)
        return f"{self.name}_{{{body}}}" if brackets.name == "index" else f"{self.name}({body})"


def unfold(expression: sp.Basic) -> sp.Basic:
    """The expression with every abbreviation replaced by its definition, all the way down."""
    while names := _names_in(expression):
        expression = expression.xreplace({name: name.definition for name in names})
    return expression


def check_bound_variables(*expressions: sp.Expr) -> None:
    """Nothing, if the assumptions of every variable of integration or summation hold all over its range.

    Otherwise algebra under the sign would rest on something false: |t| = t for a positive t that runs over the line.

    Raises:
        DerivationError: names the variable and its range.
    """
    for node in {node for expression in expressions for node in expression.atoms(sp.Integral, sp.Sum)}:
        for variable, *bounds in node.limits:
            low, high = bounds if len(bounds) == 2 else (-sp.oo, sp.oo)
            allowed = {
                "real": True,
                "integer": isinstance(node, sp.Sum),
                "rational": isinstance(node, sp.Sum),
                "positive": low.is_positive or (isinstance(node, sp.Integral) and low.is_nonnegative),
                "nonnegative": low.is_nonnegative,
                "negative": high.is_negative or (isinstance(node, sp.Integral) and high.is_nonpositive),
                "nonpositive": high.is_nonpositive,
                "zero": False,
                "even": False,
                "odd": False,
                "prime": False,
                "irrational": False,
            }
            wrong = [name for name, fits in allowed.items() if getattr(variable, f"is_{name}") and not fits]
            if wrong:
                raise DerivationError(
                    f"bound variable {variable} is assumed {wrong[0]}, but runs from {low} to {high}: use a symbol "
                    "whose assumptions hold all over its range."
                )


def abbreviations(expression: sp.Basic) -> list[Named]:
    """The abbreviations met in an expression and in their definitions, in the order of reading, each name once."""
    found: dict[str, Named] = {}
    for node in sp.preorder_traversal(expression):
        if isinstance(node, Named):
            found.setdefault(node.name, node)
    return list(found.values())


def _names_in(expression: sp.Basic) -> set[Named]:
    return expression.atoms(Named)
