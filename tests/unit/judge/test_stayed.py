"""What recovered stays so to the end, and what nobody could see is no failure."""

from __future__ import annotations

import pytest

from harness.history import Event, Fault, Mark, Op, Record
from harness.outcome import Check, Outcome, Verdict
from tests.unit.builders import END, FAULT, at, changed, healthy, job, meta, named, pod, verdict, without
from tests.unit.judge.test_came import told

ROLLBACK, READY = "rollback.time", "recovery.replacement_ready"


def judged(*more: Record, records: list[Record] | None = None) -> Outcome:
    return verdict(sorted([*(healthy() if records is None else records), *more], key=lambda r: r.t))


def node(t: float, what: str, name: str = "n9") -> Event:
    return Event(t=at(t), source="node", object=name, uid=f"uid-{name}", what=what)


def undone(t: float, records: list[Record] | None = None) -> list[Record]:
    return changed(records or healthy(), Fault, lambda f: f.phase == "rolled-back", lambda _: {"t": at(t)})


def after(t: float, source: str) -> list[Record]:
    return without(healthy(), Event, lambda e: e.source == source and e.t > at(t))


def test_a_good_run_stays_good() -> None:
    assert judged().verdict is Verdict.PASS


@pytest.mark.parametrize("name", ["first_heartbeat", "orphans_handled"])
def test_jobs_that_nobody_followed_are_no_failure(name: str) -> None:
    blind = judged(told(21, "error"), records=after(21, "job"))
    assert named(blind, f"recovery.{name}").verdict is Verdict.INVALID
    assert blind.verdict is Verdict.INVALID
    seen = judged(records=after(21, "job"))
    assert named(seen, f"recovery.{name}").verdict is Verdict.FAIL


def test_jobs_that_were_not_followed_for_a_while_may_have_recovered_meanwhile() -> None:
    records = without(healthy(), Event, lambda e: e.source == "job" and at(21) < e.t < at(50))
    found = judged(told(21, "error"), told(50, "recovered"), records=records)
    assert named(found, "recovery.first_heartbeat").verdict is Verdict.INVALID


def test_pods_that_nobody_followed_are_no_failure() -> None:
    for recovered in ([], [told(58, "recovered", of="pods of airflow")]):
        found = judged(told(23, "error", of="pods of airflow"), *recovered, records=after(22, "pod"))
        for name in (READY, ROLLBACK):
            assert (named(found, name).verdict is Verdict.FAIL) == bool(recovered and name == ROLLBACK)
        assert named(found, READY).verdict is Verdict.INVALID


def test_marks_that_were_not_read_are_no_failure() -> None:
    stop = Event(t=at(55), source="probe", object="ledger", what="stopped", value={"complete": False})
    unread = without(healthy(), Mark, lambda m: m.t > at(23))
    assert named(judged(stop, records=unread), "recovery.first_new_task").verdict is Verdict.INVALID
    assert named(judged(records=unread), "recovery.first_new_task").verdict is Verdict.FAIL
    lost = Event(t=at(55), source="probe", object="ledger", what="stopped", value={"complete": True, "marks": 99})
    assert named(judged(lost, records=unread), "recovery.first_new_task").verdict is Verdict.INVALID


def test_runs_that_were_not_followed_are_no_failure() -> None:
    ends = without(healthy(), Op, lambda o: o.f == "run" and o.type == "ok" and o.t > at(21))
    blind = told(22, "error", "runs of workload", "runs")
    names = ("recovery.last_delayed_run", "tasks.run_duration", "tasks.lost")
    found, seen = judged(blind, records=ends), judged(records=ends)
    assert [named(found, name).verdict for name in names] == [Verdict.INVALID] * 3
    assert {named(seen, name).verdict for name in names} == {Verdict.FAIL}


def test_a_run_that_failed_failed_though_others_were_not_followed() -> None:
    failed = changed(
        healthy(),
        Op,
        lambda o: o.f == "run" and o.type == "ok" and o.value["dag_run"] == "r18",
        lambda _: {"type": "fail"},
    )
    found = judged(told(34, "error", "runs of workload", "runs"), records=failed)
    assert named(found, "recovery.last_delayed_run").verdict is Verdict.FAIL


