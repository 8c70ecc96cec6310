"""How long tasks lived on unheard: from the end of the last api-server to the last sign of the first one that died."""

from __future__ import annotations

from typing import Any

import pytest

from harness.history import End, Event, Fault, History, Mark, Record
from harness.judge import survival
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import at, mark, meta

GONE = 42.0


def server(number: int, gone: float | None, component: str = "api-server") -> list[Record]:
    target = {"kind": "Pod", "name": f"airflow/web-{number}", "uid": f"u{number}", "node": "n", "component": component}
    proof = {"uid_gone": True, "process_gone": True, "process_gone_t": None if gone is None else at(gone)}
    steps: dict[Any, dict[str, Any]] = {"injected": {}, **({} if gone is None else {"proved": proof})}
    return [
        Fault(t=at(31 + n), id="f", action="scale_pods", phase=phase, target=target, evidence=evidence)
        for n, (phase, evidence) in enumerate(steps.items())
    ]


def signs(ti: str, start: float, last: float, every: float = 1.0) -> list[Event]:
    times = [start + n * every for n in range(int((last - start) / every) + 1)]
    value = {"hostname": "worker-0", "ti": ti}
    return [Event(t=at(t), source="job", object="task/run", what="alive", value=value) for t in times]


def began(ti: str, t: float = 5) -> Mark:
    return mark(t, "start", ti=ti)


def ended(ti: str, t: float) -> Mark:
    return mark(t, "end", ti=ti)


def check(*records: Record, limit: float = 15, last: float = 200, servers: list[Record] | None = None) -> Check:
    away = [*server(1, 36), *server(2, GONE), *server(3, 90, "worker")] if servers is None else servers
    everything = sorted([*away, *records], key=lambda r: r.t)
    history = History.of([meta(), *everything, End(t=at(last), complete=True)])
    (found,) = survival.check(history, {survival.NAME: Bound(survival.NAME, limit, "s", "origin")})
    return found


def test_without_a_bound_nothing_is_judged() -> None:
    assert survival.check(History.of([meta()]), {}) == ()


def test_the_first_that_died_counts_from_the_end_of_the_last_server() -> None:
    early, late = (began("a"), *signs("a", 5, 62)), (began("b"), *signs("b", 5, 75))
    found = check(*early, *late)
    assert (found.verdict, found.measure) == (Verdict.PASS, 20.0)
    assert found.because.startswith(
        "Of 2 tasks under way when the last api-server went, 2 died; the first of them had lived on for 20 s, until "
        "31.0 s after the fault (62.0 s into the run); the limit is at least 15 s"
    )
    assert check(*early, *late, limit=21).verdict is Verdict.FAIL


def test_one_that_ended_did_not_die_and_counts_only_where_none_did() -> None:
    done = (began("a"), *signs("a", 5, 50), ended("a", 51))
    dead = (began("b"), *signs("b", 5, 70))
    assert check(*done, *dead).measure == 28.0
    assert check(*done, limit=9).measure == 9.0
    assert "0 died; each lived on for at least 9 s" in check(*done, limit=9).because
    assert check(*done, limit=10).verdict is Verdict.INVALID


def test_one_that_still_spoke_at_the_end_did_not_die() -> None:
    living = (began("a"), *signs("a", 5, 195))
    assert check(*living).measure == 153.0
    assert "1 died" in check(*living, last=206).because


@pytest.mark.parametrize(
    "records",
    [
        [],
        [began("a"), *signs("a", 5, 40), ended("a", 41)],
        [began("a"), *signs("a", 5, 34)],
        [began("a", 43), *signs("a", 43, 60)],
        [began("a"), *signs("other", 5, 60)],
    ],
    ids=["nothing", "over before", "silent before", "began later", "another's"],
)
def test_without_a_task_under_way_nothing_is_known(records: list[Record]) -> None:
    found = check(*records)
    assert found.verdict is Verdict.INVALID
    assert "No task that says that it lives was under way" in found.because


def test_without_the_servers_end_nothing_is_known() -> None:
    dead = (began("a"), *signs("a", 5, 62))
    for servers in ([], [*server(1, 36), *server(2, None)]):
        found = check(*dead, servers=servers)
        assert found.verdict is Verdict.INVALID
        assert "It was not seen when the last api-server went" in found.because


def test_one_that_fell_silent_while_the_servers_went_lived_on_for_no_time() -> None:
    """It had spoken a moment before, and nobody ever heard of it again; one that was over before is none of them."""
    silent = (began("a"), *signs("a", 5, 41))
    alive = (began("b"), *signs("b", 5, 90), ended("b", 91))
    over = (began("c"), *signs("c", 5, 30))
    found = check(*silent, *alive, *over)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 0.0)
    assert found.because.startswith("Of 2 tasks under way when the last api-server went, 1 died;")
    assert check(*alive, *over).verdict is Verdict.PASS
