"""Each phase from the same fault, and none of them guessed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.history import Event, Fault, History, Mark, Op, Record
from harness.judge.recovery import check
from harness.judge.verdict import judge
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import (
    FAULT,
    KILLED,
    LIMITS,
    at,
    changed,
    dag_run,
    fault,
    healthy,
    job,
    mark,
    meta,
    named,
    op,
    pod,
    sample,
    verdict,
    whole,
    without,
)

HOSTS = dict(enumerate(KILLED, start=1))


def phase(records: list[Record], name: str) -> Check:
    return named(verdict(records), f"recovery.{name}")


def pods(records: list[Record], *names: str) -> list[Record]:
    return without(records, Event, lambda e: e.source == "pod" and e.object.removeprefix("airflow/") in names)


def jobs(records: list[Record], *numbers: int) -> list[Record]:
    return without(records, Event, lambda e: e.source == "job" and e.value["id"] in numbers)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("process_gone", 0.5),
        ("replacement_ready", 9.4),
        ("first_heartbeat", 7.5),
        ("first_new_task", 10.5),
        ("orphans_handled", 14.7),
        ("last_delayed_run", 12.5),
    ],
)
def test_each_phase_is_measured_from_the_first_hit_or_from_a_targets_own(name: str, measure: float) -> None:
    check = phase(healthy(), name)
    assert check.measure == pytest.approx(measure)
    (window,) = check.windows
    since = FAULT + 0.1 if name == "replacement_ready" else FAULT  # scheduler-b, which was hit second
    assert (window.start, window.end) == (at(since), at(since + measure))


def test_without_an_exact_time_of_death_the_proof_counts() -> None:
    vague = changed(
        healthy(), Fault, lambda f: f.phase == "proved", lambda f: {"evidence": {**f.evidence, "process_gone_t": None}}
    )
    assert phase(vague, "process_gone").measure == pytest.approx(1.5)


def test_a_death_before_the_fault_cannot_be() -> None:
    odd = changed(
        healthy(), Fault, lambda f: f.phase == "proved", lambda f: {"evidence": {**f.evidence, "process_gone_t": at(1)}}
    )
    assert phase(odd, "process_gone").verdict is Verdict.INVALID


def test_an_unproved_death_is_unknown() -> None:
    unproved = without(healthy(), Fault, lambda f: f.phase == "proved" and f.target["uid"] == "uid-b")
    assert phase(unproved, "process_gone").verdict is Verdict.INVALID


def test_one_replacement_of_two_is_not_enough() -> None:
    check = phase(pods(healthy(), "scheduler-d"), "replacement_ready")
    assert check.verdict is Verdict.FAIL
    assert check.measure == 39.4
    assert "at least" in check.because


def test_replacements_must_be_ready_at_the_same_time() -> None:
    blink = [*healthy(), pod(29, "scheduler-c", "uid-c", ready=False), pod(33, "scheduler-c", "uid-c")]
    assert phase(blink, "replacement_ready").measure == 12.4
    gone = [*healthy(), pod(29, "scheduler-c", "uid-c", "deleted")]
    assert phase(gone, "replacement_ready").verdict is Verdict.FAIL


@pytest.mark.parametrize("value", [{"deleting": True}, {"ready": False}, {"component": "worker"}])
def test_only_ready_lasting_pods_of_the_component_replace(value: dict[str, object]) -> None:
    records = changed(healthy(), Event, lambda e: e.uid == "uid-d", lambda e: {"value": {**e.value, **value}})
    assert phase(records, "replacement_ready").verdict is Verdict.FAIL


def test_a_pod_that_was_there_before_is_no_replacement() -> None:
    for t in (1, FAULT):
        records = [*pods(healthy(), "scheduler-d"), pod(t, "scheduler-z", "uid-z"), pod(29, "scheduler-z", "uid-z")]
        assert phase(records, "replacement_ready").verdict is Verdict.FAIL


def test_what_was_hit_must_be_replaced_in_every_component() -> None:
    worker = {"kind": "Pod", "name": "airflow/worker-1", "uid": "uid-w", "node": "n1", "component": "worker"}
    proof = {"uid_gone": True, "exit_code": 137, "process_gone": True}
    hit: list[Record] = [
        pod(1, "worker-1", "uid-w", component="worker"),
        fault(FAULT + 0.2, "injected", worker),
        fault(22.2, "proved", worker, **proof),
    ]
    assert phase([*healthy(), *hit], "replacement_ready").verdict is Verdict.FAIL
    new = pod(FAULT + 12, "worker-2", "uid-x", component="worker")
    assert phase([*healthy(), *hit, new], "replacement_ready").measure == 11.8


def again(t: float, name: str, uid: str, *, gone: float, ready: float) -> list[Record]:
    """A second kill, of what may itself be a replacement, and the pod that comes for it."""
    target = {"kind": "Pod", "name": f"airflow/{name}", "uid": uid, "node": "n1", "component": "scheduler"}
    proof = {"uid_gone": True, "exit_code": 137, "process_gone": True, "process_gone_t": at(gone)}
    steps = [fault(t, "begin"), fault(t, "injected", target), fault(gone + 0.5, "proved", target, **proof)]
    second = [step.model_copy(update={"id": "kill-2"}) for step in steps]
    away = [pod(gone, name, uid, "deleted", ready=False), pod(gone + 0.1, "scheduler-e", "uid-e", "added", ready=False)]
    return [*second, *away, pod(ready, "scheduler-e", "uid-e")]


def test_each_target_counts_from_its_own_hit() -> None:
    """A second kill 30 s later said 30.7 s of a process that died within one."""
    twice = [*healthy(), *again(50, "scheduler-c", "uid-c", gone=50.7, ready=57)]
    assert phase(twice, "process_gone").measure == pytest.approx(0.7)
    assert phase(twice, "replacement_ready").measure == pytest.approx(9.4)
    slow = [*healthy(), *again(40, "scheduler-c", "uid-c", gone=42.5, ready=58)]
    gone, replaced = phase(slow, "process_gone"), phase(slow, "replacement_ready")
    assert gone.verdict is replaced.verdict is Verdict.FAIL
    assert [gone.measure, replaced.measure] == pytest.approx([2.5, 18])
    assert "after its own hit" in replaced.because


def test_a_second_kill_needs_a_replacement_of_its_own() -> None:
    twice = [*healthy(), *again(40, "scheduler-c", "uid-c", gone=40.7, ready=45)]
    silent = without(twice, Event, lambda e: e.value.get("id") == 3 and e.t > at(40))
    never = without(silent, Event, lambda e: e.uid == "uid-e" and e.value["ready"] is True)
    check = phase(never, "replacement_ready")
    assert check.verdict is Verdict.FAIL
    assert check.measure == pytest.approx(20)


def test_pods_that_were_not_watched_before_the_fault_prove_nothing() -> None:
    assert phase(pods(healthy(), "scheduler-a"), "replacement_ready").verdict is Verdict.INVALID


def test_a_heartbeat_of_a_survivor_is_not_the_new_scheduler() -> None:
    survivor = [job(0.5, 9, "scheduler-s", "state"), *(job(t, 9, "scheduler-s") for t in range(1, 50))]
    assert phase([*healthy(), *survivor], "first_heartbeat").measure == 7.5
    assert phase([*jobs(healthy(), 3, 4), *survivor], "first_heartbeat").verdict is Verdict.FAIL


def test_being_seen_is_not_a_heartbeat() -> None:
    silent = without(healthy(), Event, lambda e: e.value.get("id") in (3, 4) and e.what == "heartbeat")
    assert phase(silent, "first_heartbeat").verdict is Verdict.FAIL


def test_a_job_that_is_first_seen_in_the_moment_of_the_fault_is_not_new() -> None:
    seen = [job(FAULT, 9, "scheduler-s", "state"), *(job(t, 9, "scheduler-s") for t in range(21, 50))]
    assert phase([*healthy(), *seen], "first_heartbeat").measure == 7.5


def test_without_jobs_before_the_fault_new_ones_cannot_be_told() -> None:
    assert phase(jobs(healthy(), 1, 2), "first_heartbeat").verdict is Verdict.INVALID
    assert phase(jobs(healthy(), 1, 2), "orphans_handled").verdict is Verdict.INVALID


@pytest.mark.parametrize("t", [20, FAULT])
def test_only_tasks_of_runs_triggered_after_the_fault_are_new(t: float) -> None:
    old = [*healthy(), *dag_run("old", t, 22, 25)]
    assert phase(old, "first_new_task").measure == 10.5


def test_a_run_that_was_refused_is_no_new_run() -> None:
    refused = changed(
        healthy(),
        Op,
        lambda o: o.f == "trigger" and o.type == "ok" and o.t > at(FAULT),
        lambda _: {"type": "fail"},
    )
    assert phase(refused, "first_new_task").verdict is Verdict.INVALID


def test_no_new_task_is_a_failure_and_no_new_run_unknown() -> None:
    late = {"r24", "r30", "r36", "r42"}
    no_task = without(healthy(), Mark, lambda m: m.dag_run in late)
    assert phase(no_task, "first_new_task").verdict is Verdict.FAIL
    no_run = without(no_task, Op, lambda o: o.value["dag_run"] in late)
    assert phase(no_run, "first_new_task").verdict is Verdict.INVALID


def test_a_run_that_was_triggered_too_late_says_nothing_of_airflow() -> None:
    soon = {"r24", "r30", "r36"}
    records = without(healthy(), Op, lambda o: o.value["dag_run"] in soon)
    records = without(records, Mark, lambda m: m.dag_run in soon)
    assert phase(records, "first_new_task").verdict is Verdict.INVALID
    records = without(records, Op, lambda o: o.value["dag_run"] == "r42")
    just = dag_run("just", FAULT + LIMITS["recovery.first_new_task"][0], 42, 45)
    assert phase([*records, *just], "first_new_task").verdict is Verdict.FAIL


def consuming(*more: Record, records: list[Record] | None = None, limit: float = 20) -> Check:
    """The check of `recovery.workers_consume`; in the healthy run worker-0 does everything, from 31 s on."""
    bound = Bound("recovery.workers_consume", limit, "s", "origin")
    everything = sorted([*(healthy() if records is None else records), *more], key=lambda r: r.t)
    (found,) = check(whole(everything), {bound.name: bound})
    return found


def worker(number: int, t: float = 1, **value: Any) -> Event:
    return pod(t, f"worker-{number}", f"uid-w{number}", component="worker", **value)


def test_the_last_worker_to_begin_a_new_task_counts() -> None:
    both = (worker(0), worker(1), mark(34, "start", "r24", "more", host="worker-1"))
    assert consuming(worker(0)).measure == pytest.approx(10.5)
    assert consuming(*both, mark(36, "start", "r24", "again", host="worker-1")).measure == pytest.approx(13.5)


def test_a_worker_that_eats_nothing_is_a_failure_though_its_peer_does_all() -> None:
    """It answers pings, so it is Ready (airflow issue 63580); what it did before the fault is not new."""
    old = mark(FAULT + 1, "start", "r18", "more", host="worker-1")
    found = consuming(worker(0), worker(1), old)
    assert found.verdict is Verdict.FAIL
    assert "worker-1 did not begin any" in found.because
    assert "worker-0" not in found.because
    assert consuming(worker(0), worker(1), limit=60).verdict is Verdict.INVALID


@pytest.mark.parametrize("value", [{"ready": False}, {"deleting": True}, {"what": "deleted"}])
def test_a_worker_that_is_not_up_in_the_end_owes_nothing(value: dict[str, Any]) -> None:
    assert consuming(worker(0), worker(1), worker(1, 40, **value)).measure == pytest.approx(10.5)
    assert consuming(worker(0), worker(0, 40, **value)).verdict is Verdict.INVALID
    assert consuming(worker(0), worker(1, **value), worker(1, 40)).verdict is Verdict.FAIL


def test_without_workers_or_new_runs_nobody_can_say_that_all_consume() -> None:
    assert consuming().verdict is Verdict.INVALID
    late = {"r24", "r30", "r36", "r42"}
    none = without(without(healthy(), Mark, lambda m: m.dag_run in late), Op, lambda o: o.value["dag_run"] in late)
    assert consuming(worker(0), records=none).verdict is Verdict.INVALID


def waited(*begun: float, since: float = FAULT - 5, limit: float = 20) -> Check:
    """The check of `recovery.waiting_begun`, of runs accepted `since`; those that begin at no finite time never do."""
    bound = Bound("recovery.waiting_begun", limit, "s", "origin")
    records: list[Record] = without(without(healthy(), Mark), Op)
    for number, t in enumerate(begun):
        records += [
            op(since - 0.1, "trigger", "invoke", f"q{number}", dag="backlog", tasks=[["work", -1]]),
            op(since, "trigger", "ok", f"q{number}", status=200, tries=1),
        ]
        records += [mark(t, "start", f"q{number}", "work")] if math.isfinite(t) else []
    (found,) = check(whole(sorted(records, key=lambda r: r.t)), {bound.name: bound})
    return found


def test_what_waited_in_the_queue_must_begin() -> None:
    assert waited(FAULT - 1, FAULT + 4, FAULT + 9).measure == pytest.approx(9)
    assert waited(FAULT + 4, FAULT + 21).verdict is Verdict.FAIL
    lost = waited(FAULT + 4, math.inf)
    assert lost.verdict is Verdict.FAIL
    assert "q1 did not begin" in lost.because
    assert waited(FAULT + 4, math.inf, limit=60).verdict is Verdict.INVALID


def test_where_nothing_waited_in_the_queue_nothing_was_at_stake() -> None:
    assert waited(FAULT - 1, FAULT - 1, FAULT + 4).verdict is Verdict.INVALID
    assert waited(FAULT + 4, FAULT + 5, since=FAULT - 2).verdict is Verdict.INVALID


def new_dag(*steps: tuple[float, str], blind: tuple[float, float] | None = None, limit: float = 20) -> Check:
    """The check of `recovery.dag_seen`, of a DAG that was put there and seen at these times."""
    bound = Bound("recovery.dag_seen", limit, "s", "origin")
    records: list[Record] = [Op(t=at(t), process="late", f=f, type="ok", value={"dag": "late_run-1"}) for t, f in steps]
    for t, what in zip(blind or (), ("error", "recovered"), strict=False):
        records.append(Event(t=at(t), source="probe", object="late", what=what, value={"of": "late_run-1"}))
    (found,) = check(whole(sorted([*healthy(), *records], key=lambda r: r.t)), {bound.name: bound})
    return found


PUT = (FAULT + 0.3, "put")


def test_a_dag_that_is_put_there_after_the_fault_must_be_seen_in_time() -> None:
    found = new_dag(PUT, (FAULT + 14, "seen"))
    assert found.verdict is Verdict.PASS
    assert found.measure == pytest.approx(14)
    assert new_dag(PUT, (FAULT + 21, "seen")).verdict is Verdict.FAIL
    assert new_dag(PUT).verdict is Verdict.FAIL
    assert new_dag(PUT, limit=60).verdict is Verdict.INVALID


@pytest.mark.parametrize("steps", [(), ((FAULT - 1, "put"),), ((FAULT - 1, "put"), PUT), ((FAULT + 6, "put"),)])
def test_a_dag_that_was_not_put_there_right_after_the_fault_says_nothing(steps: tuple[tuple[float, str], ...]) -> None:
    assert new_dag(*steps, (FAULT + 14, "seen")).verdict is Verdict.INVALID
    assert new_dag(*steps).verdict is Verdict.INVALID


def test_a_dag_that_was_seen_before_it_was_there_is_none() -> None:
    assert new_dag((FAULT - 2, "seen"), PUT).verdict is Verdict.FAIL


def test_where_nobody_could_be_asked_for_it_a_late_dag_is_no_failure() -> None:
    assert new_dag(PUT, (FAULT + 25, "seen"), blind=(FAULT + 8, FAULT + 24)).verdict is Verdict.INVALID
    assert new_dag(PUT, blind=(FAULT + 8, FAULT + 30)).verdict is Verdict.INVALID
    assert new_dag(PUT, (FAULT + 14, "seen"), blind=(FAULT + 1, FAULT + 13)).verdict is Verdict.PASS


def test_every_dead_scheduler_must_be_noticed() -> None:
    one = without(healthy(), Event, lambda e: e.value.get("id") == 2 and e.value.get("state") == "failed")
    assert phase(one, "orphans_handled").verdict is Verdict.FAIL
    another = [*healthy(), job(0.3, 7, "scheduler-s"), job(21, 7, "scheduler-s", "state", "failed")]
    assert phase(another, "orphans_handled").measure == pytest.approx(14.7)


@pytest.mark.parametrize("t", [0.3, FAULT])
def test_a_job_that_had_ended_before_is_not_an_orphan(t: float) -> None:
    ended = [*healthy(), job(t, 7, "scheduler-a", "state", "failed")]
    assert phase(ended, "orphans_handled").measure == pytest.approx(14.7)


def test_what_a_job_said_last_by_the_fault_counts() -> None:
    said = [job(FAULT, n, host, "state", s) for n, host in HOSTS.items() for s in ("failed", "running")]
    assert phase([*healthy(), *said], "orphans_handled").measure == pytest.approx(14.7)
    over = [job(0.3, 7, "scheduler-a"), job(FAULT, 7, "scheduler-a", "state", "failed")]
    assert phase([*healthy(), *over], "orphans_handled").measure == pytest.approx(14.7)


def test_no_run_in_flight_is_invalid() -> None:
    idle = without(healthy(), Op, lambda o: o.value["dag_run"] == "r18")
    assert phase(idle, "last_delayed_run").verdict is Verdict.INVALID


def test_a_run_that_is_only_seen_to_end_after_the_fault_was_not_in_flight() -> None:
    """Airflow is asked once a second; the ledger knows that the last task was over."""
    idle = without(healthy(), Op, lambda o: o.value["dag_run"] == "r18")
    over = dag_run("r19", FAULT - 9, FAULT - 8, FAULT + 0.1)
    check = phase(sorted([*idle, *over], key=lambda r: r.t), "last_delayed_run")
    assert check.verdict is Verdict.INVALID
    assert "no run was in flight" in check.because
    flying = dag_run("r19", FAULT - 9, FAULT - 8, FAULT + 0.2)
    assert phase(sorted([*idle, *flying], key=lambda r: r.t), "last_delayed_run").measure == pytest.approx(0.2)


def alone(*records: Record) -> list[Record]:
    """Nothing else was ever triggered, nor ever ran."""
    return sorted([*without(without(healthy(), Op), Mark), *records], key=lambda r: r.t)


def test_a_run_that_ended_by_the_fault_was_not_in_flight() -> None:
    for end, verdict_ in ((FAULT, Verdict.INVALID), (FAULT + 0.1, Verdict.PASS)):
        ended = without(dag_run("r19", 11, 12, end), Mark, lambda m: m.mark == "end" and m.task == "load")
        assert phase(alone(*ended), "last_delayed_run").verdict is verdict_


def test_a_run_of_which_every_task_is_over_is_not_in_flight_though_others_are() -> None:
    over = dag_run("r19", 11, 12, FAULT + 5)
    marks = changed(over, Mark, lambda m: m.task == "load" and m.mark == "end", lambda _: {"t": at(FAULT)})
    assert phase(alone(*marks), "last_delayed_run").verdict is Verdict.INVALID
    assert phase(alone(*marks, *dag_run("other", 11, 12, 24)), "last_delayed_run").measure == pytest.approx(3.5)


def test_a_run_that_was_accepted_in_the_moment_of_the_fault_was_in_flight() -> None:
    assert phase(alone(*dag_run("r19", FAULT - 0.05, 31, 33)), "last_delayed_run").measure == pytest.approx(12.5)


@pytest.mark.parametrize("t", [FAULT - 0.02, FAULT])
def test_a_run_that_was_being_accepted_is_delayed_but_is_no_proof_of_work_in_flight(t: float) -> None:
    asked = dag_run("r19", t, 31, 38.5)
    records = sorted([*healthy(), *asked], key=lambda r: r.t)
    assert phase(records, "last_delayed_run").measure == pytest.approx(38.5 - FAULT)
    idle = without(records, Op, lambda o: o.value["dag_run"] == "r18")
    assert phase(idle, "last_delayed_run").verdict is Verdict.INVALID


@pytest.mark.parametrize(("type_", "state"), [("fail", "failed"), ("info", "running")])
def test_a_run_in_flight_that_did_not_succeed_never_came(type_: str, state: str) -> None:
    records = changed(
        healthy(),
        Op,
        lambda o: o.f == "run" and o.type == "ok" and o.value["dag_run"] == "r18",
        lambda o: {"type": type_, "value": {**o.value, "state": state}},
    )
    assert phase(records, "last_delayed_run").verdict is Verdict.FAIL


def test_what_never_came_is_unknown_while_its_bound_has_not_run_out() -> None:
    slo = {n: {"limit": v, "unit": u, "origin": "test"} for n, (v, u) in LIMITS.items()}
    slo["recovery.replacement_ready"]["limit"] = 120
    records = [meta(slo), *pods(healthy(), "scheduler-d")[1:]]
    assert phase(records, "replacement_ready").verdict is Verdict.INVALID


def test_what_never_came_after_an_unproved_fault_is_unknown() -> None:
    unproved = without(pods(healthy(), "scheduler-d"), Fault, lambda f: f.phase == "proved")
    assert phase(unproved, "replacement_ready").verdict is Verdict.INVALID


def test_what_never_came_in_a_cut_history_is_unknown() -> None:
    cut = judge(History.of(pods(healthy(), "scheduler-d")))
    assert named(cut, "recovery.replacement_ready").verdict is Verdict.INVALID


def test_phases_that_are_not_owed_are_not_judged() -> None:
    slo = {n: {"limit": v, "unit": u, "origin": "test"} for n, (v, u) in LIMITS.items() if n[:8] != "recovery"}
    outcome = verdict([meta(slo, recovery=[]), *healthy()[1:]])
    assert outcome.verdict is Verdict.PASS
    assert not [c for c in outcome.checks if c.name.startswith("recovery")]


def test_without_a_fault_there_is_nothing_to_recover_from() -> None:
    outcome = verdict(without(healthy(), Fault))
    assert {c.verdict for c in outcome.checks if c.name.startswith("recovery")} == {Verdict.INVALID}


def test_requests_are_no_part_of_recovery() -> None:
    assert whole([sample(1)]).meta is None


def restarted(action: str, *more: Record, before: int | None = 2, **evidence: Any) -> Check:
    """A worker that is hit at 10 s in its place, and the check of `recovery.replacement_ready` within 30 s."""
    target = {"kind": "Pod", "name": "airflow/worker-1", "uid": "u1", "node": "n2", "component": "worker"}
    steps: list[Record] = [
        pod(1, "worker-1", "u1", component="worker", restarts=before),
        pod(1, "worker-2", "u2", component="worker", restarts=0),
        Fault(t=at(10), id="f", action=action, phase="injected", target=target),
        Fault(t=at(11), id="f", action=action, phase="proved", target=target, evidence=evidence),
        pod(90, "worker-2", "u2", component="worker", restarts=0),
    ]
    name = "recovery.replacement_ready"
    bound = Bound(name, 30, "s", "origin")
    records = [meta(), *sorted([*steps, *more], key=lambda r: r.t)]
    (found,) = check(whole(records), {name: bound})
    return found


@pytest.mark.parametrize("action", ["crash_pods", "hang_pods"])
def test_a_container_that_is_started_again_replaces_the_one_before(action: str) -> None:
    good = {"stopped": True, "process_gone": True}
    same = pod(12, "worker-1", "u1", component="worker", restarts=2)
    unready = pod(15, "worker-1", "u1", component="worker", restarts=3, ready=False)
    back = pod(25, "worker-1", "u1", component="worker", restarts=3)
    peer = pod(13, "worker-2", "u2", component="worker", restarts=1)
    assert restarted(action, same, unready, peer, back, **good).measure == 15.0
    assert restarted(action, same, unready, peer, **good).verdict is Verdict.FAIL
    assert restarted(action, pod(20, "worker-3", "u3", component="worker"), **good).measure == 10.0


def test_what_is_called_ready_before_it_was_looked_at_is_not_back() -> None:
    """Seen on a real worker: Ready with its restart counted at 12 s, unready at 15 s, and Ready at 25 s."""
    good = {"stopped": True, "process_gone": True}
    early, back = (pod(t, "worker-1", "u1", component="worker", restarts=3) for t in (12, 25))
    unready = pod(15, "worker-1", "u1", component="worker", restarts=3, ready=False)
    assert restarted("hang_pods", early, unready, back, **good).measure == 15.0
    assert restarted("hang_pods", early, unready, **good).verdict is Verdict.FAIL
    assert restarted("hang_pods", early, **good).measure == 2.0
    assert restarted("hang_pods", early, back, **good).measure == 2.0


def test_restarts_that_were_not_counted_are_none() -> None:
    good = {"stopped": True, "process_gone": True}
    unknown = pod(12, "worker-1", "u1", component="worker", restarts=None)
    first = pod(25, "worker-1", "u1", component="worker", restarts=1)
    assert restarted("crash_pods", unknown, first, before=None, **good).measure == 15.0
    assert restarted("crash_pods", unknown, before=0, **good).verdict is Verdict.FAIL


def test_a_pod_that_was_killed_is_not_replaced_by_its_own_container() -> None:
    back = pod(25, "worker-1", "u1", component="worker", restarts=3)
    assert restarted("kill_pods", back, uid_gone=True, process_gone=True).verdict is not Verdict.PASS


def test_a_pod_that_stayed_with_its_node_is_back_with_it_and_one_that_was_evicted_is_not() -> None:
    off: dict[str, Any] = {"node_off": True, "node": "n2"}
    unready = pod(15, "worker-1", "u1", component="worker", restarts=2, ready=False)
    back = pod(25, "worker-1", "u1", component="worker", restarts=3)
    assert restarted("stop_node", unready, back, **off).measure == 15.0
    assert restarted("stop_node", unready, **off).verdict is not Verdict.PASS
    going = pod(25, "worker-1", "u1", component="worker", restarts=3, deleting=True)
    assert restarted("stop_node", unready, going, **off).verdict is not Verdict.PASS
    other = pod(20, "worker-3", "u3", component="worker")
    assert restarted("stop_node", unready, other, going, **off).measure == 10.0


def test_a_hung_process_that_stays_never_went() -> None:
    target = {"kind": "Pod", "name": "airflow/worker-1", "uid": "u1", "node": "n2", "component": "worker"}

    def gone(**evidence: Any) -> Check:
        history = whole(
            [
                meta(),
                Fault(t=at(10), id="f", action="hang_pods", phase="injected", target=target),
                Fault(t=at(11), id="f", action="hang_pods", phase="proved", target=target, evidence=evidence),
                pod(90, "worker-2", "u2", component="worker"),
            ]
        )
        (found,) = check(history, {"recovery.process_gone": Bound("recovery.process_gone", 30, "s", "origin")})
        return found

    assert gone(stopped=True, process_gone=False).verdict is Verdict.FAIL
    assert gone(stopped=True, process_gone=None).verdict is Verdict.INVALID
    assert (found := gone(stopped=True, process_gone_t=at(25))).verdict is Verdict.PASS
    assert found.measure == 15.0
