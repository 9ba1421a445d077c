import mpmath
import pytest
import scipy.integrate
import sympy as sp

from coursework.derivations.integrals import centred, integrated

x, y = sp.symbols("x y", real=True)
mu = sp.Symbol("mu", real=True)
sigma = sp.Symbol("sigma", positive=True)
line = (x, -sp.oo, sp.oo)


def test_centring_leaves_the_value_alone():
    integrand = (x**2 + x) * sp.exp(-((x - mu) ** 2) / (2 * sigma**2) + x)
    moved = centred(sp.Integral(integrand, line))
    assert moved != sp.Integral(integrand, line)
    at = {mu: sp.Rational(3, 2), sigma: sp.Rational(4, 5)}
    function, shifted = (sp.lambdify(x, f.subs(at)) for f in (integrand, moved.function))
    before, after = (scipy.integrate.quad(f, -30, 30)[0] for f in (function, shifted))
    assert after == pytest.approx(before, rel=1e-9)


def test_centring_makes_gaussian_moments_easy():
    density = sp.exp(-((x - mu) ** 2) / (2 * sigma**2)) / sp.sqrt(2 * sp.pi) / sigma
    assert sp.simplify(centred(sp.Integral(x**4 * density, line)).doit()) == sp.expand(
        mu**4 + 6 * mu**2 * sigma**2 + 3 * sigma**4
    )


def test_only_integrals_over_the_line_are_moved():
    half = sp.Integral(x * sp.exp(-((x - 1) ** 2)), (x, 0, sp.oo))
    assert centred(half) == half


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (sp.Integral(sp.exp(-(x**2)), line), lambda: mpmath.sqrt(mpmath.pi)),
        (sp.Integral(sp.log(x), (x, 0, 1)), lambda: mpmath.mpf(-1)),
        (sp.Integral(x * y**2, (x, 0, 1), (y, 0, 2)), lambda: mpmath.mpf(4) / 3),
    ],
)
def test_quadrature_reaches_its_digits(node, value):
    with mpmath.workdps(25):
        assert abs(mpmath.mpmathify(integrated(node, 20)) - value()) < mpmath.mpf(10) ** -17


@pytest.mark.parametrize(
    "node",
    [
        sp.Integral(sp.exp(-mu * x), (x, 0, 1)),
        sp.Integral(sp.Function("f")(x), (x, 0, 1)),
        sp.Integral(x),
        sp.Integral(sp.sqrt(x), (x, -1, 0)),
    ],
)
def test_what_is_no_real_number_is_none(node):
    assert integrated(node, 20) is None
