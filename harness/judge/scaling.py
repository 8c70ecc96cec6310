"""What scaling up gains: the throughput of tasks at one level after another, by the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import HistoryError
from harness.history import NS, Fault, History
from harness.judge.checks import measured, unknown
from harness.judge.observers import MARKS, unseen
from harness.judge.runs import Run, runs
from harness.outcome import Check, Window
from harness.slo import Bound

GAIN = "scaling.gain"


@dataclass(frozen=True)
class Level:
    """All runs triggered at one setting, from the first trigger to the last end; times are `t` of the history."""

    level: int
    tasks: int
    since: int
    until: int

    @property
    def throughput(self) -> float:
        """Tasks per second."""
        return self.tasks * NS / (self.until - self.since)

    def __str__(self) -> str:
        return f"{self.throughput:.2f}/s at {self.level}"


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bound if it is set; in most experiments it is not. Raises `HistoryError` if a level is malformed."""
    return (_gain(history, bounds[GAIN]),) if GAIN in bounds else ()


def levels(history: History) -> tuple[Level, ...]:
    """The levels at which the load came to its end, the lowest first; the others are left out."""
    found = history.once(runs)
    each = [_level(history, fault, found) for fault in history.faults if _is_level(fault)]
    return tuple(sorted((level for level in each if level), key=lambda level: level.level))


def _gain(history: History, bound: Bound) -> Check:
    found, asked = levels(history), sum(map(_is_level, history.faults))
    if asked < 2:
        return unknown(bound, "The load was not asked for at two levels or more")
    if len(found) < asked:
        return unknown(bound, f"Of {asked} levels, {asked - len(found)} did not see their load through")
    if any(unseen(history, MARKS, level.since, level.until) for level in found):
        return unknown(bound, "The ledger could not be read for a while at one of the levels, so its ends are late")
    best = max(found, key=lambda level: level.throughput)
    windows = [Window(start=level.since, end=level.until, what=f"{level.tasks} tasks, {level}") for level in found]
    gain = best.throughput / found[0].throughput
    each = f" (tasks: {', '.join(map(str, found))})"
    judged = measured(bound, gain, "Throughput at its best over that of the least level:", each, windows=windows)
    return judged.model_copy(update={"curve": tuple((level.level, level.throughput) for level in found)})


def _is_level(fault: Fault) -> bool:
    return fault.phase == "ended" and "level" in fault.evidence


def _level(history: History, fault: Fault, found: dict[str, Run]) -> Level | None:
    said = fault.evidence
    try:
        level, since, until = (int(said[name]) for name in ("level", "since", "until"))
    except (KeyError, TypeError, ValueError) as cause:
        raise HistoryError(f"a level must say level, since and until; it is {said!r}") from cause
    mine = {r.dag_run: r for r in found.values() if since <= r.invoked < until and r.tasks}
    ends = [mark.t for mark in history.marks if mark.mark == "end" and mark.dag_run in mine]
    owed = sum(len(run.tasks or ()) for run in mine.values())
    if not mine or len(ends) < owed or any(run.state != "success" for run in mine.values()):
        return None
    first = min(run.invoked for run in mine.values())
    return Level(level, owed, first, max(ends)) if max(ends) > first else None
