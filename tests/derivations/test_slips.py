import pytest
import sympy as sp

from coursework.derivations import slips
from coursework.derivations.equality import Status
from coursework.derivations.registry import DerivationError
from coursework.derivations.slips import Claim, Slip, slip

x = sp.Symbol("x", real=True)


def a_slip(claim, **options):
    return Slip(key="k", title="t", says="s", source="somewhere", make_claim=lambda: claim, **options)


def test_a_slip_needs_a_wrong_form_that_is_refuted_and_a_right_one_that_is_proved():
    report = a_slip(Claim((x + 1) ** 2, wrong=x**2 + 1, right=x**2 + 2 * x + 1)).check()
    assert report.passed
    assert report.wrong.witness.left - report.wrong.witness.right == 2 * sp.Rational(
        dict(report.wrong.witness.point)["x"]
    )


@pytest.mark.parametrize(
    "claim",
    [
        Claim(x + x, wrong=2 * x, right=2 * x),  # the wrong form is right
        Claim(x + x, wrong=x, right=3 * x),  # the right form is wrong
        Claim(sp.atan(x**2 + 1), wrong=x, right=sp.pi / 2 - sp.atan(1 / (x**2 + 1))),  # nothing shows the right form
    ],
)
def test_any_other_outcome_does_not_pass(claim):
    assert not a_slip(claim).check().passed


def test_a_rounded_number_is_wrong_only_beyond_its_digits():
    claim = Claim(sp.log(2), wrong=sp.Rational(7, 10), right=sp.log(2))
    assert a_slip(claim).check().passed
    rounded = a_slip(claim, decimals=1).check()  # 0.693... is 0.7 to one decimal
    assert (rounded.passed, rounded.wrong.status) == (False, Status.UNDECIDED)
    assert a_slip(claim, decimals=2).check().passed


def test_floating_point_claims_are_refused():
    with pytest.raises(DerivationError, match="floating-point"):
        Claim(x, wrong=0.5, right=x)


def test_registration(monkeypatch):
    entries = {}
    monkeypatch.setattr(slips, "SLIPS", entries)
    decorate = slip("k", title="t", says="words", source="somewhere")

    def one():
        return Claim(x, wrong=0 * x, right=x)

    def other():
        return Claim(x, wrong=2 * x, right=x)

    assert entries == {"k": decorate(one)}
    with pytest.raises(DerivationError, match=r"(?s)'k'.*one.*other"):
        decorate(other)
    with pytest.raises(DerivationError, match="says="):
        slip("silent", title="t", says=" ", source="somewhere")(one)
