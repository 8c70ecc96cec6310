"""Every sentence that a verdict can say, whole: `wording.txt` holds what is said of runs in which one thing went wrong.

A change of wording, of a window or of a number shows there, and is looked at before it is kept:
`python -m tests.unit.judge.test_wording` writes the file again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.history import NS, Event, Fault, History, Mark, Op, Phase, Record, Sample
from harness.judge.verdict import judge
from harness.outcome import Check
from tests.unit.builders import (
    at,
    bad,
    changed,
    fault,
    healthy,
    mark,
    meta,
    op,
    pod,
    prober,
    sample,
    whole,
    without,
)
from tests.unit.judge.ledgerless import ledgerless
from tests.unit.judge.test_calibration import ROWS, judged, row
from tests.unit.judge.test_evidence import OBSERVERS, UNPROVED, dags, phases, stopped
from tests.unit.judge.test_kept import BOUND, GOOD, Write, kept, number, record
from tests.unit.judge.test_machine import loads
from tests.unit.judge.test_null import BOUNDS, still
from tests.unit.judge.test_recovery import jobs, pods
from tests.unit.judge.test_rollback import rolled
from tests.unit.judge.test_verdict import BREAKERS

PATH = Path(__file__).with_name("wording.txt")
Make = Callable[[], list[Record]]


def ended(run: str, type_: str, state: str) -> list[Record]:
    return changed(
        healthy(),
        Op,
        lambda o: o.f == "run" and o.type == "ok" and o.value["dag_run"] == run,
        lambda o: {"type": type_, "value": {**o.value, "state": state}},
    )


def bound(name: str, **said: object) -> list[Record]:
    slo = meta().slo
    return [meta({**slo, name: {**slo[name], **said}}), *healthy()[1:]]


def null(*more: Record, **fields: object) -> list[Record]:
    first = meta(BOUNDS, component="none", **({"replicas": {"scheduler": 2}} | fields))
    return sorted([first, *still()[1:], *more], key=lambda r: r.t)


def trigger(run: str, *types: str) -> list[Record]:
    return [op(9 + i / 10, "trigger", type_, run) for i, type_ in enumerate(types)]  # type: ignore[arg-type]


def of(*dag_runs: str) -> Callable[[Op | Mark], bool]:
    return lambda r: (r.dag_run if isinstance(r, Mark) else r.value["dag_run"]) in dag_runs


MANY = GOOD * 27


def wrote(*more: Record, writes: Sequence[Write] = MANY) -> list[Record]:
    slo = {**meta().slo, BOUND.name: BOUND.to_json()}
    return [meta(slo), *without(healthy(), Event, lambda e: e.object == "prober")[1:], *record(writes), *more]


def peers() -> list[Record]:
    owed = {"limit": 1, "unit": "count", "origin": "one may die"}
    return [meta({**meta().slo, "redundancy.peers": owed}), *healthy()[1:]]


LATE = ("r24", "r30", "r36", "r42")
SCENARIOS: dict[str, Make] = {
    "healthy": healthy,
    **{f"evidence: {name}": make for name, make in UNPROVED.items()},
    **{f"observers: {name}": (lambda more=more: [*healthy(), *more]) for name, more in OBSERVERS.items()},  # type: ignore[misc]
    **{f"broken: {name}": make for name, make in BREAKERS.items()},
    "phases: none": lambda: without(healthy(), Phase),
    "phases: none, nor a fault": lambda: without(without(healthy(), Phase), Fault),
    "phases: two": lambda: phases(["baseline begin", "baseline end"]),
    "baseline: broken": lambda: bad(healthy(), 5, 10),
    "baseline: no phase": lambda: without(healthy(), Phase, lambda p: p.name == "baseline"),
    "baseline: nothing sampled": lambda: without(healthy(), Sample, lambda s: s.due < at(20)),
    "baseline: no bounds": lambda: [
        meta({n: b for n, b in meta().slo.items() if "availability" not in n}),
        *healthy()[1:],
    ],
    "schedule: a gap": lambda: dags(30, 33),
    "schedule: two gaps": lambda: without(
        dags(30, 33), Sample, lambda s: s.target == "dags" and at(36) < s.due < at(41)
    ),
    "schedule: never sampled": lambda: without(healthy(), Sample, lambda s: s.conn == "reused"),
    "schedule: nothing sampled": lambda: without(healthy(), Sample),
    "schedule: one sample": lambda: [*healthy(), sample(30, target="lonely")],
    "schedule: not recorded": lambda: stopped(due=400, recorded=380),
    "schedule: not said": stopped,
    "schedule: lost on the way": lambda: dags(30, 30.5),
    "schedule: targets malformed": lambda: [meta(probe={"targets": {"version": 3}}), *healthy()[1:]],
    "samples: none after the fault": lambda: without(
        healthy(), Sample, lambda s: s.target == "dags" and s.due > at(19.9)
    ),
    "runs: none finished": lambda: without(healthy(), Op, lambda o: o.f == "run" and o.type == "ok"),
    "availability: errors": lambda: bad(healthy(), 25, 26),
    "availability: several outages": lambda: bad(bad(healthy(), 25, 26), 30, 33),
    "availability: not back": lambda: bad(healthy(), 53, 60),
    "availability: not back in time": lambda: bad(healthy(), 40, 60),
    "availability: a series without samples": lambda: without(
        healthy(), Sample, lambda s: s.target == "dags" and s.due > at(20)
    ),
    "availability: no reads": lambda: without(healthy(), Sample, lambda s: s.method == "GET"),
    "tasks: a failed run": lambda: ended("r24", "fail", "failed"),
    "tasks: every run failed": lambda: changed(
        healthy(), Op, lambda o: o.f == "run" and o.type == "ok", lambda _: {"type": "fail"}
    ),
    "tasks: an unfinished run": lambda: ended("r24", "info", "running"),
    "tasks: an unknown end": lambda: ended("r24", "info", "unknown"),
    "tasks: an unknown trigger": lambda: [*healthy(), *trigger("c", "invoke", "info")],
    "tasks: a refused trigger": lambda: [*healthy(), *trigger("c", "invoke", "fail")],
    "tasks: nothing accepted": lambda: without(healthy(), Op, lambda o: o.f == "trigger"),
    "tasks: triggered twice": lambda: [*healthy(), op(3, "trigger", "invoke", "r1")],
    "tasks: answered and never sent": lambda: [*healthy(), op(3, "trigger", "ok", "ghost")],
    "tasks: no dag run": lambda: [*healthy(), op(3, "trigger", "ok", "")],
    "tasks: tasks malformed": lambda: [*healthy(), op(3, "trigger", "invoke", "odd", tasks=[1])],
    "tasks: airflow's record malformed": lambda: [*healthy(), op(3, "tasks", "ok", "r1", tasks=[1])],
    "tasks: airflow not asked": lambda: without(healthy(), Op, lambda o: o.f == "tasks"),
    "tasks: the ledger empty": lambda: without(healthy(), Mark),
    "tasks: of nobody": lambda: [*healthy(), mark(5, "start", "nobody"), mark(6, "end", "nobody")],
    "tasks: unlisted": lambda: [*healthy(), mark(5, "start", "r1", "other"), mark(6, "end", "r1", "other")],
    "tasks: a stray end": lambda: [*healthy(), mark(4.95, "end", "r1", "load", try_=9)],
    "tasks: two stray ends": lambda: [*healthy(), *(mark(t, "end", "r1", "other") for t in (5, 6))],
    "tasks: many lost": lambda: without(healthy(), Mark, lambda m: m.mark == "end"),
    "tasks: a mapped one lost": lambda: [*healthy(), mark(4.5, "start", "r1", "load", index=3)],
    "tasks: a run not seen to end": lambda: [*healthy(), *trigger("c", "invoke", "ok")],
    "recovery: one replacement": lambda: pods(healthy(), "scheduler-d"),
    "recovery: one replacement of what is not proved": lambda: without(
        pods(healthy(), "scheduler-d"), Fault, lambda f: f.phase == "proved"
    ),
    "recovery: not watched before": lambda: pods(healthy(), "scheduler-a"),
    "recovery: of no component": lambda: changed(
        healthy(), Fault, lambda f: "component" in f.target, lambda f: {"target": {**f.target, "component": ""}}
    ),
    "recovery: no jobs before": lambda: jobs(healthy(), 1, 2),
    "recovery: no new jobs": lambda: jobs(healthy(), 3, 4),
    "recovery: no new task": lambda: without(healthy(), Mark, of(*LATE)),
    "recovery: no new run": lambda: without(without(healthy(), Mark, of(*LATE)), Op, of(*LATE)),
    "recovery: a new run too late": lambda: without(without(healthy(), Mark, of(*LATE[:3])), Op, of(*LATE[:3])),
    "recovery: an orphan not noticed": lambda: without(
        healthy(), Event, lambda e: e.value.get("id") == 2 and e.value.get("state") == "failed"
    ),
    "recovery: nothing in flight": lambda: without(healthy(), Op, of("r18")),
    "recovery: an unknown end": lambda: ended("r18", "info", "unknown"),
    "recovery: a failed run": lambda: ended("r18", "fail", "failed"),
    "recovery: a death before the fault": lambda: changed(
        healthy(), Fault, lambda f: f.phase == "proved", lambda f: {"evidence": {**f.evidence, "process_gone_t": at(1)}}
    ),
    "recovery: longer bound": lambda: [
        *bound("recovery.replacement_ready", limit=120)[:1],
        *pods(healthy(), "scheduler-d")[1:],
    ],
    "rollback: short": lambda: rolled(ready={"scheduler": 1}),
    "rollback: nothing ready": lambda: rolled(ready={}),
    "rollback: scaled": lambda: rolled(expected={"scheduler": 1}, ready={"scheduler": 1}),
    "rollback: left behind": lambda: rolled(leftovers=["a", "b", "c", "d"]),
    "rollback: not looked at": lambda: rolled(expected={}, ready={}),
    "rollback: malformed": lambda: rolled(ready=None),
    "rollback: malformed within": lambda: rolled(ready={"scheduler": "2"}),
    "rollback: never": lambda: without(healthy(), Fault, lambda f: f.phase == "rolled-back"),
    "rollback: one of two": lambda: [*healthy(), fault(30, "begin").model_copy(update={"id": "second"})],
    "bounds: unreadable": lambda: bound("tasks.lost", limit="few"),
    "bounds: of the wrong unit": lambda: bound("tasks.lost", unit="s"),
    "bounds: unknown": lambda: [meta({**meta().slo, "tasks.odd": {"limit": 1}}), *healthy()[1:]],
    "bounds: missing": lambda: [meta({n: b for n, b in meta().slo.items() if n != "tasks.lost"}), *healthy()[1:]],
    "bounds: hair's breadth": lambda: bound("rollback.time", limit=19.4999999),
    "machine: quiet": lambda: [*healthy(), *loads(0, 1.57, 3, 0, 0, 0, 0, 0, 0)],
    "machine: busy": lambda: [*healthy(), *loads(*[0] * 10, *[30.26] * 5, *[0] * 10)],
    "machine: malformed": lambda: [*healthy(), *loads(0, "much")],
    "peers: alone": peers,
    "peers: one": lambda: [*peers(), pod(0.02, "scheduler-x", "uid-x")],
    "peers: not watched": lambda: without(peers(), Event, lambda e: e.uid == "uid-a"),
    "peers: not hit": lambda: without(peers(), Fault),
    "kept: the newest": lambda: wrote(kept(number(269))),
    "kept: not the newest": lambda: wrote(kept(number(266))),
    "kept: of another run": lambda: wrote(kept("run-0.00000009")),
    "kept: one that nobody acknowledged": lambda: wrote(
        kept(number(3)), writes=[*MANY[:3], Write(1, 300, "info"), *MANY[4:]]
    ),
    "kept: nothing was written": lambda: wrote(writes=[]),
    "kept: nothing was acknowledged": lambda: wrote(kept(number(3)), writes=[Write(1, 30, "fail")] * 270),
    "kept: not read": wrote,
    "kept: not answered": lambda: wrote(kept(None, "info")),
    "kept: read too early": lambda: wrote(kept(number(269), asked_ms=900)),
    "kept: a sample is missing": lambda: without(wrote(kept(number(269))), Sample, lambda s: s.due == at(0.6)),
    "kept: samples are lost": lambda: [*wrote(kept(number(269))), prober(58, "stopped", due=9, recorded=9)],
    "null: still": null,
    "null: a fault": lambda: null(fault(20.1, "begin", {"kind": "Selector", "name": "x"})),
    "null: deleted": lambda: null(pod(30, "scheduler-a", "uid-a", "deleted")),
    "null: not ready": lambda: null(pod(30, "scheduler-a", "uid-a", ready=False)),
    "null: restarted": lambda: null(pod(30, "scheduler-a", "uid-a", restarts=1)),
    "null: nobody watched": lambda: null(replicas={"scheduler": 2, "worker": 2}),
    "null: no component": lambda: null(replicas={}),
    "null: an outage": lambda: bad(null(), 30, 35),
}  # fmt: skip
HISTORIES: dict[str, Callable[[], History]] = {
    **{name: (lambda make=make: whole(make())) for name, make in SCENARIOS.items()},  # type: ignore[misc]
    "cut": lambda: History.of(healthy()),
    "cut: and a replacement missing": lambda: History.of(pods(healthy(), "scheduler-d")),
    "cut: and never undone": lambda: History.of(without(healthy(), Fault, lambda f: f.phase == "rolled-back")),
    "cut: and ends missing": lambda: History.of(
        without(healthy(), Op, lambda o: o.f == "run" and o.type == "ok"), "it was eaten"
    ),
    "nothing": lambda: History.of([]),
    "calibration: holds": judged,
    "calibration: does not hold": lambda: judged(rows=[ROWS[1], row(most_ms=25.001)]),
    "calibration: of nothing": lambda: judged(rows=[]),
    "no ledger": lambda: ledgerless(whole(healthy())),
    "no ledger: no clock": lambda: ledgerless(whole(healthy()), read=False),
    "no ledger: other clocks": lambda: ledgerless(whole(healthy()), ahead=-6),
    "no ledger: not asked": lambda: ledgerless(whole(without(healthy(), Op, lambda o: o.f == "tasks"))),
    "calibration: malformed": lambda: judged(rows=[row(kind=3)]),
}


def lines(check: Check) -> Iterator[str]:
    """All of a check, for people."""
    limit = "" if check.limit is None else f" of {check.limit!r}"
    yield f"{check.verdict} {check.name}: {check.measure!r}{limit} [{check.unit}] ({check.origin})"
    yield f"  {check.because}"
    for window in check.windows:
        yield f"  {window.start / NS:.3f} to {window.end / NS:.3f}: {window.what}"


def said(name: str, usual: tuple[Check, ...]) -> str:
    """Of one scenario, the checks that are not as in the healthy run."""
    outcome = judge(HISTORIES[name]())
    out = [f"== {name}: {outcome.verdict} {outcome.run_id} {outcome.experiment} {outcome.stack}"]
    for check in outcome.checks:
        if name == "healthy" or check not in usual:
            out += lines(check)
    out += [f"  without {c.name}" for c in usual if c.name not in {o.name for o in outcome.checks}]
    return "\n".join(out) + "\n"


def healthy_checks() -> tuple[Check, ...]:
    return judge(HISTORIES["healthy"]()).checks


@pytest.fixture(scope="module")
def usual() -> tuple[Check, ...]:
    return healthy_checks()


@pytest.fixture(scope="module")
def looked_at() -> dict[str, str]:
    """By scenario, the file's own lines."""
    parts = [f"== {part}" for part in PATH.read_text(encoding="utf-8").split("== ")[1:]]
    return {part.splitlines()[0].removeprefix("== ").rsplit(": ", 1)[0]: part for part in parts}


@pytest.mark.parametrize("name", HISTORIES)
def test_what_is_said_is_as_it_was_looked_at(name: str, usual: tuple[Check, ...], looked_at: dict[str, str]) -> None:
    assert said(name, usual) == looked_at.get(name)


def test_the_file_holds_no_other_scenario(looked_at: dict[str, str]) -> None:
    assert looked_at.keys() == HISTORIES.keys()


if __name__ == "__main__":
    expected = healthy_checks()
    PATH.write_text("".join(said(name, expected) for name in HISTORIES), encoding="utf-8")
