"""Is the cluster as it was? Judged by what re-reading it after the undo found."""

from __future__ import annotations

from itertools import takewhile
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import HistoryError
from harness.history import NS, Fault, History
from harness.judge.checks import broken, measured, some, unknown, when, worst_of
from harness.judge.faults import fault_time, targets
from harness.judge.stayed import Aftermath
from harness.outcome import Check
from harness.slo import Bound

NAME = "rollback.time"
_Count = Annotated[int, Field(ge=0)]


class _Reading(BaseModel):
    """What the cluster was found to be: pods per component that should be, and are, Ready."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    expected: dict[str, _Count]
    ready: dict[str, _Count]
    leftovers: list[str]


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` if the evidence of a rollback is malformed."""
    bound = bounds.get(NAME)
    if bound is None:
        return ()
    t = fault_time(history)
    if t is None:
        return (unknown(bound, "There was no fault to undo"),)
    undone: dict[str, list[Fault]] = {f.id: [] for f in history.faults}
    for record in history.faults:
        if record.phase == "rolled-back":
            undone[record.id].append(record)
    hit = _hit(history)
    after = Aftermath(history)
    return (worst_of(_one(after, bound, t, fault, undone[fault], hit.get(fault, set())) for fault in sorted(undone)),)


def _one(after: Aftermath, bound: Bound, t: int, fault: str, undone: list[Fault], hit: set[str]) -> Check:
    """The undo may run more than once; it counts from when the cluster was found clean and stayed so."""
    history = after.history
    if not undone and history.problem is not None:
        return unknown(bound, f"Whether {fault} was undone is not known, because the history is not whole")
    if not undone:
        return broken(bound, f"{fault} was not undone")
    last = undone[-1]
    why = _difference(history, last)
    if why:
        return broken(bound, f"After {fault}, {why}, {when(last.t, t)}")
    if unread := _unread(history, hit, _read(last)):
        return unknown(bound, f"After {fault}, nobody checked whether {some(unread)} was back")
    since = list(takewhile(lambda f: not _difference(history, f), reversed(undone)))[-1]
    return _stayed(after, bound, since, t)


def _stayed(after: Aftermath, bound: Bound, undone: Fault, t: int) -> Check:
    """The undo is believed unless pods and nodes, as they were seen, say otherwise."""
    expected, whole, found = _read(undone).expected, undone.t, f"After {undone.id}, all was as before"
    if after.history.problem is None:
        if why := after.still_there:
            return unknown(bound, f"{found}, says the undo, but {why}")
        if why := after.went_again(expected, undone.t):
            return broken(bound, f"{found}, but {why}")
        if why := after.contradicted(expected, undone.t):
            return unknown(bound, f"{found}, says the undo, but {why}")
        whole = after.whole_from(expected, undone.t)
    before = f"After {undone.id}, the cluster was as before"
    return measured(bound, (whole - t) / NS, before, f" after the fault ({when(whole, None)})")


def _read(record: Fault) -> _Reading:
    try:
        return _Reading.model_validate(record.evidence)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise HistoryError(f"the evidence that {record.id} was undone is malformed: {where}: {first['msg']}") from cause


def _difference(history: History, record: Fault) -> str | None:
    """What is not as before, or None."""
    seen = _read(record)
    desired = history.meta.replicas if history.meta else {}
    for component, expected in seen.expected.items():
        if component in desired and desired[component] != expected:
            return f"{component} is set to {expected} replicas instead of {desired[component]}"
        ready = seen.ready.get(component, 0)
        if ready != expected:
            return f"{ready} of {expected} {component} pods are ready"
    return f"{some(seen.leftovers)} was left behind" if seen.leftovers else None


def _hit(history: History) -> dict[str, set[str]]:
    """The components that each fault hit."""
    found: dict[str, set[str]] = {}
    for target in targets(history):
        found.setdefault(target.fault, set()).add(target.component or target.name)
    return found


def _unread(history: History, hit: set[str], seen: _Reading) -> list[str]:
    """Components that were hit or were there, but not looked at again."""
    return sorted((hit | (history.meta.replicas if history.meta else {}).keys()) - seen.expected.keys())
