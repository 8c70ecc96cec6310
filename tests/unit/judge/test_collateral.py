"""What ends that no fault hit has a bound; what a fault does by its nature is not counted."""

from __future__ import annotations

from typing import Any

import pytest

from harness.history import Event, Fault, Record
from harness.judge.collateral import NAME
from harness.outcome import Check, Verdict
from tests.unit.builders import END, FAULT, at, changed, fault, healthy, meta, named, pod, verdict, without

API: dict[str, Any] = {"component": "api-server"}
HERE = [pod(0.01, "api-a", "uid-x", "added", **API), pod(0.01, "worker-a", "uid-w", "added", component="worker")]
STACK = {"scheduler": 2, "api-server": 1, "worker": 1}


def judged(*more: Record, limit: int = 0, records: list[Record] | None = None, **fields: Any) -> Check:
    slo = {**meta().slo, NAME: {"limit": limit, "unit": "count", "origin": "test"}}
    rest = (healthy() if records is None else records)[1:]
    first = meta(slo, **{"replicas": STACK, **fields})
    return named(verdict([first, *sorted([*rest, *HERE, *more], key=lambda r: r.t)]), NAME)


def test_where_only_what_was_hit_ends_nothing_is_counted() -> None:
    assert (judged().verdict, judged().measure) == (Verdict.PASS, 0)


@pytest.mark.parametrize("t", [FAULT + 0.2, 30, 55], ids=["at the fault", "recovery", "cooldown"])
def test_what_starts_again_by_no_fault_of_ours_breaks_the_bound(t: float) -> None:
    check = judged(pod(t, "api-a", "uid-x", restarts=2, **API))
    assert (check.verdict, check.measure) == (Verdict.FAIL, 2)
    assert "airflow/api-a was started again" in check.because
    assert judged(pod(t, "api-a", "uid-x", restarts=2, **API), limit=2).verdict is Verdict.PASS


@pytest.mark.parametrize(("what", "deleting"), [("modified", True), ("deleted", False)])
def test_a_pod_that_goes_is_counted_once(what: str, deleting: bool) -> None:
    gone = [pod(30, "api-a", "uid-x", what, deleting=deleting, **API), pod(31, "api-a", "uid-x", "deleted", **API)]
    assert judged(*gone).measure == 1


def test_a_replacement_that_crashes_was_hit_by_nobody() -> None:
    assert judged(pod(45, "scheduler-c", "uid-c", restarts=5)).measure == 5


def test_what_was_there_before_the_fault_is_the_baselines_matter() -> None:
    assert (
        judged(pod(5, "api-a", "uid-x", restarts=3, **API), pod(30, "api-a", "uid-x", restarts=3, **API)).measure == 0
    )


def test_pods_of_tasks_come_and_go_and_a_pod_that_is_over_is_not_missed() -> None:
    task = [pod(30, "task", "uid-t", component="extract"), pod(35, "task", "uid-t", "deleted", component="extract")]
    over = {**API, "phase": "Succeeded", "ready": False}
    job = [pod(1, "old", "uid-o", **over), pod(35, "old", "uid-o", "deleted", **over)]
    assert judged(*task, *job).measure == 0


def hit_by(action: str) -> list[Record]:
    return changed(healthy(), Fault, lambda f: True, lambda f: {"action": action})


@pytest.mark.parametrize(
    ("action", "counted"),
    [("crash_pods", 0), ("hang_pods", 0), ("cut_off", 1), ("kill_child", 1), ("switch_over", 1)],
)
def test_who_is_hit_starts_again_once_where_that_is_the_fault_and_else_not(action: str, counted: int) -> None:
    stay = without(hit_by(action), Event, lambda e: e.uid in ("uid-a", "uid-b") and e.t > at(FAULT))
    assert judged(pod(30, "scheduler-a", "uid-a", restarts=1), records=stay).measure == counted
    assert judged(pod(30, "scheduler-a", "uid-a", restarts=2), records=stay).measure == counted + 1


def test_of_a_pod_with_several_containers_each_starts_again_once() -> None:
    """The kubelet may start them before it hears that the pod is deleted."""
    stay = without(hit_by("kill_pods"), Event, lambda e: e.uid in ("uid-a", "uid-b") and e.t > at(FAULT))

    def again(times: int) -> Check:
        seen = pod(30, "scheduler-a", "uid-a", restarts=times)
        first = pod(0.02, "scheduler-a", "uid-a", "added")
        events = [e.model_copy(update={"value": {**e.value, "containers": 2}}) for e in (first, seen)]
        return judged(*events, records=without(stay, Event, lambda e: e.uid == "uid-a" and e.source == "pod"))

    assert (again(1).measure, again(2).measure, again(3).measure) == (0, 0, 1)


