"""An answer that broke off is found; one that we ended, or that was over before the fault, is held against nobody."""

from __future__ import annotations

import pytest

from harness.errors import HistoryError
from harness.history import Event, Fault, Op, Phase, Record
from harness.judge.streams import FEWEST, NAME, check
from harness.outcome import Check, Verdict
from harness.pace import USUAL_MS
from harness.slo import bound_of
from tests.unit.builders import at, meta, op, whole

BOUND = bound_of(NAME, {"limit": 0, "unit": "count", "origin": "a promise"}, "here")
FAULT = 30.0


def stream(name: str, begin: float, end: float, kind: str = "ok") -> list[Record]:
    return [op(begin, "stream", "invoke", name), op(end, "stream", kind, name)]  # type: ignore[arg-type]


def whole_ones(count: int = FEWEST) -> list[Record]:
    """All of them open when the fault comes."""
    return [r for n in range(count) for r in stream(f"r{n}", FAULT - 5 - n, FAULT + 5 + n)]


def look(*records: Record) -> Check:
    fault: list[Record] = [
        Phase(t=at(FAULT - 0.1), name="fault", edge="begin"),
        Fault(t=at(FAULT), id="f", action="renew_pods", phase="injected", target={"uid": "u", "name": "a"}),
    ]
    (found,) = check(whole([meta({}), *fault, *records]), {NAME: BOUND})
    return found


def test_answers_that_come_to_their_end_pass() -> None:
    found = look(*whole_ones())
    assert (found.verdict, found.measure) == (Verdict.PASS, 0)
    assert f"Of {FEWEST} answers" in found.because


def test_one_that_broke_off_fails_and_is_named() -> None:
    found = look(*whole_ones(), *stream("cut", FAULT - 3, FAULT + 2, "fail"))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert "(cut; the first 2.0 s after the fault (32.0 s into the run))" in found.because
    assert [(w.start, w.end) for w in found.windows] == [(at(FAULT - 3), at(FAULT + 2))]


@pytest.mark.parametrize(
    ("times", "error", "verdict"),
    [
        (2.0, "GET /wait: TimeoutError: timed out", Verdict.INVALID),
        (1.0, "GET /wait: TimeoutError: timed out", Verdict.FAIL),
        (2.0, "GET /wait: ConnectionResetError: reset by peer", Verdict.FAIL),
    ],
)
def test_one_that_was_silent_on_slow_processors_is_in_doubt(times: float, error: str, verdict: Verdict) -> None:
    cut = stream("cut", FAULT - 3, FAULT + 2, "fail")
    silent = [r.model_copy(update={"value": {**r.value, "error": error}}) if isinstance(r, Op) else r for r in cut]
    load = {"busy": 99.0, "work_ms": times * USUAL_MS}
    found = look(*whole_ones(), *silent, Event(t=at(1), source="node", object="host", what="load", value=load))
    assert (found.verdict, found.measure) == (verdict, 1)
    assert ("1 were silent for too long, and the processors took" in found.because) is (verdict is Verdict.INVALID)


def test_one_that_broke_before_the_fault_is_not_its_doing() -> None:
    assert look(*whole_ones(), *stream("early", 1, 9, "fail")).verdict is Verdict.PASS


def test_one_that_we_ended_says_nothing() -> None:
    found = look(*whole_ones(FEWEST - 1), *stream("ours", FAULT - 3, FAULT + 30, "info"))
    assert found.verdict is Verdict.INVALID
    assert f"Only {FEWEST - 1} answers" in found.because


def test_where_none_was_open_when_the_fault_came_nothing_was_at_stake() -> None:
    found = look(*(r for n in range(FEWEST) for r in stream(f"r{n}", FAULT + 1 + n, FAULT + 9 + n)))
    assert found.verdict is Verdict.INVALID
    assert "none was at stake" in found.because


def test_where_none_ever_opened_it_is_said_why() -> None:
    silent = [op(FAULT - n, "unopened", "info", f"r{n}") for n in range(3)]
    said = [one.model_copy(update={"value": {**one.value, "error": "GET /wait ended"}}) for one in silent]
    found = look(*said)
    assert found.verdict is Verdict.INVALID
    assert "of 5 at least (3 never said anything; the first: GET /wait ended)" in found.because


def test_an_end_without_a_beginning_is_no_history() -> None:
    with pytest.raises(HistoryError, match="never open"):
        look(op(40, "stream", "ok", "ghost"))


def test_without_a_fault_there_is_nothing_to_outlive() -> None:
    (found,) = check(whole([meta({}), *whole_ones()]), {NAME: BOUND})
    assert found.verdict is Verdict.INVALID
