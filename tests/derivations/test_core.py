import numpy as np
import pytest
import sympy as sp
import torch

from coursework.derivations import DERIVATIONS, core
from coursework.derivations.core import Derivation, Step, derivation
from coursework.derivations.equality import Status
from coursework.derivations.registry import DerivationError
from coursework.errors import CourseworkError

x = sp.Symbol("x", real=True)
a = sp.Symbol("a", positive=True)


@pytest.fixture
def registry(monkeypatch):
    """An empty registry in the place of the real one."""
    entries = {}
    monkeypatch.setattr(core, "DERIVATIONS", entries)
    return entries


def chain(*expressions, **options):
    steps = [Step(expression, because="a reason") for expression in expressions]
    return Derivation(key="chain", title="A chain", make_steps=lambda: iter(steps), **options)


def squared(a):
    return a**2


def test_a_true_chain_is_proved():
    report = chain((x + 1) ** 2, x**2 + 2 * x + 1, x * (x + 2) + 1).check()
    assert report.status is Status.PROVED
    assert report.passed
    assert report.count(Status.PROVED) == len(report.steps) == 2
    assert report.require() is report


def test_the_report_of_a_wrong_step_names_key_step_sides_and_witness():
    report = chain(x**2, x * x, x**2 + x, x**2 + x + 0).check()
    assert report.status is Status.REFUTED
    assert [step.verdict.status for step in report.steps] == [Status.PROVED, Status.REFUTED, Status.PROVED]
    with pytest.raises(CourseworkError) as caught:
        report.require()
    message = str(caught.value)
    value = dict(report.steps[1].verdict.witness.point)["x"]
    for part in ("'chain'", "step 2", "left:  x**2\n", "right: x**2 + x", f"x = {value}"):
        assert part in message
    assert int(value) ** 2 == report.steps[1].verdict.witness.left


def test_a_step_without_proof_does_not_pass():
    report = chain(sp.atan(a) + sp.atan(1 / a), sp.pi / 2).check()  # true, but sympy cannot show it
    assert report.status is Status.UNDECIDED
    assert not report.passed
    assert "undecided" in report.failures[0]


def test_argued_steps_count_as_argued_and_may_be_refuted():
    def steps(relation):
        yield Step(sp.log((a + 1) / 2), because="the start")
        yield Step(sp.log(a) / 2, argued="Jensen's inequality", relation=relation)

    sound = Derivation(key="jensen", title="t", make_steps=lambda: steps(">=")).check()
    assert (sound.status, sound.count(Status.ARGUED), sound.count(Status.PROVED)) == (Status.PROVED, 1, 0)
    assert Derivation(key="jensen", title="t", make_steps=lambda: steps("<=")).check().status is Status.REFUTED


def test_a_refuted_step_outweighs_an_undecided_one():
    assert chain(sp.Function("f")(x), sp.Function("g")(x), x, x + 1).check().status is Status.REFUTED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "one reason"),
        ({"because": " "}, "one reason"),
        ({"because": "b", "argued": "a"}, "one reason"),
        ({"because": "b", "relation": "<="}, "argued"),
        ({"argued": "a", "relation": "<"}, "'<'"),
    ],
)
def test_steps_need_exactly_one_reason(fields, words):
    with pytest.raises(DerivationError, match=words):
        Step(x, **fields)


@pytest.mark.parametrize("wrong", ["x", sp.Eq(x, a), sp.true, None, [x], 0.5, x + sp.Float("0.1")])
def test_steps_are_exact_formulas(wrong):
    with pytest.raises(DerivationError, match=r"sympy expression|floating-point"):
        Step(wrong, because="b")


def test_whole_numbers_and_matrices_are_formulas():
    assert Step(50, because="b").expression == sp.Integer(50)
    matrix = sp.Matrix([[x, 0], [0, x]])
    report = chain(matrix * matrix, sp.Matrix([[x**2, 0], [0, x**2]])).check()
    assert report.passed
    assert hash(Step(matrix, because="b").expression)


def test_one_line_is_no_derivation():
    with pytest.raises(DerivationError, match=r"'chain' has 1 line"):
        chain(x).check()


