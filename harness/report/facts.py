"""The rows of the report's tables: plain facts counted from the history, in the units in which they are shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from harness.history import NS, Fault, History
from harness.outcome import Check, Outcome
from harness.records import MOST_T
from harness.samples import Column

MS = NS // 1000
PHASES = ("baseline", "fault", "recovery", "cooldown")
QUESTIONS = {
    "evidence": "Is there enough to judge by?",
    "availability": "Did every target answer, all through the fault?",
    "vantage": "What did each vantage point see?",
    "tasks": "Was every accepted run done in time, and each of its tasks exactly once?",
    "recovery": "How long after the fault did each phase of the recovery come?",
    "schedule": "Did each run that was due come, once, in order and on time?",
    "callbacks": "Was each end reported to its callback, and only once?",
    "pools": "Did more tasks begin than a pool has slots for?",
    "assets": "Did each update bring about a run?",
    "deferred": "Did each task that waited for a trigger come back?",
    "redundancy": "Did each Ready replica do its share?",
    "collateral": "Did anything end that was not hit?",
    "healthy": "Did every pod stay as it was?",
    "disruption": "Did the budgets refuse what they must, and did enough pods stay?",
    "scaling": "What did scaling up bring?",
    "upgrade": "Did the new release replace the old one, tables included?",
    "restore": "What did it cost to lose the database and restore it, and how long did it take?",
    "database": "Did only one server of the database take writes at a time, and was everything kept that was accepted?",
    "broker": "Did the broker keep its primary as long as it must?",
    "rollback": "Is the cluster as it was?",
}


@dataclass(frozen=True)
class FaultRow:
    """One step in the life of a fault."""

    at: str
    what: str
    target: str
    evidence: str


@dataclass(frozen=True)
class FloorRow:
    """What one series did in one phase; times in milliseconds from when a request was due."""

    phase: str
    series: str
    requests: int
    bad: int
    median: float
    p99: float
    slowest: float


@dataclass(frozen=True)
class BoundRow:
    """A bound as meta gives it, readable or not."""

    name: str
    limit: str
    origin: str
    today: str = ""


@dataclass(frozen=True)
class Group:
    """Checks that answer one question, in the order in which they were made."""

    name: str
    question: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Interval:
    """How far a measured outage of one series may be from the truth."""

    series: str
    milliseconds: float


def fault_time(history: History) -> int | None:
    """When the first target was hit, in nanoseconds since the run began."""
    return min((f.t for f in history.faults if f.phase == "injected"), default=None)


def series(history: History) -> dict[str, Column]:
    """Samples by target, method and kind of connection, in the order in which they were due."""
    every = {_named(column): column for column in history.samples.columns.values()}
    return {name: every[name] for name in sorted(every)}


def _named(column: Column) -> str:
    place = f", from {column.vantage}" if column.vantage else ""
    return f"{column.method} {column.target}, {column.conn} connections{place}"


def spans(history: History) -> dict[str, tuple[int, int]]:
    """Begin and end of each phase; one that did not end lasts until the history does."""
    begins = {p.name: p.t for p in history.phases if p.edge == "begin"}
    ends = {p.name: p.t for p in history.phases if p.edge == "end"}
    return {name: (begins[name], ends.get(name, history.last_t)) for name in PHASES if name in begins}


def groups(outcome: Outcome) -> list[Group]:
    """The checks by the first part of their names."""
    found: dict[str, list[Check]] = {}
    for check in outcome.checks:
        found.setdefault(check.name.split(".")[0], []).append(check)
    return [Group(name, QUESTIONS.get(name, ""), tuple(checks)) for name, checks in found.items()]


def tally(outcome: Outcome) -> str:
    """How many checks have which verdict, good ones first."""
    counts = Counter(check.verdict for check in outcome.checks)
    said = ", ".join(f"{counts[v]} {v}" for v in sorted(counts, key=lambda v: v.rank))
    return f"{len(outcome.checks)} checks: {said}" if said else "no check was made"


def fault_rows(history: History) -> list[FaultRow]:
    t = fault_time(history)
    return [
        FaultRow(
            at=moment(fault.t, t),
            what=f"{fault.action}: {fault.phase}",
            target=" ".join(str(fault.target[key]) for key in ("kind", "name") if key in fault.target),
            evidence=_evidence(fault, t),
        )
        for fault in history.faults
    ]


def floor_rows(history: History) -> list[FloorRow]:
    """Per phase and series; the baseline's rows are the noise floor."""
    rows = []
    for phase, (begin, end) in spans(history).items():
        for name, samples in series(history).items():
            inside = samples.where((begin <= samples.due) & (samples.due < end))
            if len(inside):
                rows.append(_floor(phase, name, inside))
    return rows


def bound_rows(slo: Mapping[str, Mapping[str, Any]], changed: Mapping[str, str]) -> list[BoundRow]:
    return [
        BoundRow(
            name,
            f"{raw.get('limit', '?')} {raw.get('unit', '?')}",
            str(raw.get("origin", "?")),
            changed.get(name, ""),
        )
        for name, raw in sorted(slo.items())
    ]


def intervals(history: History) -> list[Interval]:
    steps = {name: step(samples) for name, samples in series(history).items()}
    return [Interval(name, usual / MS) for name, usual in steps.items() if usual is not None]


def step(samples: Column) -> int | None:
    """The usual distance of due times (their lower median), or None if it cannot be told."""
    steps = np.sort(np.diff(samples.due))
    return int(steps[(len(steps) - 1) // 2]) if len(steps) else None


def moment(t: int, fault: int | None) -> str:
    """Seconds after the fault if there is one, otherwise since the run began."""
    if fault is None:
        return f"{t / NS:.1f} s"
    after = round((t - fault) / NS, 1)
    return f"{after:+.1f} s" if after else "0.0 s"


def lasting(start: int, end: int) -> str:
    """A stretch of the run, for people."""
    return f"from {start / NS:.2f} s on, {(end - start) / NS:.2f} s long"


def _floor(phase: str, name: str, samples: Column) -> FloorRow:
    took = np.sort(samples.end - samples.due) / MS
    return FloorRow(
        phase=phase,
        series=name,
        requests=len(took),
        bad=int(samples.bad.sum()),
        median=float(np.median(took)),
        p99=float(took[min(len(took) - 1, int(len(took) * 0.99))]),
        slowest=float(took[-1]),
    )


def _evidence(fault: Fault, t: int | None) -> str:
    """What was seen, each thing once: if a time is given, there is no need to say that it came."""
    table = {k: v for k, v in fault.target.items() if k in ("uid", "node")} | fault.evidence
    timed = {key.removesuffix("_t") for key, value in table.items() if _is_time(value, key)}
    parts = [_pair(key, value, t) for key, value in table.items() if key not in timed or value is not True]
    return ("; " if any(isinstance(value, Mapping) for value in table.values()) else ", ").join(parts)


def _pair(key: str, value: object, t: int | None = None) -> str:
    if _is_time(value, key):
        return f"{key.removesuffix('_t')} at {moment(value, t)}"
    return f"{key}{':' if value and isinstance(value, Mapping) else ''} {_text(value)}"


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(_pair(key, one) for key, one in value.items()) or "none"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(_text(v) for v in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)


def _is_time(value: object, key: str) -> TypeGuard[int]:
    return key.endswith("_t") and isinstance(value, int) and abs(value) < MOST_T
