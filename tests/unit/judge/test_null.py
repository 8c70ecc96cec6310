"""A run in which nothing is broken: judged over its whole length, and believed only if nothing broke of itself."""

from __future__ import annotations

import pytest

from harness.history import Event, Fault, Meta, Record, Sample
from harness.judge.null import check
from harness.judge.verdict import READERS, REQUIRED_ALWAYS, judge, redundant, required
from harness.outcome import Outcome, Verdict
from tests.unit.builders import LIMITS, bad, changed, fault, healthy, meta, named, pod, whole, without

BOUNDS = {
    n: {"limit": v, "unit": u, "origin": "test"} for n, (v, u) in LIMITS.items() if not n.startswith(("rec", "rol"))
}


def still() -> list[Record]:
    """As `healthy`, but nothing happens to any pod or job."""
    records = without(healthy(), Fault)
    records = without(records, Event, lambda e: e.source == "pod" and (e.uid not in ("uid-a", "uid-b") or e.t > 1e9))
    first = meta(BOUNDS, component="none", replicas={"scheduler": 2})
    return [first, *without(records, Event, lambda e: e.source == "job")[1:]]


def null(records: list[Record]) -> Outcome:
    return judge(whole(sorted(records, key=lambda r: r.t)))


def test_where_nothing_happens_every_check_passes_and_none_is_of_recovery() -> None:
    outcome = null(still())
    assert outcome.verdict is Verdict.PASS, [c for c in outcome.checks if c.verdict is not Verdict.PASS]
    assert {c.name for c in outcome.checks} >= BOUNDS.keys()
    assert not [c for c in outcome.checks if c.name.startswith(("recovery", "rollback"))]


@pytest.mark.parametrize(("since", "until"), [(3, 7), (19, 22), (40, 44)])
def test_an_outage_in_any_phase_is_a_failure_and_no_excuse(since: float, until: float) -> None:
    check = named(null(bad(still(), since, until)), "availability.read.outage")
    assert check.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "event",
    [
        pod(30, "scheduler-a", "uid-a", ready=False),
        pod(30, "scheduler-a", "uid-a", deleting=True),
        pod(30, "scheduler-a", "uid-a", "deleted"),
        pod(30, "scheduler-a", "uid-a", restarts=1),
    ],
)
def test_what_breaks_of_itself_is_a_broken_promise(event: Event) -> None:
    outcome = null([*still(), event])
    check = named(outcome, "healthy.pods")
    assert check.verdict is outcome.verdict is Verdict.FAIL
    assert "30.0 s into the run" in check.because
    assert named(outcome, "evidence.fault").verdict is Verdict.PASS


def worker(t: float, name: str, what: str = "modified", **value: object) -> Event:
    return pod(t, name, f"uid-{name}", what, component="worker", **value)


def scaled(stack: str, *more: Event) -> Verdict:
    """What is said of the pods where two workers were added in a run without a fault, and one was taken away again."""
    first, *rest = still()
    assert isinstance(first, Meta)
    first = first.model_copy(update={"stack": stack, "replicas": {"scheduler": 2, "worker": 1}})
    workers = [
        worker(0.01, "worker-a", "added"),
        *(worker(20, "worker-b", "added", ready=False), worker(24, "worker-b")),
        *(worker(20, "worker-c", "added", ready=False), worker(24, "worker-c")),
        *(worker(30, "worker-b", deleting=True), worker(31, "worker-b", deleting=True, ready=False)),
        worker(32, "worker-b", "deleted", ready=False, deleting=True),
    ]
    return named(null([first, *rest, *workers, *more]), "healthy.pods").verdict


def test_keda_may_add_workers_and_take_them_away_and_nobody_else_may() -> None:
    assert scaled("celery-keda") is scaled("celery-keda-defaults") is Verdict.PASS
    assert scaled("celery") is Verdict.FAIL


@pytest.mark.parametrize(
    "event",
    [
        worker(30, "worker-c", ready=False),
        worker(30, "worker-c", restarts=1),
        worker(22, "worker-c", restarts=1, ready=False),
        pod(30, "scheduler-a", "uid-a", "deleted", deleting=True),
    ],
)
def test_what_keda_does_not_do_is_no_excuse(event: Event) -> None:
    assert scaled("celery-keda", event) is Verdict.FAIL


def test_what_is_broken_on_purpose_owes_no_health() -> None:
    assert "healthy.pods" not in {c.name for c in judge(whole(healthy())).checks}


def test_a_pod_that_had_been_restarted_before_stays_as_it_was() -> None:
    before = changed(still(), Event, lambda e: e.uid == "uid-b", lambda e: {"value": {**e.value, "restarts": 2}})
    assert null([*before, pod(30, "scheduler-b", "uid-b", restarts=2)]).verdict is Verdict.PASS


def test_a_fault_in_a_null_run_is_invalid() -> None:
    outcome = null([*still(), fault(20.1, "begin", {"kind": "Selector", "name": "x"})])
    assert named(outcome, "evidence.fault").verdict is Verdict.INVALID


def test_pods_that_nobody_watched_prove_nothing() -> None:
    unwatched = without(still(), Event, lambda e: e.source == "pod" and e.uid == "uid-a")
    found = named(null(unwatched), "evidence.fault")
    assert found.verdict is Verdict.INVALID
    assert "1 of 2 scheduler pods" in found.because
    assert named(null(without(unwatched, Event)), "evidence.fault").verdict is Verdict.INVALID
    nobody = changed(still(), Meta, lambda m: True, lambda m: {"replicas": {}})
    assert named(null(nobody), "evidence.fault").verdict is Verdict.INVALID
    assert check("evidence.fault", whole(still()[1:])).verdict is Verdict.INVALID


def test_pods_of_no_component_come_and_go() -> None:
    job = [pod(5, "migrate", "uid-m", "added", component="migrate", ready=False), pod(9, "migrate", "uid-m", "deleted")]
    assert null(
        [*still(), *[e.model_copy(update={"value": {**e.value, "component": "migrate"}}) for e in job]]
    ).verdict is (Verdict.PASS)


def test_a_run_that_was_to_break_something_never_passes_as_null() -> None:
    records = [meta(BOUNDS), *still()[1:]]
    assert null(records).verdict is Verdict.INVALID


def test_a_null_run_without_writes_needs_no_bounds_for_them() -> None:
    unwritten = without(without(still(), Sample, lambda s: s.method == "POST"), Event, lambda e: e.object == "prober")
    reads = {name: bound for name, bound in BOUNDS.items() if ".write." not in name}
    first = unwritten[0].model_copy(update={"slo": reads})
    assert null([first, *unwritten[1:]]).verdict is Verdict.PASS


def test_the_bounds_of_a_null_experiment() -> None:
    still_judged = REQUIRED_ALWAYS - {"rollback.time"} | redundant("none", "celery")
    writes = {f"availability.write.{kind}" for kind in ("outage", "errors", "latency")} | READERS
    assert required("none", writes=False, stack="celery") == still_judged
    assert required("none", writes=True, stack="celery") == still_judged | writes


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_was_over_before_the_run_began_is_none_of_the_stack(phase: str) -> None:
    left = pod(0.5, "scheduler-z", "uid-z", "added", ready=False, phase=phase)
    assert named(null([*still(), left]), "healthy.pods").verdict is Verdict.PASS
    then = pod(30, "scheduler-a", "uid-a", ready=False, phase=phase)
    assert named(null([*still(), then]), "healthy.pods").verdict is Verdict.FAIL