def test_lines_of_different_shapes_are_named():
    with pytest.raises(DerivationError, match=r"'chain', step 1: shape \(1, 1\)"):
        chain(sp.Matrix([[x]]), x).check()


def test_registration(registry):
    @derivation("double", title="Twice")
    def double():
        yield Step(x + x, because="start")
        yield Step(2 * x, because="twice")

    assert registry == {"double": double}
    assert double.check().passed
    assert double.origin.endswith("double")
    assert double.__module__ == __name__


def test_a_taken_key_names_both(registry):
    @derivation("key", title="One")
    def first():
        yield Step(x, because="start")

    with pytest.raises(DerivationError, match=r"(?s)'key'.*first.*second"):

        @derivation("key", title="Two")
        def second():
            yield Step(x, because="start")

    assert registry["key"] is first


@pytest.mark.parametrize("implements", ["coursework.nowhere.function", "coursework.errors.missing", "plain", 3, ""])
def test_unknown_implementation(registry, implements):
    with pytest.raises(DerivationError, match=r"'key'.*implements="):
        derivation("key", title="t", implements=implements, arguments=(a,), oracles={"o": squared})(lambda: iter(()))
    assert registry == {}


def test_implementation_by_dotted_name():
    entry = chain(a**2, a * a, implements="operator.pos", arguments=(a,), oracles={"square": squared})
    assert entry.code == "_operator.pos"


def test_an_implementation_needs_an_oracle_and_arguments():
    for options in ({}, {"arguments": (a,)}, {"oracles": {"o": squared}}):
        with pytest.raises(DerivationError, match=r"arguments= .* oracles="):
            chain(a**2, a * a, implements=squared, **options)


def test_the_triangle_holds_and_breaks():
    good = chain(a * a, a**2, implements=squared, arguments=(a,), oracles={"product": lambda a: a * a}).check()
    assert good.passed
    assert [agreement.instances for agreement in good.agreements] == [8, 8]
    bad = chain(a * a, a**2, implements=squared, arguments=(a,), oracles={"cube": lambda a: a**3}).check()
    assert bad.status is Status.REFUTED
    assert len(bad.failures) == 1
    assert "cube" in bad.failures[0]
    assert " a = " in bad.failures[0]


def test_an_implementation_that_is_not_a_number_disagrees():
    entry = chain(a * a, a**2, implements=lambda a: a * torch.nan, arguments=(a,), oracles={"square": squared})
    assert entry.check().status is Status.REFUTED


def test_arrays_sizes_and_free_indices():
    m, n = sp.symbols("m n", integer=True, positive=True)
    i, j, p = sp.symbols("i j p", integer=True, nonnegative=True)
    u, v = (
        sp.IndexedBase(sp.Symbol("u", real=True), shape=(m, n)),
        sp.IndexedBase(sp.Symbol("v", real=True), shape=(n,)),
    )
    product = sp.Sum(u[p, j] * v[j], (j, 0, n - 1))

    def draw(rng):
        rows, columns = rng.integers(1, 5, 2)
        return rng.standard_normal((rows, columns)), rng.standard_normal(columns)

    def entry(implements):
        return chain(
            product + 0,
            sp.Sum(u[p, i] * v[i], (i, 0, n - 1)),
            implements=implements,
            arguments=(u, v),
            free_indices=(p,),
            oracles={"numpy": lambda u, v: np.einsum("ij,j->i", u, v)},
            instances=draw,
        )

    assert entry(torch.mv).check().passed
    assert not entry(lambda u, v: torch.mv(u, v).flip(0)).check().passed


def test_a_free_symbol_in_the_last_line_is_named():
    with pytest.raises(DerivationError, match=r"\['x'\]"):
        chain(a * x, x * a, implements=squared, arguments=(a,), oracles={"o": squared}).check()


def test_unknown_uses_are_refused():
    with pytest.raises(DerivationError, match="uses nothing-of-the-kind"):
        chain(x, x, uses=("nothing-of-the-kind",)).check()


def test_the_real_registry_was_not_touched():
    assert all(entry.key == key for key, entry in DERIVATIONS.items())
    assert not {"double", "key", "chain"} & DERIVATIONS.keys()
