"""Every derivation stands, every slip is refuted, whatever is registered."""

import functools

import pytest

from coursework.derivations import DERIVATIONS, SLIPS
from coursework.derivations.equality import Status
from coursework.derivations.render import ledger, render, render_slip, slip_table


@functools.cache
def report(key):
    return DERIVATIONS[key].check()


@functools.cache
def verdict(key):
    return SLIPS[key].check()


@pytest.mark.parametrize("key", DERIVATIONS)
def test_every_step_is_proved_or_argued_with_a_reason(key):
    found = report(key).require()
    assert found.status is Status.PROVED
    for step, line in zip(found.steps, DERIVATIONS[key].steps[1:], strict=True):
        assert step.verdict.status is (Status.ARGUED if line.argued else Status.PROVED)
        assert len(line.reason) > 3


@pytest.mark.parametrize("key", DERIVATIONS)
def test_every_proof_was_tried_on_numbers(key):
    assert all(step.verdict.points > 0 for step in report(key).steps if step.verdict.status is Status.PROVED)


@pytest.mark.parametrize("key", [key for key, entry in DERIVATIONS.items() if entry.code])
def test_last_line_code_and_oracle_agree(key):
    agreements = report(key).agreements
    assert agreements[0].name == DERIVATIONS[key].code
    assert len(agreements) == 1 + len(DERIVATIONS[key].oracles) >= 2
    assert all(agreement.holds and agreement.instances >= 8 for agreement in agreements)


@pytest.mark.parametrize("key", SLIPS)
def test_every_slip_is_refuted_by_a_witness_and_its_right_form_proved(key):
    found = verdict(key)
    assert found.passed, str(found)
    assert found.wrong.witness.left != found.wrong.witness.right
    assert found.right.points > 0


def test_uses_name_derivations_without_circles():
    done = set()
    while done != DERIVATIONS.keys():
        ready = {key for key, entry in DERIVATIONS.items() if set(entry.uses) <= done}
        assert ready > done, f"circular or unknown: {DERIVATIONS.keys() - done}"
        done = ready


def test_slips_name_derivations():
    assert {entry.derivation for entry in SLIPS.values() if entry.derivation} <= DERIVATIONS.keys()


def test_the_slips_of_the_syllabus_are_kept():
    assert {
        "kl-ten-apart",
        "entropy-scale-not-squared",
        "kl-wider-by-a-tenth",
        "kl-dimension-without-half",
        "noise-times-variance",
        "conv-without-bias",
        "conv-elementwise",
        "conv-mean-target",
        "evidence-without-log",
        "gan-obvious-fake",
        "flow-jacobian-inverted",
        "vjp-without-transpose",
        "vjp-without-activation",
        "ddpm-unconditional",
    } <= SLIPS.keys()


@pytest.mark.parametrize("key", DERIVATIONS)
def test_every_derivation_can_be_shown(key):
    assert render(DERIVATIONS[key], report(key)).count(r"\overset") == len(DERIVATIONS[key].steps) - 1


@pytest.mark.parametrize("key", SLIPS)
def test_every_slip_can_be_shown(key):
    assert SLIPS[key].title in render_slip(SLIPS[key], verdict(key))


def test_tables_have_a_row_for_each():
    rows = [line for line in ledger({key: report(key) for key in DERIVATIONS}).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(DERIVATIONS)
    assert len(slip_table({key: verdict(key) for key in SLIPS}).splitlines()) == 2 + len(SLIPS)
