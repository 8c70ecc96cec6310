"""What is not proved is not judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.history import Event, Fault, History, Op, Phase, Record, Sample
from harness.judge.verdict import judge
from harness.outcome import Check, Verdict
from tests.unit.builders import (
    END,
    FAULT,
    at,
    bad,
    changed,
    fault,
    healthy,
    job,
    meta,
    named,
    pod,
    prober,
    sample,
    verdict,
    victim,
    without,
)


def evidence(records: list[Record], name: str) -> Check:
    return named(verdict(records), f"evidence.{name}")


def proofs(**said: Any) -> list[Record]:
    return changed(healthy(), Fault, lambda f: f.phase == "proved", lambda f: {"evidence": {**f.evidence, **said}})


def targets(phase: str, **said: Any) -> list[Record]:
    return changed(healthy(), Fault, lambda f: f.phase == phase, lambda f: {"target": {**f.target, **said}})


def moved(seconds: float) -> list[Record]:
    """The hits, and their proofs, so much later; the fault phase lasts from 20 to 23 s."""
    return changed(healthy(), Fault, lambda f: f.phase in ("injected", "proved"), lambda f: {"t": f.t + at(seconds)})


UNPROVED: dict[str, Callable[[], list[Record]]] = {
    "nothing was hit": lambda: without(healthy(), Fault, lambda f: f.phase == "injected"),
    "no fault at all": lambda: without(healthy(), Fault),
    "no proof": lambda: without(healthy(), Fault, lambda f: f.phase == "proved"),
    "one of two proved": lambda: without(
        healthy(), Fault, lambda f: f.phase == "proved" and f.target["uid"] == "uid-a"
    ),
    "uid not gone": lambda: proofs(uid_gone=False),
    "uid unknown": lambda: proofs(uid_gone=None),
    "uid said to be gone by a word": lambda: proofs(uid_gone="yes"),
    "neither exit nor end of process": lambda: proofs(exit_code=None, process_gone=False),
    "hit without uid": lambda: targets("injected", uid=""),
    "hit without uid or name": lambda: targets("injected", uid=None, name=7),
    "proof of another pod": lambda: targets("proved", uid="uid-x"),
    "proof from before": lambda: changed(healthy(), Fault, lambda f: f.phase == "proved", lambda _: {"t": at(20.2)}),
    "seen ready afterwards": lambda: [*healthy(), pod(30, "scheduler-a", "uid-a")],
    "heartbeats went on": lambda: [*healthy(), job(25, 1, "scheduler-a")],
    "a heartbeat at the very end": lambda: [*healthy(), job(END, 1, "scheduler-a")],
    "no heartbeat before": lambda: without(
        healthy(), Event, lambda e: e.what == "heartbeat" and e.value["hostname"] == "scheduler-a"
    ),
    "hit as the fault phase ends": lambda: moved(2.5),
    "hit before the fault phase": lambda: changed(
        healthy(), Fault, lambda f: f.phase == "injected", lambda _: {"t": at(19)}
    ),
}


@pytest.mark.parametrize("name", UNPROVED)
def test_an_unproved_fault_is_invalid(name: str) -> None:
    records = UNPROVED[name]()
    assert evidence(records, "fault").verdict is Verdict.INVALID
    assert verdict(records).verdict is not Verdict.PASS


BELIEVED: dict[str, Callable[[], list[Record]]] = {
    "as recorded": healthy,
    "hit as the fault phase begins": lambda: moved(-0.5),
    "exit code alone": lambda: proofs(process_gone=False),
    "end of process alone": lambda: proofs(exit_code=None),
    "a beat seen by the next poll": lambda: [*healthy(), job(24, 1, "scheduler-a")],
    "one heartbeat, in the moment of the hit": lambda: [
        *without(healthy(), Event, lambda e: e.what == "heartbeat" and e.value["hostname"] == "scheduler-a"),
        job(FAULT, 1, "scheduler-a"),
    ],
    "proved in the moment of the hit": lambda: changed(
        healthy(), Fault, lambda f: f.phase == "proved", lambda f: {"t": f.t - at(1.5)}
    ),
    "seen ready in the moment of the proof": lambda: [*healthy(), pod(22, "scheduler-a", "uid-a")],
    "seen while deleting": lambda: [*healthy(), pod(30, "scheduler-a", "uid-a", deleting=True)],
    "the last news of a deleted pod": lambda: [*healthy(), pod(30, "scheduler-a", "uid-a", "deleted")],
    "a new job under the old name": lambda: [*healthy(), job(30, 8, "scheduler-a", "state"), job(31, 8, "scheduler-a")],
}


@pytest.mark.parametrize("name", BELIEVED)
def test_a_proved_fault_passes(name: str) -> None:
    check = evidence(BELIEVED[name](), "fault")
    assert check.verdict is Verdict.PASS, check.because


def test_heartbeats_are_asked_of_schedulers_only() -> None:
    records = changed(
        healthy(),
        Fault,
        lambda f: bool(f.target.get("component")),
        lambda f: {"target": {**f.target, "component": "api-server"}},
    )
    assert evidence([*records, job(25, 1, "scheduler-a")], "fault").verdict is Verdict.PASS


def test_a_hit_that_was_recorded_twice_is_one() -> None:
    check = evidence([*healthy(), fault(20.7, "injected", victim("scheduler-a"))], "fault")
    assert "hit 2 pods" in check.because


def phases(names: list[str]) -> list[Record]:
    edges = [
        Phase.model_validate({"t": at(10 * i), "name": n, "edge": e})
        for i, (n, e) in enumerate(w.split() for w in names)
    ]
    return [*without(healthy(), Phase), *edges]


WANTED = [f"{p} {e}" for p in ("baseline", "fault", "recovery", "cooldown") for e in ("begin", "end")]


@pytest.mark.parametrize("missing", range(len(WANTED)))
def test_a_missing_edge_is_invalid(missing: int) -> None:
    assert evidence(phases(WANTED[:missing] + WANTED[missing + 1 :]), "complete").verdict is Verdict.INVALID


@pytest.mark.parametrize("first", range(len(WANTED) - 1))
def test_phases_out_of_order_are_invalid(first: int) -> None:
    swapped = [*WANTED]
    swapped[first], swapped[first + 1] = swapped[first + 1], swapped[first]
    assert evidence(phases(swapped), "complete").verdict is Verdict.INVALID


def test_phases_in_order_are_complete() -> None:
    assert evidence(phases(WANTED), "complete").verdict is Verdict.PASS


def test_a_cut_history_is_invalid_and_says_why() -> None:
    check = named(judge(History.of(healthy())), "evidence.complete")
    assert check.verdict is Verdict.INVALID
    assert "cut short" in check.because


OBSERVERS: dict[str, list[Record]] = {
    "never stopped": [prober(1, "started").model_copy(update={"object": "watcher"})],
    "ledger not read to the end": [
        Event(t=at(55), source="probe", object="ledger", what="stopped", value={"complete": False})
    ],
    "a thread left behind": [
        Event(t=at(55), source="probe", object="watcher", what="stopped", value={"still_running": ["pods of airflow"]})
    ],
    "a number of threads left behind": [
        Event(t=at(55), source="probe", object="watcher", what="stopped", value={"still_running": 2})
    ],
    "blind at the end": [
        Event(t=at(50), source="probe", object="watcher", what="error", value={"of": "jobs", "error": "no"})
    ],
    "blind at the end, to what it does not say": [
        Event(t=at(50), source="probe", object="watcher", what="error", value={})
    ],
    "marks lost": [
        Event(t=at(55), source="probe", object="ledger", what="stopped", value={"marks": 33, "complete": True})
    ],
}


@pytest.mark.parametrize("name", OBSERVERS)
def test_an_observer_that_missed_something_makes_it_invalid(name: str) -> None:
    assert evidence([*healthy(), *OBSERVERS[name]], "complete").verdict is Verdict.INVALID


def test_an_observer_that_recovered_is_believed() -> None:
    value = {"of": "jobs", "error": "no"}
    seen: list[Record] = [
        Event(t=at(25), source="probe", object="watcher", what="error", value=value),
        Event(t=at(28), source="probe", object="watcher", what="recovered", value=value),
        Event(t=at(28), source="probe", object="watcher", what="recovered", value={"of": "what was never lost"}),
        Event(t=at(55), source="probe", object="ledger", what="stopped", value={"marks": 32, "complete": True}),
    ]
    assert evidence([*healthy(), *seen], "complete").verdict is Verdict.PASS


def test_a_baseline_that_breaks_the_bounds_is_invalid() -> None:
    check = evidence(bad(healthy(), 5, 10), "baseline")
    assert check.verdict is Verdict.INVALID
    assert "Already before the fault" in check.because
    assert "15.5 s before the fault" in check.because


@pytest.mark.parametrize(
    "records",
    [
        without(healthy(), Phase, lambda p: p.name == "baseline"),
        without(healthy(), Sample, lambda s: s.due < at(20)),
        without(healthy(), Sample, lambda s: s.target == "dags" and s.due < at(20)),
        without(healthy(), Sample),
    ],
)
def test_without_a_baseline_there_is_no_noise_floor(records: list[Record]) -> None:
    assert evidence(records, "baseline").verdict is Verdict.INVALID


def test_where_nothing_was_sampled_it_is_said_so() -> None:
    silent = without([meta(probe={}), *healthy()[1:]], Sample)
    check = evidence([meta(slo={}, probe={}), *silent[1:]], "baseline")
    said = "There is no baseline: nothing was sampled, or nothing has a bound."
    assert (check.name, check.verdict, check.because) == ("evidence.baseline", Verdict.INVALID, said)
    assert evidence(silent, "samples").because.startswith("Nothing was sampled; ")


def test_a_baseline_within_its_bounds_shows_what_it_had() -> None:
    slo = {n: b for n, b in meta().slo.items() if not n.endswith(".latency")}
    check = evidence([meta(slo), *bad(healthy(), 5, 5.4)[1:]], "baseline")
    assert check.verdict is Verdict.PASS
    assert [(w.start, w.end) for w in check.windows] == [(at(5), at(5.5))]


def test_of_all_gaps_the_longest_is_told_and_a_series_too_short_hides_none() -> None:
    long = without(dags(40, 43), Sample, lambda s: s.target == "trigger" and at(30) < s.due < at(38))
    check = evidence([*long, sample(1, target="a-lonely-one")], "schedule")
    assert "a-lonely-one over new connections cannot be told from 1 samples" in check.because
    assert "trigger over new connections was not sampled for 9 s" in check.because
    assert len(check.windows) == 2


def stopped(**value: int) -> list[Record]:
    return changed(healthy(), Event, lambda e: e.what == "stopped", lambda _: {"value": value})


@pytest.mark.parametrize("said", [{}, {"due": 1492.0, "recorded": 1492}, {"due": "380", "recorded": "380"}])
def test_numbers_that_are_alike_are_no_doubt_but_none_at_all_are(said: dict[str, Any]) -> None:
    because = evidence(stopped(**said), "schedule").because
    assert "does not say how many samples were due" in because
    assert "1492 of 1492" not in because.replace(".0", "")


def test_what_another_observer_counted_is_not_the_probers() -> None:
    other = Event(t=at(50), source="probe", object="machine", what="stopped", value={"recorded": 10**6, "marks": 10**6})
    assert {evidence([*healthy(), other], name).verdict for name in ("complete", "schedule")} == {Verdict.PASS}


def dags(since: float, until: float) -> list[Record]:
    """The healthy run without the samples of dags that are due in (since, until)."""
    return without(healthy(), Sample, lambda s: s.target == "dags" and at(since) < s.due < at(until))


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (dags(30, 33), "dags over new connections was not sampled for"),
        (dags(40, 60), "dags over new connections was not sampled for"),
        (
            without(healthy(), Sample, lambda s: s.method == "POST" and s.due > at(44)),
            "trigger over new connections was",
        ),
        (without([meta(probe={}), *stopped(due=0, recorded=0)[1:]], Sample), "nothing was sampled"),
        ([*healthy(), sample(30, target="lonely")], "cannot be told from 1 samples"),
        (without(healthy(), Sample, lambda s: s.conn == "reused"), "version over reused connections was to be sampled"),
        (dags(30, 30.5), "recorded 380 samples, and 379 are in the history"),
        (stopped(due=400, recorded=380), "380 of 400"),
        (stopped(), "does not say how many samples were due"),
    ],
)
def test_a_schedule_that_was_not_kept_is_invalid(records: list[Record], said: str) -> None:
    check = evidence(records, "schedule")
    assert check.verdict is Verdict.INVALID
    assert said in check.because


def test_a_series_that_was_declared_and_not_sampled_is_invalid() -> None:
    targets = {"health": {"rate_hz": 1, "conn": ["new"]}}
    records = [meta(probe={"targets": targets}), *healthy()[1:]]
    assert evidence(records, "schedule").verdict is Verdict.INVALID
    assert evidence(records, "samples").verdict is Verdict.INVALID


def test_a_history_that_declares_no_targets_is_judged_by_what_was_sampled() -> None:
    assert verdict([meta(probe={"rate_hz": 7, "timeout_s": 5}), *healthy()[1:]]).verdict is Verdict.PASS


def test_too_few_samples_after_the_fault_are_invalid() -> None:
    few = without(healthy(), Sample, lambda s: s.target == "trigger" and s.due > at(34))
    check = evidence(few, "samples")
    assert (check.verdict, check.measure) == (Verdict.INVALID, 14)


@pytest.mark.parametrize("count", [1, 3])
def test_the_series_with_the_fewest_samples_decides_from_the_very_beginning_of_the_fault_phase_on(count: int) -> None:
    odd = [sample(20 + i, target="odd") for i in range(count)]
    assert evidence([*healthy(), *odd], "samples").measure == count


def test_many_writes_do_not_hide_that_there_were_few_reads() -> None:
    """One target over one kind of connection, read and written."""
    both = [sample(t / 2, target="odd", method="POST" if t > 50 else "GET") for t in range(30, 100)]
    assert evidence([*healthy(), *both], "samples").measure == 11


def test_one_run_that_ended_is_counted() -> None:
    one = without(healthy(), Op, lambda o: o.value["dag_run"] != "r6")
    assert evidence(one, "finished_runs").measure == 1


def test_too_few_finished_runs_are_invalid() -> None:
    few = changed(
        healthy(),
        Op,
        lambda o: o.f == "run" and o.type == "ok" and o.value["dag_run"] not in ("r1", "r6", "r11", "r18"),
        lambda o: {"type": "fail", "value": {**o.value, "state": "failed"}},
    )
    check = evidence(few, "finished_runs")
    assert (check.verdict, check.measure) == (Verdict.INVALID, 4)


def late(seconds: float) -> list[Record]:
    return changed(
        healthy(), Sample, lambda s: s.target == "version" and s.due < at(5), lambda s: {"t": s.due + at(seconds)}
    )


def test_a_prober_that_fell_behind_is_invalid() -> None:
    check = evidence(late(0.6), "late_samples")
    assert check.verdict is Verdict.INVALID
    assert check.measure == pytest.approx(100 * 20 / 380)
    assert "the first 20.5 s before the fault" in check.because
    assert evidence(late(0.5), "late_samples").verdict is Verdict.PASS


@pytest.mark.parametrize(
    "event",
    [
        pod(10, "scheduler-a", "uid-a", restarts=1),
        pod(10, "scheduler-a", "uid-a", ready=False),
        pod(10, "scheduler-a", "uid-a", deleting=True),
    ],
)
def test_what_broke_of_itself_before_the_fault_was_not_well(event: Event) -> None:
    found = named(verdict(sorted([*healthy(), event], key=lambda r: r.t)), "evidence.baseline")
    assert found.verdict is Verdict.INVALID
    assert "Already before the fault, airflow/scheduler-a" in found.because
