"""Answers in time, by the clock and not by requests."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import NS, Event, History, Record, Sample
from harness.judge.intervals import interval
from harness.judge.latency import Allowance, judge, quantile, replacing
from harness.judge.verdict import judge as judge_history
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import READ, at, bad, changed, column, healthy, meta, named, sample, verdict, whole
from tests.unit.judge.test_null import null, still

NAME = "availability.read.latency"
P99 = Allowance(percent=1)
BOUND = Bound(NAME, 0.75, "s", "test")


def answers(*took: float, step: float = 1.0) -> list[Sample]:
    """One sample each `step` seconds that took so long; one that took no finite time was refused at once."""
    return [
        sample(i * step, took=s) if math.isfinite(s) else sample(i * step, "fail", took=0.001)
        for i, s in enumerate(took)
    ]


def judged(samples: list[Sample], allowed: Allowance | None = None) -> Check:
    return judge(BOUND, READ, column(samples), allowed or P99)


def slower(records: list[Record], by: float, since: float = 0, until: float = 60, method: str = "GET") -> list[Record]:
    return changed(
        records,
        Sample,
        lambda s: s.method == method and at(since) <= s.due < at(until),
        lambda s: {"end": s.end + at(by)},
    )


@st.composite
def sampled(draw: st.DrawFn) -> list[Sample]:
    """A series with steps of any length, answers as slow as you like, and some that never came."""
    steps = draw(st.lists(st.integers(1, 3000), min_size=2, max_size=40))
    due, out = 0.0, []
    for step in steps:
        took = draw(st.integers(0, 5000).map(lambda ms: ms / 1000))
        late = draw(st.sampled_from([0.0, 0.02, 1.5]))
        out.append(sample(due, draw(st.sampled_from(["ok", "ok", "ok", "fail", "info"])), took=took, late=late))
        due += step / 1000
    return out


def naive(samples: list[Sample], free: float) -> float | None:
    """Of all latencies that there are, the least that was exceeded for no longer than is free."""
    ordered = sorted(samples, key=lambda s: s.due)
    ends = [s.due for s in ordered[1:]] + [ordered[-1].due + (interval(column(samples)) or 0)]
    stood = [
        (math.inf if s.outcome != "ok" else s.end - s.due, end - s.due) for s, end in zip(ordered, ends, strict=True)
    ]
    if sum(length for _, length in stood) <= free:
        return None
    fits = [took for took, _ in stood if sum(length for other, length in stood if other > took) <= free]
    return min(fits)


@given(sampled(), st.floats(0, 1.2))
def test_the_measure_is_what_counting_by_hand_gives(samples: list[Sample], share: float) -> None:
    one = column(samples)
    usual = interval(one)
    assert usual is not None
    time = samples[-1].due - samples[0].due + usual
    assert quantile(one, usual, share * time, one.due) == naive(samples, share * time)


@given(sampled(), st.floats(0, 0.9), st.integers(0, 39), st.integers(1, 5000))
def test_a_slower_answer_never_makes_it_better(samples: list[Sample], share: float, which: int, ms: int) -> None:
    usual = interval(column(samples)) or 0
    free = share * (samples[-1].due - samples[0].due + usual)
    first = column(samples)
    before = quantile(first, usual, free, first.due)
    place = which % len(samples)
    later = samples[place].model_copy(update={"end": samples[place].end + ms * NS // 1000})
    slower = column([*samples[:place], later, *samples[place + 1 :]])
    failed = column([*samples[:place], later.model_copy(update={"outcome": "fail"}), *samples[place + 1 :]])
    after = quantile(slower, usual, free, slower.due)
    gone = quantile(failed, usual, free, failed.due)
    assert before is not None
    assert after is not None
    assert gone is not None
    assert before <= after <= gone


def test_time_counts_and_not_requests() -> None:
    """Of 200 answers two are slow, 1 %; the second one stands for 10 s in which nobody asked."""
    fast = [sample(i, took=0.1) for i in range(198)]
    two = [sample(198, took=2.0), sample(208, took=0.1)]
    assert judged([*fast, *two]).measure == 2.0
    assert judged([*fast, sample(198, took=2.0), sample(199, took=0.1)]).measure == 0.1


@pytest.mark.parametrize(
    ("took", "measure", "found"),
    [
        ([0.1] * 100, 0.1, Verdict.PASS),
        ([0.1] * 99 + [4.0], 0.1, Verdict.PASS),
        ([0.75] * 100, 0.75, Verdict.PASS),
        ([0.1] * 98 + [0.8, 4.0], 0.8, Verdict.FAIL),
        ([0.1] * 99 + [math.inf], 0.1, Verdict.PASS),
        ([0.1] * 98 + [0.8, math.inf], 0.8, Verdict.FAIL),
        ([0.1] * 98 + [math.inf] * 2, None, Verdict.FAIL),
        ([math.inf] * 100, None, Verdict.FAIL),
    ],
)
def test_one_percent_of_the_time_may_be_slow_or_silent(
    took: list[float], measure: float | None, found: Verdict
) -> None:
    check = judged(answers(*took))
    assert (check.measure, check.verdict) == (measure, found)


def test_it_says_what_was_measured_and_what_was_left_out() -> None:
    assert judged(answers(*[0.1] * 100)).because == (
        "For all but 1 s of the 100 s judged, version over new connections answered within 0.1 s; "
        "the limit is at most 0.75 s (test)."
    )
    assert judged(answers(*[0.1] * 90, *[math.inf] * 10)).because == (
        "version over new connections did not answer at all for 10 s, and may be slow or silent for 1 s of the 100 s "
        "judged; the limit is at most 0.75 s (test)."
    )


def test_what_may_be_missing_may_be_slow() -> None:
    took = [0.1] * 95 + [1.0] * 5
    assert judged(answers(*took)).verdict is Verdict.FAIL
    for allowed in (Allowance(percent=5), Allowance(seconds=5)):
        assert judged(answers(*took), allowed).verdict is Verdict.PASS
    errors, outage = Bound("availability.read.errors", 12, "%", "x"), Bound("availability.read.outage", 2, "s", "x")
    assert Allowance.of(outage, errors) == Allowance(12, 2)
    assert Allowance.of(None, None) == Allowance.of(Bound(outage.name, 0, "s", "x"), Bound(errors.name, 0, "%", "x"))


def test_a_tenth_of_the_time_may_be_slow_and_half_of_that_in_which_something_is_replaced() -> None:
    took = [0.1] * 70 + [1.0] * 30
    assert judged(answers(*took), Allowance(replacing=at(38))).verdict is Verdict.FAIL
    assert judged(answers(*took), Allowance(replacing=at(40))).verdict is Verdict.PASS


def test_replaced_is_what_the_undo_found_whole_and_no_later_than_promised() -> None:
    history = whole(healthy())
    fault = min(f.t for f in history.faults if f.phase == "injected")
    undone = max(f.t for f in history.faults if f.phase == "rolled-back")
    bound = Bound("rollback.time", 1000, "s", "x")
    assert replacing(history, {bound.name: bound}) == undone - fault
    assert replacing(history, {bound.name: Bound(bound.name, 2, "s", "x")}) == at(2)
    assert replacing(history, {}) == 0
    assert replacing(whole(still()), {bound.name: bound}) == 0


@pytest.mark.parametrize("samples", [answers(0.1), [sample(1), sample(1), sample(1)]])
def test_without_an_interval_nothing_is_known(samples: list[Sample]) -> None:
    assert judged(samples).verdict is Verdict.INVALID


def test_where_all_of_the_time_may_be_silent_nothing_is_known() -> None:
    check = judged(answers(*[0.1] * 10), Allowance(seconds=10))
    assert (check.verdict, check.measure) == (Verdict.INVALID, None)
    assert "All of the 10 s in which version over new connections was sampled may be slow" in check.because


def test_a_stack_that_takes_900_ms_more_fails_with_nothing_broken() -> None:
    slo = {**meta().slo, NAME: BOUND.to_json()}
    first = still()[0].model_copy(update={"slo": {n: b for n, b in slo.items() if n in still()[0].slo}})  # type: ignore[attr-defined]
    assert named(null([first, *still()[1:]]), NAME).verdict is Verdict.PASS
    check = named(null([first, *slower(still()[1:], 0.9)]), NAME)
    assert check.verdict is Verdict.FAIL
    assert check.measure == pytest.approx(0.92)


def test_reads_and_writes_are_judged_apart_and_the_worst_series_speaks() -> None:
    outcome = verdict(slower(healthy(), 0.7, 25, 55, "POST"))
    assert named(outcome, "availability.write.latency").verdict is Verdict.FAIL
    assert named(outcome, NAME).verdict is Verdict.PASS
    one = changed(healthy(), Sample, lambda s: s.target == "dags" and s.due > at(25), lambda s: {"end": s.end + at(1)})
    assert "dags over new connections" in named(verdict(one), NAME).because


def test_an_outage_that_is_allowed_is_no_slowness_and_a_slow_ground_is_no_ground() -> None:
    assert named(verdict(bad(healthy(), 25, 27)), NAME).verdict is Verdict.PASS
    ground = verdict(slower(healthy(), 0.7, 5, 9))
    assert named(ground, NAME).verdict is Verdict.PASS
    assert named(ground, "evidence.baseline").verdict is Verdict.INVALID


def test_what_is_slow_while_others_have_the_machine_is_nobodys_broken_promise() -> None:
    slow = changed(healthy(), Sample, lambda s: True, lambda s: {"end": s.due + at(0.9)})
    assert named(verdict(slow), "availability.read.latency").verdict is Verdict.FAIL
    load = [
        Event(t=at(t), source="node", object="host", what="load", value={"others": 60.0, "steal": 0.0})
        for t in range(0, 60, 2)
    ]
    found = named(verdict(sorted([*slow, *load], key=lambda r: r.t)), "availability.read.latency")
    assert found.verdict is Verdict.INVALID
    assert "the machine was not the stack's own" in found.because


def test_a_prober_that_came_late_is_no_slow_server() -> None:
    late = changed(healthy(), Sample, lambda s: True, lambda s: {"t": s.t + at(0.9), "end": s.end + at(0.9)})
    found = named(verdict(late), "availability.read.latency")
    assert found.verdict is Verdict.INVALID
    assert "it was the prober that came late" in found.because


def test_a_share_of_a_part_is_none_of_the_whole() -> None:
    slow = changed(healthy(), Sample, lambda s: True, lambda s: {"end": s.due + at(0.9)})
    cut = judge_history(History.of(slow))
    assert named(cut, "availability.read.latency").verdict is Verdict.INVALID
