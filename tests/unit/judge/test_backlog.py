"""More was asked for than there was room for: when pods came for it, when the backlog was gone, and when they went."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import Fault, History, Mark, Op, Record
from harness.judge.backlog import backlog, check
from harness.judge.faults import targets
from harness.judge.proofs import doubt
from harness.judge.sightings import Sightings
from harness.judge.verdict import judge
from harness.outcome import Check, Verdict
from harness.slo import CATALOGUE, Bound
from tests.unit.builders import at, mark, op, pod, whole

NAMES = ("scaling.out", "scaling.backlog", "scaling.in")
LOAD = 10.0


def run(name: str, t: float, began: float | None, ended: float | None) -> list[Record]:
    """One run of one task, accepted at once."""
    records: list[Record] = [op(t, "trigger", "invoke", name, tasks=[["work", -1]]), op(t, "trigger", "ok", name)]
    if began is not None:
        records.append(mark(began, "start", name, "work"))
    if ended is not None:
        records += [mark(ended, "end", name, "work"), op(ended, "run", "ok", name, state="success")]
    return records


def worker(t: float, number: int, what: str = "modified", **value: object) -> Record:
    return pod(t, f"worker-{number}", f"w{number}", what, component="worker", **value)


def struck(queue_time_s: object = 15, **said: object) -> list[Record]:
    """Two workers, which are there from the beginning, are overloaded."""
    evidence = {"since": at(LOAD), "until": at(LOAD + 5), "queue_time_s": queue_time_s, **said}
    found: list[Record] = [worker(0, 1), worker(0, 2)]
    for number in (1, 2):
        name = {"kind": "Pod", "name": f"airflow/worker-{number}", "uid": f"w{number}", "component": "worker"}
        for phase, t, seen in (("injected", LOAD, {}), ("proved", LOAD + 5, evidence)):
            step = {"t": at(t), "id": "o", "action": "overload", "phase": phase, "target": name, "evidence": seen}
            found.append(Fault.model_validate(step))
    return found


def good() -> list[Record]:
    """A third and a fourth worker come, and go again; the last task begins 40 s after the load, and ends 20 s later."""
    asked = [*run("r1", 11, 12, 30), *run("r2", 12, 50, 70), *run("before", 1, 2, 3), *run("after", 16, 90, 95)]
    added = [worker(20, 3, ready=False), worker(25, 4, ready=False), worker(35, 3), worker(37, 4)]
    gone = [worker(80, 3, deleting=True), worker(85, 3, "deleted"), worker(88, 4, "deleted"), worker(99, 1)]
    return [*struck(), *asked, *added, *gone]


def judged(records: list[Record], limit: float = 100, problem: str | None = None) -> dict[str, Check]:
    bounds = {name: Bound(name, limit, CATALOGUE[name].unit, "origin") for name in NAMES}
    history = replace(History.of(records), problem=problem)
    return {found.name: found for found in check(history, bounds)}


def test_without_a_bound_nothing_is_judged() -> None:
    assert check(whole(good()), {}) == ()


def test_each_is_measured_from_what_was_seen() -> None:
    found = judged(good())
    assert {name: (c.verdict, c.measure) for name, c in found.items()} == {
        "scaling.out": (Verdict.PASS, 25),
        "scaling.backlog": (Verdict.PASS, 40),
        "scaling.in": (Verdict.PASS, 18),
    }
    assert {name: c.because.split("; the limit")[0] for name, c in found.items()} == {
        "scaling.out": "A worker pod more than the 2 that there were, and Ready, came 25 s after 10.0 s into the run",
        "scaling.backlog": "The first task of the last of 2 runs came 40 s after 10.0 s into the run",
        "scaling.in": "The last worker pod that had been added went, which came 18 s after 70.0 s into the run",
    }
    assert all(c.verdict is Verdict.FAIL for c in judged(good(), 17).values())
    windows = {name: (c.windows[0].start, c.windows[0].end) for name, c in found.items()}
    assert windows["scaling.in"] == (at(70), at(88))
    assert windows["scaling.out"] == (at(LOAD), at(35))


def test_a_worker_that_takes_the_place_of_another_is_not_one_more() -> None:
    records = [*struck(), *run("r1", 11, 12, 30), worker(20, 1, "deleted"), worker(25, 3), worker(99, 2)]
    found = judged(records, 10)
    assert found["scaling.out"].verdict is Verdict.FAIL
    never = "Ready, never came while the history lasted, at least 89 s after 10.0 s into the run;"
    assert never in found["scaling.out"].because
    assert found["scaling.in"].verdict is Verdict.INVALID
    assert "No worker pod was added" in found["scaling.in"].because


def drop(records: list[Record], name: str, edge: str) -> list[Record]:
    """Without the mark `edge` of a run, and without its end."""
    return [
        r
        for r in records
        if not (isinstance(r, Mark) and r.dag_run == name and r.mark == edge)
        and not (isinstance(r, Op) and r.f == "run" and r.value["dag_run"] == name)
    ]


def test_a_run_that_never_begins_fails_once_the_bound_has_run_out_and_is_unknown_before() -> None:
    records = drop(good(), "r2", "start")
    assert judged(records, 80)["scaling.backlog"].verdict is Verdict.FAIL
    early = judged(records, 100)
    assert early["scaling.backlog"].verdict is Verdict.INVALID
    assert "(r2)" in early["scaling.backlog"].because
    assert early["scaling.in"].because.startswith("Not every run of the overload was seen to end;")
    cut = judged(records, 80, "cut")["scaling.backlog"]
    assert cut.verdict is Verdict.INVALID
    assert "runs (r2) never came, but the history is not whole;" in cut.because


def test_workers_that_stay_fail_once_the_bound_has_run_out() -> None:
    stay = [r for r in good() if not (getattr(r, "what", "") == "deleted" and getattr(r, "uid", "") == "w4")]
    late = judged(stay, 20)["scaling.in"]
    assert late.verdict is Verdict.FAIL
    assert late.because.startswith("The last worker pod that had been added went, which never came")
    assert judged(stay, 50)["scaling.in"].verdict is Verdict.INVALID


def test_what_is_on_its_way_out_and_what_is_of_another_component_is_not_one_more() -> None:
    leaving = worker(20, 3, deleting=True)
    others = [pod(21, f"api-{n}", f"a{n}", component="api-server") for n in range(4)]
    records = [*struck(), *run("r1", 11, 12, 30), leaving, *others, worker(30, 3, "deleted")]
    found = judged(records, 15)
    assert found["scaling.out"].verdict is Verdict.FAIL
    assert judged([*struck(), worker(LOAD, 3)])["scaling.out"].measure == 0
    assert (found["scaling.in"].verdict, found["scaling.in"].measure) == (Verdict.PASS, 0)


def test_only_what_was_asked_for_meanwhile_and_not_refused_counts_from_its_first_attempt_on() -> None:
    refused = [op(12, "trigger", "invoke", "no", tasks=[["work", -1]]), op(12.1, "trigger", "fail", "no")]
    edges = [*run("first", LOAD, 20, 40), *run("late", LOAD + 5, 60, 70), mark(30, "start", "first", "work", try_=2)]
    history = whole([*struck(), *refused, *edges])
    found = backlog(history, targets(history)[0])
    assert (set(found.asked), found.began) == ({"first"}, {"first": at(20)})


def test_those_that_went_before_the_load_was_over_took_no_time() -> None:
    early = [*struck(), *run("r1", 11, 12, 60), worker(20, 3), worker(30, 3, "deleted"), worker(99, 1)]
    assert judged(early)["scaling.in"].measure == 0


def test_nothing_asked_or_nothing_hit_is_unknown() -> None:
    nothing = judged([worker(0, 1), *run("r1", 11, 12, 30)])
    assert {c.verdict for c in nothing.values()} == {Verdict.INVALID}
    assert nothing["scaling.out"].because.startswith("No pod was overloaded;")
    unasked = judged([*struck(), worker(20, 3), worker(90, 3, "deleted")])
    assert unasked["scaling.backlog"].because.startswith("No run was asked for")
    assert unasked["scaling.in"].verdict is Verdict.INVALID


@pytest.mark.parametrize("said", [{"since": None}, {"until": "soon"}, {"since": [1]}])
def test_a_record_that_does_not_say_when_is_named_and_judged_invalid(said: dict[str, object]) -> None:
    records = [*struck(**said), *run("r1", 11, 12, 30)]
    with pytest.raises(HistoryError, match="must say since and until"):
        judged(records)
    assert judge(whole(records)).verdict is not Verdict.PASS


@given(waits=st.lists(st.floats(0, 60), min_size=1, max_size=6), wanted=st.integers(0, 60))
def test_the_fault_is_proved_by_the_longest_wait_of_the_ledger(waits: list[float], wanted: int) -> None:
    records = [*struck(wanted)]
    for number, wait in enumerate(waits):
        records += run(f"r{number}", 11, 11 + wait, 80)
    history = whole(records)
    hit, _ = targets(history)
    longest = max(at(11 + wait) - at(11) for wait in waits)
    assert backlog(history, hit).longest_wait == longest
    assert (doubt(hit, Sightings(history)) is None) == (longest >= at(wanted))


@pytest.mark.parametrize("wanted", ["long", None, True])
def test_without_a_wait_that_was_wanted_nothing_is_proved(wanted: object) -> None:
    history = whole([*struck(wanted), *run("r1", 11, 40, 50)])
    assert "does not say how long" in (doubt(targets(history)[0], Sightings(history)) or "")