def test_a_run_that_was_seen_late_is_known_at_most() -> None:
    late = changed(
        healthy(),
        Op,
        lambda o: o.f in ("run", "tasks") and o.type == "ok" and o.value["dag_run"] == "r24",
        lambda o: {"t": o.t + at(14)},
    )
    gap = (told(34, "error", "runs of workload", "runs"), told(50, "recovered", "runs of workload", "runs"))
    assert named(judged(records=late), "tasks.run_duration").verdict is Verdict.FAIL
    assert named(judged(*gap, records=late), "tasks.run_duration").verdict is Verdict.INVALID


def away(since: float, until: float | None = None, **value: int) -> list[Record]:
    back = [] if until is None else [pod(until, "scheduler-c", "uid-c", "modified", **value)]
    return [pod(since, "scheduler-c", "uid-c", ready=False), *back]


@pytest.mark.parametrize("until", [50, None])
def test_a_replacement_that_goes_again_did_not_stay(until: float | None) -> None:
    found = judged(*away(46, until, restarts=1))
    assert named(found, READY).verdict is named(found, ROLLBACK).verdict is Verdict.FAIL
    assert "did not stay" in named(found, READY).because


def test_a_replacement_that_went_before_the_undo_did_not_stay_either() -> None:
    found = judged(*away(32, 36))
    assert (named(found, READY).verdict, named(found, ROLLBACK).verdict) == (Verdict.FAIL, Verdict.PASS)


def test_what_is_told_when_a_gap_ends_is_no_dip() -> None:
    """A list that is read again tells of what went first, and then of what came."""
    gap = (told(45, "error", of="pods of airflow"), told(49, "recovered", of="pods of airflow"))
    swap = (pod(49, "scheduler-c", "uid-c", "deleted"), pod(49.01, "scheduler-e", "uid-e", "added"))
    found = judged(*gap, *swap)
    assert named(found, READY).verdict is not Verdict.FAIL
    assert named(found, ROLLBACK).verdict is not Verdict.FAIL
    assert named(judged(*swap), READY).verdict is Verdict.FAIL


def test_replacements_that_crash_did_not_stay_though_they_were_never_seen_unready() -> None:
    crashes = [pod(46 + n, "scheduler-c", "uid-c", restarts=n) for n in range(1, 6)]
    found = named(judged(*crashes), ROLLBACK)
    assert found.verdict is Verdict.FAIL
    assert "was restarted" in found.because


def test_what_no_fault_hit_must_stay_too() -> None:
    there = [pod(0.1, f"api-{n}", f"uid-api-{n}", "added", component="api-server") for n in (1, 2)]
    gone = [pod(t, f"api-{n}", f"uid-api-{n}", component="api-server", ready=t > 50) for n in (1, 2) for t in (46, 56)]
    assert judged(*there).verdict is Verdict.PASS
    assert named(judged(*there, *gone), ROLLBACK).verdict is Verdict.FAIL


def test_one_more_than_there_were_is_not_as_before() -> None:
    more = pod(50, "scheduler-e", "uid-e", "added")
    assert named(judged(more), ROLLBACK).verdict is Verdict.FAIL
    assert named(judged(more, pod(55, "scheduler-e", "uid-e", deleting=True)), ROLLBACK).verdict is Verdict.PASS


def worker(t: float, number: int) -> Event:
    return pod(t, f"worker-{number}", f"uid-w{number}", "added", component="worker")


def test_workers_that_keda_adds_are_no_difference() -> None:
    pods = {"scheduler": 2, "api-server": 2, "worker": 1}
    records = changed(
        healthy(),
        Fault,
        lambda f: f.phase == "rolled-back",
        lambda f: {"evidence": {**f.evidence, "expected": pods, "ready": pods}},
    )
    found = [
        named(judged(worker(1, 1), worker(50, 2), records=[meta(stack=stack, replicas=pods), *records[1:]]), ROLLBACK)
        for stack in ("celery", "celery-keda")
    ]
    assert [check.verdict for check in found] == [Verdict.FAIL, Verdict.PASS]


