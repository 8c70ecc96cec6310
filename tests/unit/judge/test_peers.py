"""What a fault hits must not have stood alone; who else was Ready is read from what was seen of the pods."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import Event, Fault, History, Record
from harness.judge.peers import NAME, check
from harness.judge.verdict import required
from harness.outcome import Check, Verdict
from harness.slo import bound_of
from tests.unit.builders import at, meta, pod, whole

HIT = 20.0
BOUND = bound_of(NAME, {"limit": 1, "unit": "count", "origin": "one may die"}, "here")


def hit(name: str, component: str = "redis", t: float = HIT) -> Fault:
    target = {"kind": "Pod", "name": f"airflow/{name}", "uid": f"uid-{name}", "component": component}
    return Fault(t=at(t), id="kill", action="kill_pods", phase="injected", target=target)


def seen(name: str, t: float = 1.0, *, component: str = "redis", ready: bool = True, deleting: bool = False) -> Event:
    return pod(t, name, f"uid-{name}", component=component, ready=ready, deleting=deleting)


def judged(*records: Record) -> Check:
    history: History = whole([meta(), *sorted(records, key=lambda r: r.t)])
    (found,) = check(history, {NAME: BOUND})
    return found


def test_without_a_bound_nobody_asks() -> None:
    assert check(whole([meta(), seen("a"), hit("a")]), {}) == ()


def test_what_stands_alone_may_not_die_however_soon_another_comes() -> None:
    found = judged(seen("redis-0"), hit("redis-0"), pod(21, "redis-0", "uid-new", component="redis"))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 0)
    assert found.because.startswith("Beside airflow/redis-0, pods of redis that were Ready when it was hit: 0")


@pytest.mark.parametrize(
    "other",
    [
        seen("b", ready=False),
        seen("b", deleting=True),
        seen("b", component="broker"),
        pod(5, "b", "uid-b", "deleted", component="redis"),
        seen("b", HIT + 1),
    ],
)
def test_one_that_is_not_there_then_is_no_peer(other: Event) -> None:
    assert judged(seen("a"), other, hit("a")).verdict is Verdict.FAIL


@given(st.integers(0, 4), st.integers(1, 3))
def test_all_that_were_hit_are_out_of_the_count(peers: int, victims: int) -> None:
    names = [f"v{n}" for n in range(victims)]
    records: Sequence[Record] = [
        *(seen(f"p{n}") for n in range(peers)),
        *(seen(n) for n in names),
        *(hit(n) for n in names),
    ]
    found = judged(*records)
    assert found.measure == peers
    assert found.verdict is (Verdict.PASS if peers else Verdict.FAIL)


def test_of_a_node_the_component_that_stood_alone_counts() -> None:
    there = [seen(n, component=c) for n, c in (("w1", "worker"), ("w2", "worker"), ("d", "dag-processor"))]
    found = judged(*there, hit("w1", "worker"), hit("d", "dag-processor"))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 0)
    assert "pods of dag-processor" in found.because


def test_what_nobody_watched_is_not_known() -> None:
    assert judged(seen("b"), hit("a")).verdict is Verdict.INVALID
    assert judged(seen("b", component=""), seen("a", component=""), hit("a", "")).verdict is Verdict.INVALID
    assert judged(seen("a"), seen("b")).verdict is Verdict.INVALID, "nothing was hit"


def test_a_watch_that_was_blind_just_then_has_not_seen_who_was_there() -> None:
    def error(t: float, what: str) -> Event:
        value = {"of": "pods of airflow", "error": "the stream broke"}
        return Event(t=at(t), source="probe", object="watcher", what=what, value=value)

    assert judged(seen("a"), seen("b"), error(19, "error"), error(22, "recovered"), hit("a")).verdict is Verdict.INVALID
    assert judged(seen("a"), seen("b"), error(3, "error"), error(6, "recovered"), hit("a")).verdict is Verdict.PASS


def test_whoever_is_hit_by_name_owes_a_peer_and_nobody_else_does() -> None:
    assert NAME in required("any", writes=True, stack="celery")
    assert NAME not in required("scheduler", writes=True, stack="celery")
