"""What was there before the fault, up to its very moment."""

from __future__ import annotations

from harness.history import Fault, Phase
from harness.judge.faults import jobs_before, judged_from
from tests.unit.builders import at, healthy, job, meta, whole, without


def test_what_is_seen_in_the_moment_of_the_fault_was_there_before() -> None:
    history = whole([job(5, 1, "scheduler-a"), job(5.001, 2, "scheduler-b")])
    assert jobs_before(history, at(5)) == {"SchedulerJob/1": "scheduler-a"}


def test_where_nothing_was_to_be_broken_all_is_judged_from_the_baseline_on() -> None:
    records = [meta(component="none"), *without(healthy(), Fault)[1:]]
    assert judged_from(whole(records)) == 0
    assert judged_from(whole(without(records, Phase))) is None
