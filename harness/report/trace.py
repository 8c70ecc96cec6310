"""A run as a trace, OTLP in JSON: its phases, faults, DAG runs with the attempts of their tasks, outages and recovery.

The only foreign text in it is names: no error, answer or evidence, which might hold something confidential.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.files import write as write_file
from harness.foreign import visible
from harness.history import Fault, History, Mark, Op, grouped
from harness.outcome import Outcome, Verdict
from harness.report.attempts import Attempt, attempts
from harness.report.facts import series
from harness.report.strips import bad_stretches

SCOPE = "airflow-chaos"
MOST_OUTAGES = 1000  # of one series
STATUS = {Verdict.PASS: 1, Verdict.INVALID: 0, Verdict.FAIL: 2}  # ok, unset, error
INTERNAL = 1
Value = str | int | float | bool


@dataclass(frozen=True)
class Moment:
    """Something within a span; nanoseconds since the run began."""

    t: int
    name: str


@dataclass(frozen=True)
class Span:
    """A stretch of the run, half-open, in nanoseconds since it began; those `within` lie in it."""

    name: str
    start: int
    end: int
    about: tuple[tuple[str, Value], ...] = ()
    moments: tuple[Moment, ...] = ()
    within: tuple[Span, ...] = ()
    status: int = 0

    def holding(self, within: Iterable[Span]) -> Span:
        """A copy with more in it, and long enough for that."""
        every = (*self.within, *within)
        start, end = min(s.start for s in (self, *every)), max(s.end for s in (self, *every))
        return replace(self, start=start, end=end, within=every)


def write(history: History, outcome: Outcome, path: Path) -> None:
    """Write the run as one `ExportTraceServiceRequest`."""
    write_file(path, json.dumps(exported(history, outcome), indent=1) + "\n")


def exported(history: History, outcome: Outcome) -> dict[str, Any]:
    """As OTLP has it in JSON: ids in hexadecimal, times as strings of nanoseconds since 1970."""
    meta = history.meta
    versions = meta.versions if meta else {}
    told = {
        "service.name": SCOPE,
        "service.version": versions.get(SCOPE, ""),
        "airflow.version": versions.get("airflow", ""),
    }
    seed = f"{outcome.run_id} {meta.wall if meta else ''}"
    began = _began(history)
    spans = list(_spans(spanned(history, outcome), seed, began, trace_id=_id(seed, 32), parent=""))
    scope = {"scope": {"name": SCOPE}, "spans": spans}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(told.items())}, "scopeSpans": [scope]}]}


def spanned(history: History, outcome: Outcome) -> Span:
    """The run and everything in it."""
    about: tuple[tuple[str, Value], ...] = (
        ("experiment", outcome.experiment),
        ("stack", outcome.stack),
        ("run_id", outcome.run_id),
        ("verdict", outcome.verdict.value),
        ("component", history.meta.component if history.meta else ""),
    )
    run = Span(f"{outcome.experiment} on {outcome.stack}", 0, history.last_t, about, status=STATUS[outcome.verdict])
    parts = (_phases(history), _faults(history), _dag_runs(history), _outages(history), _recovery(outcome))
    return run.holding(span for part in parts for span in part)


def _phases(history: History) -> Iterator[Span]:
    for name, edges in grouped(history.phases, lambda edge: edge.name).items():
        times = [edge.t for edge in edges]
        end = max(times) if any(edge.edge == "end" for edge in edges) else history.last_t
        yield Span(name, min(times), max(end, min(times)))


def _faults(history: History) -> Iterator[Span]:
    for steps in grouped(history.faults, lambda step: step.id).values():
        about = (("fault.id", steps[0].id), ("fault.proved", any(step.phase == "proved" for step in steps)))
        moments = tuple(Moment(step.t, _step(step)) for step in steps)
        yield Span(f"fault {steps[0].action}", steps[0].t, steps[-1].t, about, moments)


def _step(step: Fault) -> str:
    return f"{step.phase} {step.target.get('name', '')}".strip()


def _dag_runs(history: History) -> Iterator[Span]:
    """Triggered runs, from trigger to end; and scheduled ones, as far as their tasks tell."""
    asked = grouped((op for op in history.ops if op.f in ("trigger", "run")), lambda op: str(op.value.get("dag_run")))
    tried = grouped(history.marks, lambda mark: mark.dag_run)
    for name in dict.fromkeys((*asked, *tried)):
        yield _dag_run(name, asked.get(name, ()), tried.get(name, ()), history.last_t)
    for (dag, name), marks in grouped(history.scheduled_marks, lambda mark: (mark.dag, mark.dag_run)).items():
        yield _dag_run(f"{dag} {name}", (), marks, history.last_t)


def _dag_run(name: str, ops: tuple[Op, ...], marks: tuple[Mark, ...], last_t: int) -> Span:
    times = [one.t for one in (*ops, *marks)]
    found, _ = attempts(marks)
    return Span(f"DAG run {name}", min(times), max(times), _ended(ops)).holding(_attempt(one, last_t) for one in found)


def _ended(ops: tuple[Op, ...]) -> tuple[tuple[str, Value], ...]:
    states = [str(op.value.get("state")) for op in ops if op.f == "run" and op.type == "ok"]
    return (("dag_run.state", states[-1]),) if states else ()


def _attempt(one: Attempt, last_t: int) -> Span:
    about = (("attempt", one.number), ("host", one.host), ("ended", one.end is not None))
    end = max(last_t, one.start) if one.end is None else one.end
    return Span(f"task {one.task}", one.start, end, about, status=0 if one.end is not None else 2)


def _outages(history: History) -> Iterator[Span]:
    for name, samples in series(history).items():
        for one in bad_stretches(samples, MOST_OUTAGES):
            about = (("target", samples.target), ("connection", samples.conn), ("requests.bad", one.bad))
            yield Span(f"outage of {name}", one.start, one.end, about, status=2)


def _recovery(outcome: Outcome) -> Iterator[Span]:
    for check in outcome.checks:
        if check.name.startswith("recovery."):
            for window in check.windows:
                about = (("verdict", check.verdict.value),)
                yield Span(check.name, window.start, max(window.start, window.end), about)


def _spans(span: Span, path: str, began: int, *, trace_id: str, parent: str) -> Iterator[dict[str, Any]]:
    """This one, then those in it. An id comes from a span's position, so that a run always has the same ones."""
    own = _id(path, 16)
    yield {
        "traceId": trace_id,
        "spanId": own,
        "parentSpanId": parent,
        "name": visible(span.name),
        "kind": INTERNAL,
        "startTimeUnixNano": str(began + span.start),
        "endTimeUnixNano": str(began + span.end),
        "attributes": _attributes(span.about),
        "events": [{"timeUnixNano": str(began + one.t), "name": visible(one.name)} for one in span.moments],
        "status": {"code": span.status},
    }
    for number, one in enumerate(span.within):
        yield from _spans(one, f"{path}/{number}", began, trace_id=trace_id, parent=own)


def _attributes(pairs: Iterable[tuple[str, Value]]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in pairs]


def _value(value: Value) -> dict[str, Value]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": visible(value)}


def _id(seed: str, digits: int) -> str:
    return sha256(seed.encode(errors="surrogatepass")).hexdigest()[:digits]


def _began(history: History) -> int:
    """Nanoseconds since 1970; 0 if the history does not say when it began."""
    try:
        began = datetime.fromisoformat(history.meta.wall if history.meta else "").astimezone(UTC)
        return max(0, round(began.timestamp() * 1000) * 1_000_000)
    except (ValueError, OverflowError):
        return 0
