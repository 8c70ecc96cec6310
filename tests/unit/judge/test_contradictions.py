"""Records that cannot all be true prove nothing: INVALID, whatever they would come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.history import Mark, Op, Record, Sample
from harness.judge.contradictions import contradictions
from harness.outcome import Verdict
from tests.unit.builders import at, changed, healthy, mark, named, op, verdict, whole


def samples(change: Callable[[Sample], dict[str, Any]], since: float = 30, until: float = 40) -> list[Record]:
    return changed(healthy(), Sample, lambda s: s.target == "version" and at(since) <= s.due < at(until), change)


def end_of(run: str, **fields: Any) -> list[Record]:
    return changed(
        healthy(), Op, lambda o: o.f == "run" and o.type == "ok" and o.value["dag_run"] == run, lambda _: fields
    )


CONTRADICTIONS: dict[str, tuple[Callable[[], list[Record]], str]] = {
    "an outage whose samples ended at no time": (
        lambda: samples(lambda _: {"outcome": "fail", "status": 503, "end": 0}),
        "20 samples of version over new connections began before they were due, or ended before they began",
    ),
    "samples that began before they were due": (
        lambda: samples(lambda s: {"t": s.due - at(0.1)}),
        "began before they were due",
    ),
    "good answers that nobody can have waited for": (
        lambda: samples(lambda s: {"end": s.t + at(50)}),
        "20 samples of version over new connections were answered well after more than 10 s",
    ),
    "good answers that say that they are none": (
        lambda: samples(lambda _: {"status": 503}),
        "20 samples of version over new connections were answered well by a status of 400 or more",
    ),
    "a run that failed, and was a success": (
        lambda: [*healthy(), op(45, "run", "fail", "r24", state="failed")],
        "r24 ended in two ways",
    ),
    "a run that ended before it was asked for": (
        lambda: end_of("r36", t=at(2)),
        "r36 ended before it was asked for",
    ),
    "a task that ended long after its run": (
        lambda: changed(healthy(), Mark, lambda m: m.dag_run == "r24", lambda m: {"t": m.t + at(11)}),
        "r24/extract ended 8.4 s after its run had",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_invalid_and_says_which(name: str) -> None:
    make, said = CONTRADICTIONS[name]
    records = sorted(make(), key=lambda r: r.t)
    assert any(said in why for why in contradictions(whole(records)))
    check = named(verdict(records), "evidence.complete")
    assert check.verdict is Verdict.INVALID
    assert check.because.startswith("The history contradicts itself: ")


def test_what_can_be_is_no_contradiction() -> None:
    assert contradictions(whole(healthy())) == []
    slow = samples(lambda s: {"t": s.due - at(0.04), "end": s.t + at(9)})
    again = [op(45, "run", "ok", "r24", state="success"), op(46, "run", "info", "r30", state="running")]
    # A first attempt that comes to its end after all, and one that the run's end was seen before.
    ends = [mark(20, "start", "r11", "load", try_=2), mark(50, "end", "r11", "load", try_=2)]
    late = changed(slow, Mark, lambda m: m.dag_run == "r24" and m.mark == "end", lambda m: {"t": m.t + at(2.5)})
    assert contradictions(whole(sorted([*late, *again, *ends], key=lambda r: r.t))) == []


def test_without_a_time_that_requests_are_given_none_is_too_slow() -> None:
    first, *rest = samples(lambda s: {"end": s.t + at(50)})
    meta = first.model_copy(update={"probe": {}})
    assert contradictions(whole([meta, *rest])) == []
