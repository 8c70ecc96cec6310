"""Tiny histories to judge. Times are given in seconds since the run began.

`healthy()` is a whole, good run: both schedulers are killed at `FAULT`, replaced, and everything promised is kept.
Tests break one thing in it and look at what the verdict says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar

import numpy as np

from harness.history import NS, End, Event, Fault, History, Mark, Meta, Op, Phase, Record, Sample
from harness.judge.verdict import judge
from harness.outcome import Check, Outcome
from harness.samples import Column, Samples, Series

FAULT = 20.5
END = 60.0
STEP = 0.5
KILLED = {"scheduler-a": "uid-a", "scheduler-b": "uid-b"}
BORN = {"scheduler-c": ("uid-c", 28.0), "scheduler-d": ("uid-d", 30.0)}
TASKS = ("extract", "load")
LIMITS: dict[str, tuple[float, str]] = {
    "availability.read.outage": (2.0, "s"),
    "availability.read.errors": (10.0, "%"),
    "availability.write.outage": (4.0, "s"),
    "availability.write.errors": (20.0, "%"),
    "availability.read.latency": (0.5, "s"),
    "availability.write.latency": (0.5, "s"),
    "evidence.samples": (15, "count"),
    "evidence.finished_runs": (5, "count"),
    "evidence.late_samples": (1.0, "%"),
    "tasks.lost": (0, "count"),
    "tasks.duplicated": (0, "count"),
    "tasks.extra_attempts": (0, "count"),
    "tasks.overlapping": (0, "count"),
    "tasks.unknown_attempts": (0, "count"),
    "tasks.run_duration": (20.0, "s"),
    "recovery.process_gone": (2.0, "s"),
    "recovery.replacement_ready": (15.0, "s"),
    "recovery.first_heartbeat": (15.0, "s"),
    "recovery.first_new_task": (20.0, "s"),
    "recovery.orphans_handled": (20.0, "s"),
    "recovery.last_delayed_run": (20.0, "s"),
    "rollback.time": (30.0, "s"),
}
READ = Series("version", "new", write=False)
R = TypeVar("R", bound=Record)
Conn = Literal["new", "reused"]
Outcomes = Literal["ok", "fail", "info"]


def at(seconds: float) -> int:
    return round(seconds * NS)


def meta(slo: Mapping[str, Any] | None = None, **fields: Any) -> Meta:
    bounds = {n: {"limit": v, "unit": u, "origin": f"origin of {n}"} for n, (v, u) in LIMITS.items()}
    values: dict[str, Any] = {
        "t": 0,
        "format": 1,
        "run_id": "run-1",
        "experiment": "scheduler-kill",
        "stack": "celery",
        "wall": "2026-01-01T00:00:00.000Z",
        "versions": {"airflow": "3.3.2"},
        "replicas": {"scheduler": 2, "api-server": 2},
        "slo": bounds if slo is None else dict(slo),
        "probe": {"rate_hz": 7, "timeout_s": 5, "targets": {"version": {"rate_hz": 2, "conn": ["new", "reused"]}}},
    }
    return Meta(**{**values, **fields})


def sample(
    due: float,
    outcome: Outcomes = "ok",
    target: str = "version",
    conn: Conn = "new",
    method: str = "GET",
    *,
    late: float = 0.0,
    took: float = 0.02,
) -> Sample:
    status = {"ok": 200, "fail": 503, "info": None}[outcome]
    return Sample(
        t=at(due + late),
        target=target,
        conn=conn,
        method=method,
        path=f"/api/v2/{target}",
        due=at(due),
        end=at(due + late + took),
        outcome=outcome,
        status=status,
        error=None if outcome == "ok" else "not answered",
    )


def series(pattern: str, start: float = 0.0, step: float = 1.0) -> list[Sample]:
    """One sample a character: `.` ok, `x` fail, `?` info."""
    words: dict[str, Outcomes] = {".": "ok", "x": "fail", "?": "info"}
    return [sample(start + i * step, words[char]) for i, char in enumerate(pattern)]


def column(samples: Iterable[Sample]) -> Column:
    """The column of one series, which may be empty."""
    columns = list(Samples.of(samples).columns.values()) or [
        Samples.of([sample(0)]).columns[READ].where(np.array([False]))
    ]
    (one,) = columns
    return one


def op(t: float, f: str, type_: Literal["invoke", "ok", "fail", "info"], dag_run: str, **value: Any) -> Op:
    return Op(t=at(t), process="workload", f=f, type=type_, value={"dag_run": dag_run, **value})


def mark(
    t: float,
    mark_: Literal["start", "end"],
    dag_run: str = "run",
    task: str = "load",
    *,
    try_: int = 1,
    host: str = "worker-0",
    index: int = -1,
    resumed: bool = False,
    ti: str = "",
) -> Mark:
    return Mark(
        t=at(t),
        dag_run=dag_run,
        task=task,
        map_index=index,
        try_=try_,
        mark=mark_,
        executor_host=host,
        resumed=resumed,
        ti=ti,
    )


def dag_run(name: str, t: float, started: float, ended: float) -> list[Record]:
    """A run of two tasks, one after the other, accepted at once."""
    middle = (started + ended) / 2
    return [
        op(t, "trigger", "invoke", name, dag="chain", tasks=[[task, -1] for task in TASKS]),
        op(t + 0.05, "trigger", "ok", name, status=200, tries=1),
        op(t + 0.06, "run", "invoke", name),
        mark(started, "start", name, "extract"),
        mark(middle - 0.1, "end", name, "extract"),
        mark(middle, "start", name, "load"),
        mark(ended - 0.1, "end", name, "load"),
        op(ended, "run", "ok", name, state="success"),
        op(ended + 0.5, "tasks", "ok", name, tasks=[[task, -1, 1] for task in TASKS]),
    ]


def pod(t: float, name: str, uid: str, what: str = "modified", **value: Any) -> Event:
    seen = {"component": "scheduler", "node": "n1", "phase": "Running", "ready": True, "restarts": 0}
    full = {**seen, "exit_code": None, "deleting": False, **value}
    return Event(t=at(t), source="pod", object=f"airflow/{name}", uid=uid, what=what, value=full)


def job(t: float, number: int, host: str, what: str = "heartbeat", state: str = "running") -> Event:
    value = {"id": number, "hostname": host, "state": state, "latest_heartbeat": f"2026-01-01T00:00:{t:06.3f}Z"}
    return Event(t=at(t), source="job", object=f"SchedulerJob/{number}", what=what, value=value)


def prober(t: float, what: str, **value: int) -> Event:
    return Event(t=at(t), source="probe", object="prober", what=what, value=value)


def fault(t: float, phase: Any, target: dict[str, Any] | None = None, **evidence: Any) -> Fault:
    return Fault(t=at(t), id="kill", action="kill_pods", phase=phase, target=target or {}, evidence=evidence)


def victim(name: str) -> dict[str, Any]:
    return {"kind": "Pod", "name": f"airflow/{name}", "uid": KILLED[name], "node": "n1", "component": "scheduler"}


def _phases() -> list[Record]:
    edges = {"baseline": (0.0, 20.0), "fault": (20.0, 23.0), "recovery": (23.0, 50.0), "cooldown": (50.0, END)}
    out: list[Record] = []
    for name, (begin, end) in edges.items():
        out += [Phase(t=at(begin), name=name, edge="begin"), Phase(t=at(end), name=name, edge="end")]  # type: ignore[arg-type]
    return out


def _samples() -> list[Record]:
    kinds: tuple[tuple[str, Conn, float], ...] = (
        ("version", "new", 0.0),
        ("version", "reused", 0.1),
        ("dags", "new", 0.2),
    )
    reads = [sample(i * STEP + shift, "ok", target, conn) for target, conn, shift in kinds for i in range(110)]
    writes = [sample(0.3 + i, "ok", "trigger", "new", "POST") for i in range(50)]
    return [*reads, *writes]


def _fault() -> list[Record]:
    out: list[Record] = [fault(20.1, "begin", {"kind": "Selector", "name": "component=scheduler"})]
    for i, name in enumerate(KILLED):
        proof = {"uid_gone": True, "uid_gone_t": at(21), "exit_code": 137, "process_gone": True}
        out += [
            fault(FAULT + i / 10, "injected", victim(name), signal="SIGKILL", pids=[7]),
            fault(22 + i / 10, "proved", victim(name), **proof, process_gone_t=at(FAULT + 0.5 + i / 10)),
        ]
    whole_again = {"scheduler": 2, "api-server": 2}
    undone: dict[str, Any] = {"expected": whole_again, "ready": whole_again, "leftovers": []}
    return [*out, fault(22.5, "ended"), fault(40, "rolled-back", **undone)]


def _cluster() -> list[Record]:
    out: list[Record] = []
    for number, (name, uid) in enumerate(KILLED.items(), start=1):
        out += [pod(0.01, name, uid, "added"), job(0.02, number, name, "state")]
        out += [job(second + 0.2, number, name) for second in range(1, 21)]
        out += [pod(FAULT + 0.4, name, uid, ready=False, deleting=True), pod(21, name, uid, "deleted", ready=False)]
        out.append(job(35 + number / 10, number, name, "state", "failed"))
    for number, (name, (uid, ready)) in enumerate(BORN.items(), start=3):
        out += [
            pod(21.5, name, uid, "added", ready=False),
            pod(ready, name, uid),
            job(ready - 1, number, name, "state"),
        ]
        out += [job(ready + second, number, name) for second in range(25)]
    return out


def _work() -> list[Record]:
    out: list[Record] = []
    for t in (1, 6, 11):
        out += dag_run(f"r{t}", t, t + 1, t + 4)
    out += dag_run("r18", 18, 19, 33)
    for t in (24, 30, 36, 42):
        started = max(t + 1, 31)
        out += dag_run(f"r{t}", t, started, started + 5)
    return out


def healthy() -> list[Record]:
    """All records of a good run but the end record, in order."""
    samples = _samples()
    n = len(samples)
    probes: list[Record] = [prober(0, "started"), prober(55.5, "stopped", due=n, recorded=n)]
    rest = [*_phases(), *samples, *_fault(), *_cluster(), *_work(), *probes]
    return [meta(), *sorted(rest, key=lambda r: r.t)]


def crowd(count: int) -> list[Record]:
    """A good run, with so many schedulers, each killed and replaced, in place of two."""
    good = without(healthy(), Fault)
    good = without(good, Event, lambda e: e.source in ("pod", "job"))
    whole_again = {"scheduler": count, "api-server": 2}
    more: list[Record] = [
        fault(20.1, "begin", aimed=[f"airflow/old-{i}" for i in range(count)]),
        fault(22.5, "ended"),
        fault(40, "rolled-back", expected=whole_again, ready=whole_again, leftovers=[]),
    ]
    for i in range(count):
        old, new, hit = f"old-{i}", f"new-{i}", FAULT + i / count
        who = {"kind": "Pod", "name": f"airflow/{old}", "uid": old, "node": "n1", "component": "scheduler"}
        proof = {"uid_gone": True, "exit_code": 137, "process_gone": True, "process_gone_t": at(hit + 0.5)}
        more += [
            fault(hit, "injected", who, signal="SIGKILL", pids=[7]),
            fault(22.2, "proved", who, **proof),
            *(pod(0.01, old, old, "added"), pod(22, old, old, "deleted", ready=False)),
            *(job(t, 2 * i, old) for t in (1, 10, 20)),
            job(35, 2 * i, old, "state", "failed"),
            *(pod(22.5, new, new, "added", ready=False), pod(28, new, new)),
            *(job(t, 2 * i + 1, new) for t in (29, 40, 55)),
        ]
    first, *rest = good
    replicas = {"replicas": whole_again}
    return [first.model_copy(update=replicas), *sorted([*rest, *more], key=lambda r: r.t)]


def whole(records: Iterable[Record]) -> History:
    """A history that is not cut short."""
    every = list(records)
    return History.of([*every, End(t=max([at(END), *(r.t for r in every)]), complete=True)])


def verdict(records: Iterable[Record]) -> Outcome:
    return judge(whole(records))


def named(outcome: Outcome, name: str) -> Check:
    """The one check of this name."""
    (found,) = [c for c in outcome.checks if c.name == name]
    return found


def without(records: Iterable[Record], kind: type[R], drop: Callable[[R], bool] = lambda _: True) -> list[Record]:
    """The records but those of one kind that `drop` picks."""
    return [r for r in records if not (isinstance(r, kind) and drop(r))]


def changed(
    records: Iterable[Record], kind: type[R], pick: Callable[[R], bool], change: Callable[[R], dict[str, Any]]
) -> list[Record]:
    """The records with fields of those that `pick` picks replaced. Picking none is an error."""
    hits = 0
    out: list[Record] = []
    for record in records:
        if isinstance(record, kind) and pick(record):
            hits += 1
            out.append(record.model_copy(update=change(record)))
        else:
            out.append(record)
    assert hits, "no record was picked"
    return out


def bad(
    records: Iterable[Record], since: float, until: float, target: str = "version", conn: str = "new"
) -> list[Record]:
    """The samples of one series that are due in [since, until) go unanswered."""
    return changed(
        records,
        Sample,
        lambda s: s.target == target and s.conn == conn and at(since) <= s.due < at(until),
        lambda _: {"outcome": "fail", "status": 503},
    )