def beats(number: int, *, until: float) -> list[Record]:
    return without(healthy(), Event, lambda e: e.value.get("id") == number and e.t > at(until))


def test_a_new_scheduler_that_beats_once_is_no_recovery() -> None:
    found = named(judged(records=beats(3, until=28.5)), "recovery.first_heartbeat")
    assert found.verdict is Verdict.FAIL
    assert "was silent for the last" in found.because
    blind = named(judged(told(40, "error"), records=beats(3, until=28.5)), "recovery.first_heartbeat")
    assert blind.verdict is Verdict.PASS  # that it came was seen; the run is INVALID by its observer


def test_a_new_scheduler_that_is_marked_failed_is_no_recovery() -> None:
    failed = job(56, 3, "scheduler-c", "state", "failed")
    assert named(judged(failed), "recovery.first_heartbeat").verdict is Verdict.FAIL


def test_a_dead_job_that_runs_again_was_not_handled() -> None:
    again = job(50, 1, "scheduler-a", "state", "running")
    assert named(judged(again), "recovery.orphans_handled").verdict is Verdict.FAIL


def test_a_killed_pod_that_is_ready_to_the_end_contradicts_its_proof() -> None:
    """The watch says that nothing happened, the proof that it is gone: no failure of the stack, and no pass."""
    kept = without(healthy(), Event, lambda e: e.uid == "uid-a" and e.t > at(1))
    found = judged(records=kept)
    assert (found.verdict, named(found, ROLLBACK).verdict) == (Verdict.INVALID, Verdict.INVALID)


@pytest.mark.parametrize(
    ("edges", "verdict_"),
    [
        ([(50, "not-ready")], Verdict.FAIL),
        ([(47, "not-ready"), (55, "ready")], Verdict.FAIL),
        ([(25, "not-ready"), (35, "ready")], Verdict.INVALID),
        ([], Verdict.PASS),
    ],
)
def test_nodes_belong_to_what_was_there(edges: list[tuple[float, str]], verdict_: Verdict) -> None:
    check = named(judged(node(0.1, "ready"), *(node(t, what) for t, what in edges)), ROLLBACK)
    assert check.verdict is verdict_


def stopped(*nodes: Event) -> Check:
    """The nodes of a run in which n9 was off."""
    off = {"action": "stop_node"}
    records = changed(
        healthy(), Fault, lambda f: f.phase == "injected", lambda f: {**off, "target": {**f.target, "node": "n9"}}
    )
    return named(judged(node(0.1, "ready"), *nodes, records=records), ROLLBACK)


def test_a_node_that_was_off_is_back_when_it_is_ready() -> None:
    gone = node(25, "not-ready")
    assert stopped(gone, node(38, "ready")).measure == 19.5
    assert stopped(gone, node(48, "ready")).measure == 27.5
    assert stopped(gone, node(48, "ready"), node(52, "not-ready"), node(55, "ready")).verdict is Verdict.FAIL
    assert stopped(gone).verdict is Verdict.FAIL


def test_the_later_of_the_undo_and_the_watch_counts() -> None:
    assert named(judged(records=undone(27)), ROLLBACK).measure == pytest.approx(30 - FAULT)
    early = named(judged(records=undone(24)), ROLLBACK)
    assert early.verdict is Verdict.INVALID
    assert "were seen Ready until 9.5 s after the fault" in early.because


@pytest.mark.parametrize("lacks", ["api-server", "scheduler"])
def test_an_undo_that_did_not_look_at_all_there_was_is_unknown(lacks: str) -> None:
    def less(f: Fault) -> dict[str, object]:
        left = {name: {c: n for c, n in f.evidence[name].items() if c != lacks} for name in ("expected", "ready")}
        return {"evidence": {**f.evidence, **left}}

    check = named(judged(records=changed(healthy(), Fault, lambda f: f.phase == "rolled-back", less)), ROLLBACK)
    assert check.verdict is Verdict.INVALID
    assert lacks in check.because


def test_pods_that_were_not_followed_after_the_undo_are_unknown() -> None:
    gap = (told(44, "error", of="pods of airflow"), told(END - 1, "recovered", of="pods of airflow"))
    assert named(judged(*gap), ROLLBACK).verdict is Verdict.INVALID
