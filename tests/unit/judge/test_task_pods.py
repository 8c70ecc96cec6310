"""Pods of tasks are counted by the attempt that they say they are for, and what stays behind is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import End, Event, History, Record
from harness.judge import task_pods
from harness.judge.verdict import required
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import at, meta, pod, verdict, whole

EXTRA, LEFT = "tasks.extra_pods", "tasks.left_pods"


def seen(t: float, name: str, phase: str, *, what: str = "modified", try_: int = 1, index: int = -1) -> Event:
    value = {"component": "worker", "phase": phase, "ready": False, "deleting": False}
    attempt = ["run-1", "extract", index, try_]
    return Event(t=at(t), source="pod", object=name, uid=f"uid {name}", what=what, value={**value, "attempt": attempt})


def life(name: str, start: float, *, gone: bool = True, try_: int = 1, index: int = -1) -> list[Record]:
    """A pod that runs for 5 s and is deleted 2 s later, or not."""
    steps = [(0, "Pending", "added"), (1, "Running", "modified"), (5, "Succeeded", "modified")]
    steps += [(7, "Succeeded", "deleted")] if gone else []
    return [seen(start + t, name, phase, what=what, try_=try_, index=index) for t, phase, what in steps]


def check(name: str, *records: Record, last: float = 100.0) -> Check:
    history = History.of([meta(), *records, End(t=at(last), complete=True)])
    (found,) = task_pods.check(history, {name: Bound(name, 0, "count", "origin")})
    return found


def test_without_a_bound_nothing_is_judged() -> None:
    assert task_pods.check(whole(life("a", 1)), {}) == ()


def test_one_pod_an_attempt_is_as_it_should_be() -> None:
    records = life("a", 1) + life("b", 10, try_=2) + life("c", 10, index=0) + life("d", 10, index=1)
    found = check(EXTRA, *records)
    assert (found.verdict, found.measure) == (Verdict.PASS, 0)
    assert found.because.startswith("Pods made beyond one per attempt: 0 of 4 pods; the limit")


def test_a_second_pod_of_an_attempt_is_found_and_named() -> None:
    found = check(EXTRA, *life("a", 1, index=3), *life("b", 10, index=3), *life("c", 10))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert " 1 of 3 pods (run-1/extract[3] try 1: a, b);" in found.because


@pytest.mark.parametrize("name", [EXTRA, LEFT])
def test_where_no_pod_of_a_task_was_seen_nothing_is_known(name: str) -> None:
    assert check(name, pod(1, "scheduler-a", "u")).verdict is Verdict.INVALID


def test_a_pod_that_stays_is_found_and_named() -> None:
    found = check(LEFT, *life("a", 1, gone=False), *life("b", 1))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert " 1 of 2 (a);" in found.because
    assert check(LEFT, *life("a", 1)).verdict is Verdict.PASS


def test_a_pod_on_its_way_out_is_not_left() -> None:
    going = seen(8, "a", "Succeeded")
    going = going.model_copy(update={"value": {**going.value, "deleting": True}})
    assert check(LEFT, *life("a", 1, gone=False), going).verdict is Verdict.PASS


@pytest.mark.parametrize(("last", "verdict"), [(36.0, Verdict.FAIL), (35.9, Verdict.INVALID)])
def test_a_pod_is_judged_from_thirty_seconds_after_it_was_over(last: float, verdict: Verdict) -> None:
    assert check(LEFT, *life("a", 1, gone=False), last=last).verdict is verdict


def test_a_pod_that_failed_and_stays_is_left_and_one_that_runs_is_not() -> None:
    failed = [seen(1, "a", "Running", what="added"), seen(2, "a", "Failed")]
    assert check(LEFT, *failed, seen(1, "b", "Running", what="added")).measure == 1


@pytest.mark.parametrize("said", [None, [], ["run", "task", 0], "run/task"])
def test_a_pod_that_does_not_say_what_it_is_for_is_no_task_s(said: object) -> None:
    odd = pod(1, "scheduler-a", "u")
    odd = odd.model_copy(update={"value": {**odd.value, "attempt": said}})
    assert check(EXTRA, odd).verdict is Verdict.INVALID


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(1, 2)), min_size=1, max_size=12))
def test_what_is_beyond_one_an_attempt_is_counted(attempts: list[tuple[int, int]]) -> None:
    records = [r for n, (index, try_) in enumerate(attempts) for r in life(f"p{n}", n, index=index, try_=try_)]
    found = check(EXTRA, *records)
    assert found.measure == len(attempts) - len(set(attempts))
    assert (found.verdict is Verdict.PASS) == (found.measure == 0)


def test_a_history_that_is_cut_short_does_not_show_that_nothing_is_left() -> None:
    cut = History.of([meta(), *life("a", 1), pod(90, "other", "other")])
    (found,) = task_pods.check(cut, {LEFT: Bound(LEFT, 0, "count", "origin")})
    assert found.verdict is Verdict.INVALID


def test_a_stack_with_a_pod_a_task_owes_both() -> None:
    assert {EXTRA, LEFT} <= required("scheduler", writes=False, stack="kubernetes")
    bounds = {n: {"limit": 0, "unit": "count", "origin": "test"} for n in (EXTRA, LEFT)}
    outcome = verdict([meta({**meta().slo, **bounds}, stack="kubernetes"), *life("a", 1)])
    assert {c.name for c in outcome.checks if c.name in bounds} == set(bounds)
