import pytest
import sympy as sp

from coursework.derivations.equality import POINTS, Status, compare, prove, try_relation
from coursework.derivations.naming import Named
from coursework.derivations.registry import DerivationError

x, y = sp.symbols("x y", real=True)
a = sp.Symbol("a", positive=True)
z = sp.Symbol("z")
n = sp.Symbol("n", integer=True, positive=True)
i, j, k = sp.symbols("i j k", integer=True)
u = sp.IndexedBase(sp.Symbol("u", real=True))

TRUE = {
    "same": (x + y, y + x),
    "polynomial": ((x + y) ** 3, x**3 + 3 * x**2 * y + 3 * x * y**2 + y**3),
    "fraction": (1 / (1 + a) + 1 / (1 + 1 / a), sp.Integer(1)),
    "trigonometry": (sp.sin(2 * x), 2 * sp.sin(x) * sp.cos(x)),
    "logarithm of positive": (sp.log(a**2), 2 * sp.log(a)),
    "square root of positive": (sp.sqrt(a**2), a),
    "square root of real": (sp.sqrt(x**2), sp.Abs(x)),
    "exponential": (sp.exp(x + y), sp.exp(x) * sp.exp(y)),
    "gamma": (sp.gamma(a + 1), a * sp.gamma(a)),
    "derivative": (sp.Derivative(sp.exp(-(x**2)), x), -2 * x * sp.exp(-(x**2))),
    "integral": (sp.Integral(x * sp.exp(-a * x), (x, 0, sp.oo)), 1 / a**2),
    "gaussian integral": (
        sp.Integral((x - y) ** 2 * sp.exp(-((x - y) ** 2) / 2), (x, -sp.oo, sp.oo)),
        sp.sqrt(2 * sp.pi),
    ),
    "integrands": (
        sp.Integral(sp.exp(-(x**4)) * (x + 1) ** 2, (x, -sp.oo, sp.oo)),
        sp.Integral(sp.exp(-(x**4)) * (x**2 + 2 * x + 1), (x, -sp.oo, sp.oo)),
    ),
    "finite sum": (sp.Sum(2 * u[i] + 3, (i, 1, n)), 2 * sp.Sum(u[k], (k, 1, n)) + 3 * n),
    "infinite sum": (sp.Sum(a**k / sp.factorial(k), (k, 0, sp.oo)), sp.exp(a)),
    "matrix": (
        sp.Matrix([[sp.cos(x), -sp.sin(x)], [sp.sin(x), sp.cos(x)]]) ** 2,
        sp.Matrix([[sp.cos(2 * x), -sp.sin(2 * x)], [sp.sin(2 * x), sp.cos(2 * x)]]),
    ),
    "named": (Named("s", x + 1) ** 2, x**2 + 2 * Named("s", x + 1) - 1),
}
FALSE = {
    "square root of real": (sp.sqrt(x**2), x),
    "square root of complex": (sp.sqrt(z**2), z),
    "logarithm of product": (sp.log(x * y), sp.log(x) + sp.log(y)),
    "power": ((x + y) ** 2, x**2 + y**2),
    "nearly": (x, x + sp.Rational(1, 10**25)),
    "integral": (sp.Integral(x * sp.exp(-a * x), (x, 0, sp.oo)), 1 / a),
    "sum": (sp.Sum(u[i] ** 2, (i, 1, n)), sp.Sum(u[i], (i, 1, n)) ** 2),
    "one entry": (sp.Matrix([[1, x], [0, 1]]), sp.Matrix([[1, x], [0, x]])),
    "constant": (sp.sqrt(2) + sp.sqrt(3), sp.sqrt(10)),
    "close constants": (sp.exp(sp.pi * sp.sqrt(163)), sp.Integer(262537412640768744)),
}
UNDECIDED = {  # all true, and out of sympy's reach
    "complementary angles": (sp.atan(a) + sp.atan(1 / a), sp.pi / 2, POINTS),
    "Hermite": (sp.floor(a) + sp.floor(a + sp.Rational(1, 2)), sp.floor(2 * a), POINTS),
    "halved angles": (sp.cos(sp.pi / 17), sp.sqrt(2 + sp.sqrt(2 + 2 * sp.cos(4 * sp.pi / 17))) / 2, 1),
}


