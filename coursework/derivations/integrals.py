"""Integrals: in closed form after a change of variable that centres Gaussians, or as numbers by quadrature."""

import mpmath
import sympy as sp


def centred(expression: sp.Expr) -> sp.Expr:
    r"""The expression with every integral over the real line shifted to the centre of the Gaussian inside it.

    Where the integrand has a factor :math:`e^{-a x^2 + b x + c}`, x is replaced by :math:`x + b / 2a`, which leaves the
    integral as it is and spares the algebra; logarithms of products are expanded where the assumptions allow it.

    >>> x = sp.Symbol("x", real=True)
    >>> centred(sp.Integral(x * sp.exp(-((x - 10) ** 2)), (x, -sp.oo, sp.oo))).doit() - 10 * sp.sqrt(sp.pi)
    0
    """
    return expression.replace(lambda node: isinstance(node, sp.Integral), _centred)


def _centred(node: sp.Integral) -> sp.Expr:
    if len(node.limits) != 1 or tuple(node.limits[0][1:]) != (-sp.oo, sp.oo):
        return node
    variable = node.limits[0][0]
    integrand = sp.expand_log(node.function)
    for power in sorted(integrand.atoms(sp.exp), key=sp.default_sort_key):
        polynomial = sp.expand(power.exp).as_poly(variable)
        if polynomial is not None and polynomial.degree() == 2:
            square, slope, _ = polynomial.all_coeffs()
            integrand = integrand.xreplace({variable: variable + sp.cancel(-slope / (2 * square))})
            break
    return sp.Integral(sp.expand(integrand), *node.limits)


def integrated(expression: sp.Expr, digits: int) -> sp.Expr | None:
    """The expression with every integral replaced by its value, computed with `digits` digits; None if one fails.

    Integrals are taken by tanh–sinh quadrature. An integrand that is not a function of the variable of integration
    alone, or whose value is not a number, gives None.

    >>> x = sp.Symbol("x", real=True)
    >>> integrated(sp.Integral(sp.exp(-x**2), (x, -sp.oo, sp.oo)) ** 2, 20).round(9)
    3.141592654
    """
    values: dict[sp.Basic, sp.Expr] = {}
    for node in expression.atoms(sp.Integral):
        value = _quadrature(node, digits)
        if value is None:
            return None
        values[node] = value
    return expression.xreplace(values)


def _quadrature(node: sp.Integral, digits: int) -> sp.Expr | None:
    variables = [limit[0] for limit in node.limits]
    if not all(len(limit) == 3 and not limit.free_symbols - {limit[0]} for limit in node.limits):
        return None
    if node.function.free_symbols - set(variables) or node.function.has(sp.Integral):
        return None
    integrand = sp.lambdify(variables, node.function, modules="mpmath")
    with mpmath.workdps(digits):
        ranges = [[_bound(low), _bound(high)] for _, low, high in node.limits]
        try:
            value = mpmath.quad(integrand, *ranges)
        except (ArithmeticError, TypeError, ValueError, NameError):
            return None
        return sp.Float(value, digits) if mpmath.isfinite(value) and mpmath.im(value) == 0 else None


def _bound(bound: sp.Expr) -> mpmath.mpf:
    return (
        mpmath.mpf("inf") * (1 if bound > 0 else -1)
        if bound.is_infinite
        else mpmath.mpmathify(sp.N(bound, mpmath.mp.dps))
    )
