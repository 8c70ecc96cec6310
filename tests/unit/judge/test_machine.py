"""Others on the machine are named; where they had much of it, it was not the stack that was measured."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import Event, History, Meta, Record, Sample
from harness.judge import machine
from harness.judge.verdict import judge
from harness.outcome import Check, Verdict
from harness.pace import SLOWEST, USUAL_MS
from tests.unit.builders import at, bad, changed, healthy, named, whole


def loads(*others: Any, every: float = 2.0, **more: Any) -> list[Record]:
    """One reading after another, from the beginning of the run on."""
    return [
        Event(t=at(i * every), source="node", object="host", what="load", value={"others": share, "top": "cc", **more})
        for i, share in enumerate(others)
    ]


def judged(records: list[Record]) -> Check:
    return named(judge(whole([*healthy(), *records])), machine.NAME)


def test_a_machine_of_ones_own_passes_and_says_what_others_had() -> None:
    found = judged(loads(0, 1.5, 3, 0, 0, 0, 0, 0, 0))
    assert found.verdict is Verdict.PASS
    assert found.because == (
        "Everything but the stack and the harness had 0.5 % of the processors, and at most 0.9 % over 10 s "
        "(most of it cc, from 20.5 s before the fault (0.0 s into the run))."
    )


@pytest.mark.parametrize(("share", "verdict"), [(25.0, Verdict.PASS), (25.1, Verdict.INVALID)])
def test_the_limit_is_on_the_mean_of_ten_seconds(share: float, verdict: Verdict) -> None:
    found = judged(loads(*[0] * 10, *[share] * 5, *[0] * 10))
    assert found.verdict is verdict
    assert [(w.start, w.end) for w in found.windows] == ([(at(18), at(28))] if verdict is Verdict.INVALID else [])
    assert judged(loads(*[0] * 10, 100, *[0] * 10)).verdict is Verdict.PASS


def test_who_had_most_is_looked_for_in_those_ten_seconds_alone() -> None:
    found = judged([*loads(100, top="make"), *loads(0, *[30] * 5)[1:]])
    assert "most of it cc, from" in found.because


def test_what_the_machine_below_took_counts_too() -> None:
    found = judged(loads(*[10] * 12, steal=16.0, top=""))
    assert found.verdict is Verdict.INVALID
    assert "most of it the machine below" in found.because


def test_much_at_the_very_end_is_not_taken_for_ten_seconds() -> None:
    assert judged(loads(*[0] * 10, 60)).verdict is Verdict.PASS
    assert judged(loads(0, 60)).verdict is Verdict.INVALID  # two seconds are all that there is


def test_readings_that_are_further_apart_than_ten_seconds_are_taken_as_they_are() -> None:
    assert judged(loads(0, 25, every=11)).verdict is Verdict.PASS
    assert judged(loads(0, 0, 26, every=11)).verdict is Verdict.INVALID


@given(st.lists(st.floats(0, 100), min_size=2, max_size=40))
def test_it_holds_exactly_where_no_ten_seconds_are_above_the_limit(shares: list[float]) -> None:
    spans = [shares[i : i + 5] for i in range(1, max(2, len(shares) - 4))]
    worst = max(sum(span) / len(span) for span in spans)
    assert (judged(loads(*shares)).verdict is Verdict.PASS) == (worst <= machine.MOST)


@pytest.mark.parametrize("others", ["much", None, -1, float("nan"), True, machine.HIGHEST + 1])
def test_what_is_no_share_is_invalid(others: Any) -> None:
    found = named(judge(whole([*healthy(), *loads(0, others)])), "evidence")
    assert found.verdict is Verdict.INVALID
    assert judged(loads(0, 0, machine.HIGHEST)).verdict is Verdict.INVALID


@pytest.mark.parametrize("records", [[], loads(90), [*loads(1), *loads(2)][:1]])
def test_a_history_that_says_nothing_of_others_is_judged_without(records: list[Record]) -> None:
    assert machine.check(whole([*healthy(), *records])) == ()


def test_readings_that_could_not_tell_others_say_nothing() -> None:
    told = [Event(t=at(i), source="node", object="host", what="load", value={"busy": 99.0}) for i in range(5)]
    assert machine.check(whole([*healthy(), *told])) == ()


LATE = changed(healthy(), Sample, lambda s: True, lambda s: {"end": s.due + at(0.9)})
DURATION = "tasks.run_duration"
AWAY = bad(healthy(), 21, 45)


def paced(records: list[Record], *slowness: Any) -> list[Record]:
    told = (loads(0, work_ms=times * USUAL_MS if isinstance(times, float) else times)[0] for times in slowness)
    moved = (event.model_copy(update={"t": at(i * 2)}) for i, event in enumerate(told))
    return sorted([*records, *moved], key=lambda r: r.t)


@pytest.mark.parametrize(("records", "kind"), [(LATE, "latency"), (AWAY, "outage"), (AWAY, "errors")])
@pytest.mark.parametrize(("times", "verdict"), [(SLOWEST, Verdict.FAIL), (SLOWEST * 1.01, Verdict.INVALID)])
def test_what_fails_on_slow_processors_is_invalid(
    records: list[Record], kind: str, times: float, verdict: Verdict
) -> None:
    found = named(judge(whole(paced(records, 1.0, times, times, 9.0, 1.0))), f"availability.read.{kind}")
    assert found.verdict is verdict
    assert ("1.5 times as long as usual" in found.because) is (verdict is Verdict.INVALID)


def slow_run(*times: float) -> History:
    return whole(paced(healthy(), *times))


def longest(limit: float) -> Check:
    """A run that took 29 s, beside this limit."""
    origin = {"limit": limit, "unit": "s", "origin": "test", "windows": ()}
    return Check(name=DURATION, verdict=Verdict.FAIL, measure=29.0, because="It took 29 s.", **origin)


@pytest.mark.parametrize(
    ("limit", "times", "verdict"),
    [(28.0, 1.0, Verdict.FAIL), (28.0, 1.4, Verdict.FAIL), (28.0, 2.0, Verdict.INVALID), (14.0, 2.0, Verdict.FAIL)],
)
def test_a_time_that_the_usual_pace_would_have_kept_is_in_doubt(limit: float, times: float, verdict: Verdict) -> None:
    (found,) = machine.undecided(slow_run(times, times, times), [longest(limit)])
    assert (found.verdict, found.measure) == (verdict, 29.0)
    assert ("This is in doubt, since the processors took" in found.because) is (verdict is Verdict.INVALID)


@pytest.mark.parametrize(
    "change", [{"unit": "count", "name": "tasks.lost"}, {"measure": None}, {"verdict": Verdict.PASS}]
)
def test_what_does_not_depend_on_the_pace_stands(change: dict[str, Any]) -> None:
    check = longest(28.0).model_copy(update=change)
    assert machine.undecided(slow_run(3.0, 3.0), [check]) == [check]


def test_the_verdict_of_a_slow_run_has_its_times_in_doubt() -> None:
    history = slow_run(3.0, 3.0, 3.0)
    assert history.meta
    tight = {DURATION: {**history.meta.slo[DURATION], "limit": 10.0}}
    meta = history.meta.model_copy(update={"slo": {**history.meta.slo, **tight}})
    records = [meta if isinstance(r, Meta) else r for r in paced(healthy(), 3.0, 3.0, 3.0)]
    assert named(judge(whole(records)), DURATION).verdict is Verdict.INVALID


def test_what_passes_on_slow_processors_passes_and_says_so() -> None:
    outcome = judge(whole(paced(healthy(), 2.0, 2.0, 2.0)))
    assert outcome.verdict is Verdict.PASS
    assert named(outcome, machine.NAME).because.endswith(
        "the processors took 2.0 times as long as usual for the same work."
    )


@pytest.mark.parametrize("ms", ["much", None, 0, -1.0, float("nan"), True, machine.HIGHEST * 10])
def test_what_is_no_time_is_invalid(ms: Any) -> None:
    assert named(judge(whole(paced(healthy(), ms, ms))), "evidence").verdict is Verdict.INVALID
