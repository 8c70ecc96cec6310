"""A phase behind a blind observer is known at least and at most: no PASS or FAIL that the truth may contradict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import Event, Record
from harness.judge.came import Coming, judged
from harness.judge.observers import JOBS, TOLD_WITHIN
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import END, FAULT, at, meta, whole

SECOND = st.floats(0.1, 30, allow_nan=False)


def told(t: float, what: str, who: str = "watcher", of: str = "scheduler jobs") -> Event:
    return Event(t=at(t), source="probe", object=who, what=what, value={"of": of, "error": "503"})


def found(seen: float | None, limit: float, *probes: Record) -> Check:
    coming = Coming("It", at(FAULT), None if seen is None else at(seen), JOBS)
    return judged(whole([meta(), *probes]), Bound("recovery.first_heartbeat", limit, "s", "origin"), coming, "")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[float, float, float | None, list[Record]]:
    """When it came, the limit, when it was first seen, and what the observer said of up to three gaps."""
    truth, limit, t = FAULT + draw(st.floats(0, 60)), draw(st.floats(1, 50)), 5.0
    records: list[Record] = []
    seen: float | None = truth if truth < END else None
    for _ in range(draw(st.integers(0, 3))):
        begun, lasts = t + draw(SECOND), draw(SECOND)
        late = min(lasts, draw(st.floats(0, TOLD_WITHIN / 1e9)))
        t = begun + lasts
        if begun + late >= END:
            break
        records.append(told(begun + late, "error"))
        if t < END:
            records.append(told(t, "recovered"))
        if begun <= truth <= t:
            after = draw(st.none() | st.floats(t, END)) if t < END else None
            seen = after
        if t >= END:
            break
    return truth, limit, seen, records


@given(worlds())
def test_no_verdict_that_the_truth_may_contradict(world: tuple[float, float, float | None, list[Record]]) -> None:
    truth, limit, seen, records = world
    check = found(seen, limit, *records)
    took, hair = truth - FAULT, 1e-6
    if check.verdict is Verdict.PASS:
        assert took <= limit + hair
    if check.verdict is Verdict.FAIL:
        assert took > limit - hair


@pytest.mark.parametrize(
    ("seen", "limit", "gap", "verdict"),
    [
        (30.5, 12, (25.0, 31.0), Verdict.PASS),  # in time at the latest
        (50.0, 12, (28.0, 49.0), Verdict.INVALID),  # maybe in the gap
        (50.0, 12, (38.0, 49.0), Verdict.FAIL),  # it had run out before
        (None, 12, (28.0, None), Verdict.INVALID),
        (None, 12, (38.0, None), Verdict.FAIL),
        (50.0, 12, (10.0, 19.0), Verdict.FAIL),  # it was over before the fault
    ],
)
def test_the_seen_part_alone_breaks_a_bound(
    seen: float | None, limit: float, gap: tuple[float, float | None], verdict: Verdict
) -> None:
    since, until = gap
    probes = [told(since, "error"), *([told(until, "recovered")] if until is not None else [])]
    assert found(seen, limit, *probes).verdict is verdict


def test_another_observer_that_is_blind_changes_nothing() -> None:
    assert found(50, 12, told(21, "error", of="pods of airflow")).verdict is Verdict.FAIL
    assert found(50, 12, told(21, "error", "ledger")).verdict is Verdict.FAIL
