"""A Ready replica that does nothing is found; one that works, whenever, is not."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import Event, Fault, Phase, Record
from harness.judge.redundancy import COMPONENTS, check
from harness.outcome import Check, Verdict
from harness.slo import bound_of
from tests.unit.builders import at, mark, meta, whole

LIMIT = 20.0
BEGIN, FAULT, BACK, LOAD_ENDS = 0.0, 30.0, 40.0, 100.0
REPLICAS = {"api-server": 2, "scheduler": 2, "worker": 2, "ingress": 2, "triggerer": 2}
OTHERS = sorted(set(COMPONENTS) - {"redundancy.workers"})


def event(t: float, source: str, name: str, what: str, uid: str | None = None, **value: Any) -> Event:
    return Event(t=at(t), source=source, object=name, uid=uid, what=what, value=value)  # type: ignore[arg-type]


def pod(t: float, component: str, name: str, node: str, *, ready: bool = True, deleting: bool = False) -> Event:
    value = {"component": component, "node": node, "ready": ready, "restarts": 0, "deleting": deleting}
    return event(t, "pod", f"airflow/{name}", "modified", uid=f"uid-{name}", **value)


def worked(t: float, component: str, name: str) -> Event:
    value = {"component": component, "lines": 3}
    return event(t, "endpoint", f"airflow/{name}", "worked", uid=f"uid-{name}", **value)


def edges() -> list[Record]:
    cuts = [("baseline", BEGIN, FAULT), ("recovery", FAULT, LOAD_ENDS), ("cooldown", LOAD_ENDS, LOAD_ENDS + 10)]
    return [
        Phase(t=at(t), name=name, edge=edge)  # type: ignore[arg-type]
        for name, begin, end in cuts
        for edge, t in (("begin", begin), ("end", end))
    ]


def run(*records: Record, broken: bool = False, replicas: dict[str, int] | None = None) -> list[Record]:
    """A run in which nothing is broken, or something between FAULT and BACK."""
    steps: list[Record] = [
        Fault(t=at(t), id="f", action="kill_pods", phase=phase)  # type: ignore[arg-type]
        for phase, t in (("begin", FAULT), ("rolled-back", BACK))
    ]
    first = meta({}, component="scheduler" if broken else "none", replicas=REPLICAS if replicas is None else replicas)
    return [first, *edges(), *(steps if broken else []), *records]


def look(name: str, records: list[Record]) -> Check:
    kind = {"limit": 0 if name.endswith("spread") else LIMIT, "origin": "a promise"}
    unit = "count" if name.endswith("spread") else "s"
    (found,) = check(whole(records), {name: bound_of(name, {**kind, "unit": unit}, "here")})
    return found


def pair(component: str) -> list[Record]:
    return [pod(0, component, "a", "node-1"), pod(0, component, "b", "node-2")]


def busy(component: str, name: str, *times: float) -> list[Record]:
    return [worked(t, component, name) for t in times]


STEADILY = tuple(float(t) for t in range(3, 103, 10))


@pytest.mark.parametrize("name", OTHERS)
def test_both_at_work_is_redundant(name: str) -> None:
    component = COMPONENTS[name]
    both = busy(component, "a", *STEADILY) + busy(component, "b", *STEADILY)
    found = look(name, run(*pair(component), *both))
    assert found.verdict is Verdict.PASS
    assert found.measure == 10.0


@pytest.mark.parametrize("name", OTHERS)
def test_one_that_is_ready_and_does_nothing_is_no_redundancy(name: str) -> None:
    component = COMPONENTS[name]
    found = look(name, run(*pair(component), *busy(component, "a", *STEADILY)))
    assert found.verdict is Verdict.FAIL
    assert "airflow/b was Ready and did nothing for at least 100 s" in found.because
    assert "never seen at work" in found.because


def test_before_the_fault_it_is_the_ground_that_is_not_as_it_must_be() -> None:
    records = run(*pair("api-server"), *busy("api-server", "a", *STEADILY), broken=True)
    found = look("redundancy.webservers", records)
    assert found.verdict is Verdict.INVALID
    assert found.because.startswith("The ground was not redundant before the fault: airflow/b was Ready")


def test_after_the_recovery_it_is_a_broken_promise() -> None:
    both = busy("api-server", "a", *STEADILY) + busy("api-server", "b", 3, 13, 23)
    found = look("redundancy.webservers", run(*pair("api-server"), *both, broken=True))
    assert found.verdict is Verdict.FAIL
    assert found.measure == LOAD_ENDS - BACK


def test_while_it_recovers_nobody_need_do_anything() -> None:
    both = [r for n in "ab" for r in busy("api-server", n, 3, 13, 23, 55, 65, 75, 85, 95)]
    assert look("redundancy.webservers", run(*pair("api-server"), *both, broken=True)).verdict is Verdict.PASS


def test_a_replacement_counts_from_when_it_was_ready() -> None:
    late = pod(95, "api-server", "c", "node-3")
    gone = pod(60, "api-server", "b", "node-2", ready=False, deleting=True)
    both = busy("api-server", "a", *STEADILY) + busy("api-server", "b", 3, 13, 23, 33, 43, 53)
    found = look("redundancy.webservers", run(*pair("api-server"), gone, late, *both))
    assert found.verdict is Verdict.INVALID, "5 s are too few to know"
    assert "airflow/c was Ready and did nothing for at least 5 s" in found.because


def test_one_alone_is_no_redundancy() -> None:
    found = look("redundancy.webservers", run(pod(0, "api-server", "a", "node-1"), *busy("api-server", "a", *STEADILY)))
    assert found.verdict is Verdict.FAIL
    assert "1 api-server was Ready" in found.because


def beat(t: float, number: int, host: str) -> Event:
    return event(t, "job", f"SchedulerJob/{number}", "heartbeat", hostname=host, id=number, state="running")


def test_two_schedulers_of_one_name_are_no_redundancy_though_both_work() -> None:
    both = busy("scheduler", "a", *STEADILY) + busy("scheduler", "b", *STEADILY)
    named = [beat(2, 1, "a"), beat(3, 2, "b")]
    assert look("redundancy.schedulers", run(*pair("scheduler"), *named, *both)).verdict is Verdict.PASS
    found = look("redundancy.schedulers", run(*pair("scheduler"), beat(2, 1, "a"), beat(3, 2, "a"), *both))
    assert found.verdict is Verdict.FAIL
    assert found.because.startswith("airflow/b: Ready, and no job of a scheduler beats under its name")


def test_who_could_not_follow_jobs_calls_nobody_nameless() -> None:
    both = busy("scheduler", "a", *STEADILY) + busy("scheduler", "b", *STEADILY)
    blind = event(6, "probe", "watcher", "error", of="scheduler jobs", error="no answer", times=1)
    found = look("redundancy.schedulers", run(*pair("scheduler"), beat(2, 1, "a"), blind, *both))
    assert found.verdict is Verdict.PASS


def test_a_scheduler_that_just_became_ready_may_not_have_been_heard_yet() -> None:
    late = [pod(90, "scheduler", "c", "node-3"), *busy("scheduler", "c", 92)]
    both = busy("scheduler", "a", *STEADILY) + busy("scheduler", "b", *STEADILY)
    found = look("redundancy.schedulers", run(*pair("scheduler"), beat(2, 1, "a"), beat(3, 2, "b"), *late, *both))
    assert found.verdict is Verdict.PASS


def test_nobody_who_read_the_logs_means_that_nobody_knows() -> None:
    assert look("redundancy.webservers", run(*pair("api-server"))).verdict is Verdict.INVALID


def test_a_reader_that_was_blind_meanwhile_does_not_know_either() -> None:
    value: dict[str, Any] = {"of": "logs of airflow", "error": "no answer", "times": 1}
    blind = [event(20, "probe", "log reader", "error", **value), event(80, "probe", "log reader", "recovered", **value)]
    both = busy("api-server", "a", *STEADILY) + busy("api-server", "b", 3, 13, 93)
    found = look("redundancy.webservers", run(*pair("api-server"), *blind, *both))
    assert found.verdict is Verdict.INVALID
    assert "Logs could not be read for 60 s" in found.because


def test_a_worker_is_at_work_from_the_start_of_a_task_to_its_end() -> None:
    tasks: list[Record] = []
    for host, first in (("a", 1.0), ("b", 5.0)):
        for number in range(4):
            begin = first + 25 * number
            tasks += [
                mark(begin, "start", f"{host}-{number}", host=host),
                mark(begin + 14, "end", f"{host}-{number}", host=host),
            ]
    found = look("redundancy.workers", run(*pair("worker"), *tasks))
    assert (found.verdict, found.measure) == (Verdict.PASS, 11.0)


def test_a_worker_that_eats_nothing_is_found() -> None:
    tasks = [
        r
        for n in range(10)
        for r in (mark(1 + 10 * n, "start", f"r{n}", host="a"), mark(9 + 10 * n, "end", f"r{n}", host="a"))
    ]
    found = look("redundancy.workers", run(*pair("worker"), *tasks))
    assert found.verdict is Verdict.FAIL
    assert "airflow/b was Ready and did nothing for at least 100 s" in found.because


def test_a_worker_whose_task_waits_in_a_triggerer_is_not_at_work() -> None:
    tasks = [
        r
        for n in range(10)
        for r in (
            mark(1 + 10 * n, "start", f"r{n}", host="a"),
            mark(9 + 10 * n, "end", f"r{n}", host="a"),
        )
    ]
    deferred: list[Record] = [mark(1, "start", "d", host="b"), mark(99, "end", "d", host="b", resumed=True)]
    found = look("redundancy.workers", run(*pair("worker"), *tasks, *deferred))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 98.0)


def test_all_on_one_node_is_no_redundancy() -> None:
    spread = [r for c in sorted(REPLICAS) for r in pair(c)]
    assert look("redundancy.spread", run(*spread)).verdict is Verdict.PASS
    moved = pod(50, "api-server", "b", "node-1")
    found = look("redundancy.spread", run(*spread, moved))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert "all 2 of api-server on node-1" in found.because


def test_where_nobody_says_what_there_was_the_spread_is_not_known() -> None:
    assert look("redundancy.spread", run(*pair("api-server"), replicas={})).verdict is Verdict.INVALID


@given(st.lists(st.integers(1, 99), max_size=40, unique=True), st.lists(st.integers(1, 99), max_size=40, unique=True))
def test_the_longest_stretch_of_either_decides(one: list[int], other: list[int]) -> None:
    both = busy("ingress", "a", *sorted(map(float, one))) + busy("ingress", "b", *sorted(map(float, other)))
    found = look("redundancy.ingress", run(*pair("ingress"), *both))
    longest = max(max(b - a for a, b in pairwise([0, *sorted(times), 100])) for times in (one, other))
    if longest > LIMIT and (one or other):
        assert found.verdict is Verdict.FAIL
        assert found.measure == longest
    else:
        assert found.verdict is (Verdict.PASS if one and other else Verdict.INVALID)


@pytest.mark.parametrize("name", ["redundancy.webservers", "redundancy.workers", "redundancy.spread"])
def test_pods_that_nobody_could_follow_are_held_against_nobody(name: str) -> None:
    """Both went, and their replacements were not seen; or both were seen on one node last."""
    value: dict[str, Any] = {"of": "pods of airflow", "error": "no answer", "times": 1}
    component = COMPONENTS.get(name, "api-server")
    last = [pod(50, component, n, "node-1", ready=name.endswith("spread")) for n in "ab"]
    seen = run(*pair(component), *last, *busy(component, "a", *STEADILY))
    assert look(name, seen).verdict is Verdict.FAIL
    assert look(name, [*seen, event(60, "probe", "watcher", "error", **value)]).verdict is Verdict.INVALID