@pytest.mark.parametrize("name", TRUE)
def test_true_identities_are_proved(name):
    verdict = compare(*TRUE[name])
    assert verdict.status is Status.PROVED, verdict
    assert verdict.points > 0
    assert verdict.witness is None


@pytest.mark.parametrize("name", FALSE)
def test_false_identities_are_refuted_by_a_witness_that_is_one(name):
    left, right = FALSE[name]
    verdict = compare(left, right)
    assert verdict.status is Status.REFUTED
    assert verdict.witness.left != verdict.witness.right
    values = {symbol: dict(verdict.witness.point).get(str(symbol)) for symbol in (x, y, a, z)}
    point = {symbol: sp.sympify(value) for symbol, value in values.items() if value is not None}
    if name in ("sum", "one entry"):
        return
    for side, recorded in ((left, verdict.witness.left), (right, verdict.witness.right)):
        assert abs(sp.N(side.subs(point).doit(), 40) - recorded) < 1e-9 * (1 + abs(recorded))


def test_the_first_witness_is_easy_to_check_by_hand():
    witness = compare(sp.sqrt(x**2), x).witness
    assert witness.point == (("x", str(-witness.left)),)
    assert witness.left == -witness.right
    assert witness.left in (1, 2)


@pytest.mark.parametrize("name", UNDECIDED)
def test_a_true_identity_without_a_proof_is_undecided(name):
    left, right, points = UNDECIDED[name]
    verdict = compare(left, right)
    assert (verdict.status, verdict.points) == (Status.UNDECIDED, points)
    assert "no counterexample" in str(verdict)


def test_undefined_functions_are_not_guessed_at():
    f = sp.Function("f")
    verdict = compare(f(x), f(x + 0 * y) + f(y))
    assert (verdict.status, verdict.points) == (Status.UNDECIDED, 0)


def test_facts_decide_what_assumptions_leave_open():
    p = sp.Symbol("p", integer=True, positive=True)
    left = sp.Derivative(sp.Sum(u[i] ** 2, (i, 1, n)), u[p])
    assert compare(left, 2 * u[p], facts=[sp.Le(p, n)]).status is Status.PROVED
    assert compare(left, 2 * u[p]).status is Status.REFUTED  # at p > n the derivative is 0


def test_two_checks_say_the_same():
    left, right = FALSE["power"]
    first, second = (compare(left, right, seed="one").witness for _ in range(2))
    assert first == second
    assert compare(left, right, seed="other").witness != first


def test_a_bound_variable_that_cannot_take_every_value_proves_nothing():
    t = sp.Symbol("t", positive=True)  # |t| = t for this symbol, but not on the range of the integral
    left = sp.Integral(sp.Abs(t) * sp.exp(-(t**2)), (t, -sp.oo, sp.oo))
    right = sp.Integral(t * sp.exp(-(t**2)), (t, -sp.oo, sp.oo))
    with pytest.raises(DerivationError, match="bound variable t"):
        compare(left, right)


def test_shapes_must_agree():
    with pytest.raises(DerivationError, match=r"\(1, 2\).*\(2, 1\)"):
        compare(sp.Matrix([[1, 2]]), sp.Matrix([[1], [2]]))
    with pytest.raises(DerivationError, match="shape"):
        compare(sp.Matrix([[1]]), sp.Integer(1))


def test_a_proof_that_the_numbers_contradict_is_no_proof(monkeypatch):
    monkeypatch.setattr("coursework.derivations.equality.prove", lambda *_: "a bug")
    assert compare(x, x + 1).status is Status.REFUTED


def test_proofs_name_their_way():
    assert prove(x + y, y + x) == "the same expression"
    assert prove(sp.sin(x) ** 2, 1 - sp.cos(x) ** 2) == "trigonometry"
    assert prove(x, y) is None


@pytest.mark.parametrize(
    ("left", "relation", "right", "status"),
    [
        (sp.log((a + 1) / 2), ">=", sp.log(a) / 2, Status.ARGUED),  # Jensen, for two points
        (sp.log((a + 1) / 2), "<=", sp.log(a) / 2, Status.REFUTED),
        (2 * x * y, "<=", x**2 + y**2, Status.ARGUED),
        (2 * x * y, "=", x**2 + y**2, Status.REFUTED),
    ],
)
def test_argued_relations_are_tried(left, relation, right, status):
    assert try_relation(left, right, relation).status is status