def test_who_is_made_fewer_again_by_the_undo_was_not_lost() -> None:
    api = {"kind": "Selector", "name": "tier=airflow,component=api-server", "namespace": "airflow"}
    gone = pod(40, "api-a", "uid-x", deleting=True, **API)
    scaled = fault(20.2, "begin", api).model_copy(update={"id": "scale", "action": "scale_pods"})
    assert judged(gone, scaled).measure == 0
    assert judged(pod(40, "api-a", "uid-x", restarts=1, **API), scaled).measure == 1
    assert judged(gone, scaled.model_copy(update={"action": "kill_pods"})).measure == 1


def test_what_reads_a_secret_that_was_replaced_is_rolled_and_by_the_undo_once_more() -> None:
    """Its selector names a Secret and no component, so those that were hit say which."""
    target = {"kind": "Pod", "name": "airflow/api-0", "uid": "uid-0", "node": "n1", "component": "api-server"}
    rolled = fault(20.2, "injected", target).model_copy(update={"id": "secret", "action": "rotate_secret"})
    assert judged(pod(40, "api-a", "uid-x", deleting=True, **API), rolled).measure == 0
    assert judged(pod(40, "worker-a", "uid-w", deleting=True, component="worker"), rolled).measure == 1
    assert judged(pod(40, "api-a", "uid-x", restarts=1, **API), rolled).measure == 1


def test_whatever_is_on_a_node_that_is_off_ends_with_it() -> None:
    target = {"kind": "Pod", "name": "airflow/worker-a", "uid": "uid-w", "node": "n9", "component": "worker"}
    off = fault(FAULT, "injected", target).model_copy(update={"id": "off", "action": "stop_node"})
    there = pod(25, "api-a", "uid-x", restarts=1, node="n9", **API)
    late = [
        pod(21, "api-b", "uid-y", "added", node="n9", **API),
        pod(50, "api-b", "uid-y", "deleted", node="n9", **API),
    ]
    undone = fault(51, "rolled-back", expected={}, ready={}, leftovers=[]).model_copy(
        update={"id": "off", "action": "stop_node"}
    )
    assert (judged(off, *late, undone).verdict, judged(off, *late, undone).measure) == (Verdict.PASS, 0)
    unknown = judged(off, *late)
    assert unknown.verdict is Verdict.INVALID
    assert "airflow/api-b went, on a node that was off, and nobody knows until when" in unknown.because
    assert judged(off, *late, limit=1).verdict is Verdict.PASS
    of = {"of": "pods of airflow", "error": "x"}
    blind = [
        Event(t=at(t), source="probe", object="watcher", what=w, value=of)
        for t, w in ((30, "error"), (49, "recovered"))
    ]
    assert judged(off, *late, *blind, undone.model_copy(update={"t": at(31)})).verdict is Verdict.INVALID
    assert judged(off, *late, undone.model_copy(update={"t": at(31)})).verdict is Verdict.FAIL
    assert judged(off, there).measure == 1  # it had been on another


@pytest.mark.parametrize(("t", "counted"), [(31, 0), (31.9, 0), (32.1, 1), (50, 1)])
@pytest.mark.parametrize("change", [{"restarts": 1}, {"deleting": True}], ids=["again", "gone"])
def test_once_the_undo_found_all_ready_its_node_excuses_nobody(t: float, counted: int, change: dict[str, Any]) -> None:
    target = {"kind": "Pod", "name": "airflow/worker-a", "uid": "uid-w", "node": "n9", "component": "worker"}
    steps = [fault(FAULT, "injected", target), fault(30, "rolled-back", expected={}, ready={}, leftovers=[])]
    off = [step.model_copy(update={"id": "off", "action": "stop_node"}) for step in steps]
    sent = pod(21, "api-b", "uid-y", "added", node="n9", **API)
    assert judged(*off, sent, pod(t, "api-b", "uid-y", node="n9", **change, **API)).measure == counted


def test_workers_that_keda_takes_away_are_not_lost() -> None:
    gone = pod(40, "worker-a", "uid-w", "deleted", component="worker")
    assert judged(gone, stack="celery-keda").measure == 0
    assert judged(gone).measure == 1


def test_what_nobody_watched_is_not_known() -> None:
    assert judged(replicas={}).verdict is Verdict.INVALID
    unfaulted = without(healthy(), Fault)
    assert judged(records=unfaulted).verdict is Verdict.INVALID
    blind = Event(t=at(END - 20), source="probe", object="watcher", what="error", value={"of": "pods of airflow"})
    assert judged(blind).verdict is Verdict.INVALID
    assert judged(blind, pod(30, "api-a", "uid-x", restarts=1, **API)).verdict is Verdict.FAIL


def test_where_nobody_knows_which_pod_was_hit_its_end_is_no_loss_that_is_known() -> None:
    nameless = changed(healthy(), Fault, lambda f: f.phase == "injected", lambda f: {"target": {"name": "airflow/x"}})
    check = judged(records=nameless)
    assert check.verdict is Verdict.INVALID
    assert "which pod a hit on airflow/x" in check.because
    assert judged(records=healthy()).verdict is Verdict.PASS
