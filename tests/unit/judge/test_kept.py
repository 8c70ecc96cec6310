"""What was acknowledged and is not there in the end is found; what may have come in another order is no loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.history import NS, Op, Record, Sample
from harness.judge.kept import NAME, check
from harness.outcome import Check, Verdict
from harness.slo import bound_of
from tests.unit.builders import Outcomes, meta, prober, whole

BOUND = bound_of(NAME, {"limit": 0, "unit": "count", "origin": "a promise"}, "here")
PATH = "/api/v2/variables/x-new"
MS = NS // 1000
STEP_MS, TIMEOUT_MS = 200, 700
READ_MS = 60_000
OTHERS = 4


@dataclass(frozen=True)
class Write:
    """One request: milliseconds late, how long until its answer or time-out, and what became of it."""

    late: int
    took: int
    outcome: Outcomes


def record(writes: Sequence[Write]) -> list[Sample]:
    found = []
    for number, write in enumerate(writes):
        due = number * STEP_MS * MS
        t = due + write.late * MS
        times: dict[str, Any] = {"t": t, "due": due, "end": t + write.took * MS}
        status = {"ok": 200, "fail": 503, "info": None}[write.outcome]
        said: dict[str, Any] = {"target": "variable", "conn": "new", "method": "PATCH", "path": PATH, "status": status}
        found.append(Sample(**times, **said, outcome=write.outcome, error=None if status == 200 else "not answered"))
    return found


def kept(value: str | None, kind: str = "ok", asked_ms: int = READ_MS, path: str = PATH) -> Op:
    said = {"path": path, "asked": asked_ms * MS, "value": value}
    return Op(t=(READ_MS + 20) * MS, process="prober", f="kept", type=kind, value=said)  # type: ignore[arg-type]


def judged(*records: Record) -> Check:
    (found,) = check(whole([meta({}), *records]), {NAME: BOUND})
    return found


def look(writes: Sequence[Write], value: str | None, kind: str = "ok") -> Check:
    return judged(*record(writes), kept(value, kind))


def number(place: int) -> str:
    return f"run-1.{place:08d}"


GOOD = [Write(1, 30, "ok")] * 10


def test_the_newest_acknowledged_write_is_there() -> None:
    found = look(GOOD, number(9))
    assert (found.verdict, found.measure, found.windows) == (Verdict.PASS, 0, ())


def test_what_is_lost_is_counted_and_told_from_when_on() -> None:
    found = look(GOOD, number(6))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 3)
    assert "Of 10 acknowledged writes of variable over new connections" in found.because
    assert "the first was sent 1.4 s into the run" in found.because
    (window,) = found.windows
    assert (window.start, window.end) == (1_401 * MS, (READ_MS + 20) * MS)


@pytest.mark.parametrize("value", ["", "run-1.", "00000009", "run-2.00000009", number(10), "run-1.٩", "run-1.9\n"])
def test_what_no_request_of_this_run_wrote_has_lost_them_all(value: str) -> None:
    found = look(GOOD, value)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 10)


def test_a_variable_that_is_gone_has_lost_them_all() -> None:
    found = look(GOOD, None, "fail")
    assert (found.verdict, found.measure) == (Verdict.FAIL, 10)


@pytest.mark.parametrize("outcome", ["ok", "info", "fail"])
def test_one_that_was_under_way_beside_the_newest_may_be_the_last(outcome: Outcomes) -> None:
    writes = [*GOOD[:8], Write(1, 600, outcome), Write(1, 30, "ok")]
    assert [look(writes, number(place)).verdict for place in (7, 8, 9)] == [Verdict.FAIL, Verdict.PASS, Verdict.PASS]


def test_one_that_was_never_answered_and_sent_later_may_be_the_last() -> None:
    assert look([*GOOD, Write(1, 5_000, "info")], number(10)).verdict is Verdict.PASS


def test_one_that_was_never_answered_and_came_long_before_says_nothing() -> None:
    writes = [*GOOD[:3], Write(1, 300, "info"), *GOOD[4:]]
    found = look(writes, number(3))
    assert found.verdict is Verdict.INVALID
    assert "left what was sent 0.6 s into the run and never acknowledged" in found.because


NOT_KNOWN = {
    "never read": [],
    "read elsewhere": [kept(number(9), path="/api/v2/variables/x-reused")],
    "not answered": [kept(None, "info")],
    "no value": [kept(None)],
    "a value that is none": [kept(number(9), "fail")],
    "no string": [Op(t=READ_MS * MS, process="prober", f="kept", type="ok", value={"path": PATH, "asked": READ_MS})],
    "before the last had ended": [kept(number(9), asked_ms=1_800)],
    "after it was told": [kept(number(9), asked_ms=READ_MS + 21)],
    "once well and once not": [kept(number(9)), kept(None, "info")],
}


@pytest.mark.parametrize("read", NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_what_was_not_read_well_is_not_known(read: list[Op]) -> None:
    assert judged(*record(GOOD), *read).verdict is Verdict.INVALID


@pytest.mark.parametrize("gone", range(1, 9))
def test_where_samples_are_missing_nobody_knows_the_numbers(gone: int) -> None:
    samples = record(GOOD)
    assert judged(*samples[:gone], *samples[gone + 1 :], kept(number(9))).verdict is Verdict.INVALID


@pytest.mark.parametrize("gone", [0, 9])
def test_a_first_or_last_sample_that_is_missing_is_missed_in_the_count(gone: int) -> None:
    samples = record(GOOD)
    stopped = prober(59, "stopped", due=10, recorded=10)
    assert judged(*samples, kept(number(9)), stopped).verdict is Verdict.PASS
    assert judged(*samples[:gone], *samples[gone + 1 :], kept(number(9)), stopped).verdict is Verdict.INVALID


def test_where_nothing_was_acknowledged_nothing_is_owed_and_nothing_known() -> None:
    assert look([Write(1, 30, "fail")] * 5, number(4)).verdict is Verdict.INVALID
    assert judged(kept(number(4))).verdict is Verdict.INVALID


def test_the_worst_series_speaks_for_all() -> None:
    other = [s.model_copy(update={"conn": "reused", "path": "/api/v2/variables/x-reused"}) for s in record(GOOD)]
    reads = [kept(number(9)), kept(number(8), path="/api/v2/variables/x-reused")]
    found = judged(*record(GOOD), *other, *reads)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert "variable over reused connections" in found.because


def test_without_a_bound_nothing_is_said() -> None:
    assert check(whole([meta({}), *record(GOOD), kept(number(0))]), {}) == ()


WRITES = st.builds(
    lambda late, took, outcome: Write(late, TIMEOUT_MS if outcome == "info" else took, outcome),
    st.integers(0, 300),
    st.integers(1, TIMEOUT_MS),
    st.sampled_from(("ok", "ok", "fail", "info")),
)


def possible(writes: Sequence[Write], landing_ms: int) -> set[int]:
    """Which can be the last, by trying every order in which nothing comes before what had ended when it was sent. What
    was not acknowledged is written, `landing_ms` after it was given up at the latest, or it is not."""
    late = {"ok": 0, "fail": landing_ms * MS, "info": landing_ms * MS}
    spans = [(s.t, s.end + late[s.outcome]) for s in record(writes)]
    owed = [place for place, write in enumerate(writes) if write.outcome == "ok"]

    def fits(order: tuple[int, ...]) -> bool:
        return all(spans[a][0] <= spans[b][1] for i, b in enumerate(order) for a in order[:i])

    return {
        last
        for last in range(len(writes))
        if any(fits((*order, last)) for order in permutations(place for place in owed if place != last))
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(WRITES, min_size=2, max_size=5), st.data())
def test_it_agrees_with_every_order_that_there_may_have_been(writes: list[Write], data: st.DataObject) -> None:
    """A value passes only where it can be the last though nothing lands after it was given up; and is a FAIL only where
    it cannot be the last however late that lands."""
    place = data.draw(st.integers(0, len(writes) - 1))
    found = look(writes, number(place)).verdict
    if all(w.outcome != "ok" for w in writes):
        assert found is Verdict.INVALID
    elif place in possible(writes, 0):
        assert found is Verdict.PASS
    else:
        assert found is (Verdict.FAIL if place not in possible(writes, READ_MS) else Verdict.INVALID)


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Write], list[float | None]]:
    """Writes, and when each was truly done, if ever; what is not acknowledged may be done seconds later."""
    writes = draw(st.lists(WRITES, min_size=2, max_size=60))
    done: list[float | None] = []
    for sample, write in zip(record(writes), writes, strict=True):
        if write.outcome == "ok":
            done.append(draw(st.floats(sample.t, sample.end)))
        else:
            done.append(draw(st.none() | st.floats(sample.t, sample.t + 5 * NS)))
    return writes, done


def left(done: Sequence[float | None]) -> str:
    last = max((t, place) for place, t in enumerate(done) if t is not None)
    return number(last[1])


@settings(max_examples=200, deadline=None)
@given(lives())
def test_where_nothing_is_lost_it_is_never_a_failure(life: tuple[list[Write], list[float | None]]) -> None:
    writes, done = life
    if all(t is None for t in done):
        return
    found = look(writes, left(done))
    assert found.verdict is not Verdict.FAIL
    if all(w.outcome == "ok" for w in writes):
        assert (found.verdict, found.measure) == (Verdict.PASS, 0)


@settings(max_examples=200, deadline=None)
@given(lives(), st.data())
def test_whatever_is_forgotten_from_some_moment_on_is_found(
    life: tuple[list[Write], list[float | None]], data: st.DataObject
) -> None:
    """A database that forgets all that it took up from a moment on, and whatever comes later, though it answered."""
    writes, done = life
    moment = data.draw(st.floats(0, len(writes) * STEP_MS * MS))
    samples = record(writes)
    remembered = [t if t is not None and t < moment else None for t in done]
    value = "" if all(t is None for t in remembered) else left(remembered)
    lost = [s for s in samples if s.outcome == "ok" and s.t >= moment]
    there = next((s for s in samples if value == number(samples.index(s))), None)
    surely = [s for s in lost if there is None or s.t > there.end]
    found = look(writes, value)
    if not surely:
        return
    if there is not None and there.outcome != "ok":
        assert found.verdict is Verdict.INVALID
    else:
        assert found.verdict is Verdict.FAIL
        assert found.measure is not None
        assert found.measure >= len(surely)
