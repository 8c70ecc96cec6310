"""A measure is judged as measured, shown rounded, and never passes when it is not known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.checks import amount, measured, plain, some, unknown, when, worst_of
from harness.outcome import Check, Verdict, Window
from harness.slo import Bound
from tests.unit.builders import at

OUTAGE = Bound("availability.read.outage", 100.0, "s", "The contract.")
WINDOW = Window(start=1, end=2, what="it")
SAMPLES = Bound("evidence.samples", 5, "count", "a rule")


@given(st.floats(100, 101, exclude_min=True))
def test_rounding_never_saves_a_measure(measure: float) -> None:
    check = measured(OUTAGE, measure, "it took")
    assert check.verdict is Verdict.FAIL
    assert check.measure == measure


def test_a_measure_that_looks_like_its_limit_is_shown_in_full() -> None:
    assert "100.00004 s" in measured(OUTAGE, 100.00004, "it took").because


@pytest.mark.parametrize("measure", [math.nan, math.inf, -math.inf, -0.001])
@pytest.mark.parametrize("bound", [OUTAGE, SAMPLES])
def test_what_is_not_a_measure_is_unknown(bound: Bound, measure: float) -> None:
    why = f"it took {amount(measure, bound.unit)} in all, which cannot be; look at the history"
    assert measured(bound, measure, "it took", " in all", windows=[WINDOW]) == unknown(bound, why, [WINDOW])


def test_what_is_unknown_keeps_its_bound_and_its_windows() -> None:
    assert unknown(OUTAGE, "Nobody looked", [WINDOW]) == Check(
        name=OUTAGE.name, verdict=Verdict.INVALID, measure=None, limit=100.0, unit="s", origin="The contract.",
        windows=(WINDOW,), because="Nobody looked; the limit of at most 100 s (The contract) could not be judged.",
    )  # fmt: skip


def test_a_lower_bound_within_the_limit_is_unknown_and_beyond_it_a_failure() -> None:
    assert measured(OUTAGE, 100, "it took", whole=False).verdict is Verdict.INVALID
    beyond = measured(OUTAGE, 100.5, "it took", whole=False)
    assert beyond.verdict is Verdict.FAIL
    assert "at least 100.5 s" in beyond.because


def test_because_holds_measure_limit_and_origin() -> None:
    assert measured(OUTAGE, 3.25, "it took", " in all", windows=[WINDOW]) == Check(
        name=OUTAGE.name, verdict=Verdict.PASS, measure=3.25, limit=100.0, unit="s", origin="The contract.",
        windows=(WINDOW,), because="it took 3.25 s in all; the limit is at most 100 s (The contract).",
    )  # fmt: skip


def test_at_least_bounds_fail_below() -> None:
    assert measured(SAMPLES, 4, "there are").verdict is Verdict.FAIL
    assert measured(SAMPLES, 5, "there are").verdict is Verdict.PASS


def test_the_worst_is_the_worst_verdict_then_the_worst_measure() -> None:
    good, longer = measured(OUTAGE, 1, "a"), measured(OUTAGE, 2, "b")
    assert worst_of([longer, good]) == longer
    assert worst_of([longer, unknown(OUTAGE, "c"), good]).verdict is Verdict.INVALID
    short = measured(OUTAGE, 5, "at the end", whole=False)
    assert worst_of([unknown(OUTAGE, "c"), short]) == worst_of([short, unknown(OUTAGE, "c")]) == short
    few, more = measured(SAMPLES, 6, "a"), measured(SAMPLES, 9, "b")
    assert worst_of([more, few]) == few


def test_a_check_without_a_bound_has_no_limit() -> None:
    check = plain("evidence.fault", Verdict.PASS, "seen")
    assert (check.measure, check.limit, check.origin) == (None, None, "")
    assert [plain(name, Verdict.PASS, "seen").unit for name in ("evidence.fault", "tasks.lost")] == ["", "count"]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (3.0, "s", "3 s"),
        (12345.678, "s", "12345.678 s"),
        (0.1234, "%", "0.123 %"),
        (7.0, "count", "7"),
        (100, "s", "100 s"),
        (math.inf, "s", "inf s"),
        (math.nan, "count", "nan"),
    ],
)
def test_amounts_are_short(value: float, unit: str, shown: str) -> None:
    assert amount(value, unit) == shown


def test_moments_are_told_from_the_fault_and_from_the_beginning() -> None:
    assert when(at(61.04), at(60)) == "1.0 s after the fault (61.0 s into the run)"
    assert when(at(58), at(60)) == "2.0 s before the fault (58.0 s into the run)"
    assert when(at(58), None) == "58.0 s into the run"


def test_no_moment_is_told_as_0_0_s_before_the_fault() -> None:
    assert when(at(59.951), at(60)) == "0.0 s after the fault (60.0 s into the run)"
    assert when(at(59.95), at(60)) == "0.1 s before the fault (60.0 s into the run)"


def test_many_names_are_cut() -> None:
    assert some("abcde") == "a, b, c and 2 more"
    assert some("abc") == "a, b, c"
    assert some("") == ""


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("It broke (refused).", "It broke (refused)."),
        ("It broke (refused.).", "It broke (refused)."),
        ("It broke: refused..", "It broke: refused."),
        ("It broke: refused. .", "It broke: refused."),
        ("It took 1.5 s (at 3.1.).", "It took 1.5 s (at 3.1)."),
        ("It is", "It is"),
    ],
)
def test_a_sentence_ends_once(said: str, kept: str) -> None:
    assert plain("evidence.complete", Verdict.INVALID, said).because == kept


@pytest.mark.parametrize(
    "origin", ["The contract", "The contract.", "The contract. ", "The contract..", " The contract.\n"]
)
def test_an_origin_stands_within_a_sentence_however_it_ends(origin: str) -> None:
    bound = Bound(OUTAGE.name, 100.0, "s", origin)
    assert measured(bound, 3, "it took").because.endswith("(The contract).")
    assert "(The contract) could" in unknown(bound, "Nobody looked").because
