"""Did what was under way come to its end? Answers that stayed open through the fault, and how they ended."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import HistoryError
from harness.history import History, Op
from harness.judge import machine
from harness.judge.checks import in_doubt, measured, some, unknown, when
from harness.judge.faults import fault_time, judged_from
from harness.outcome import Check, Verdict, Window
from harness.slo import Bound

NAME = "availability.stream.broken"
UNOPENED = "unopened"
SILENT = "timed out"  # how the observer's words for it end
FEWEST = 5


@dataclass(frozen=True)
class _Stream:
    """One answer that was open from `begin`; `end` is None if nothing says how it ended."""

    dag_run: str
    begin: int
    end: Op | None

    @property
    def broken(self) -> bool:
        return self.end is not None and self.end.type == "fail"

    @property
    def silent(self) -> bool:
        """Whether it was given up because nothing came in time, as from a slow server."""
        return self.end is not None and str(self.end.value.get("error", "")).endswith(SILENT)


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` if one ends that never began."""
    bound = bounds.get(NAME)
    return (_broken(history, bound),) if bound else ()


def _broken(history: History, bound: Bound) -> Check:
    since, fault = judged_from(history), fault_time(history)
    if since is None:
        return unknown(bound, "There was no fault that an open answer could outlive")
    judged = [s for s in _streams(history) if s.end is None or s.end.t > since]
    ended = [s for s in judged if s.end is not None and s.end.type != "info"]
    broken = [s for s in ended if s.broken]
    if len(ended) < FEWEST:
        few = f"Only {len(ended)} answers that stay open came to an end, of {FEWEST} at least"
        return unknown(bound, few + _unopened(history))
    if fault is not None and not any(s.begin <= fault < s.end.t for s in ended if s.end):
        return unknown(bound, "No answer was open when the fault came, so none was at stake")
    windows = [Window(start=s.begin, end=s.end.t, what=f"the answer about {s.dag_run}") for s in broken if s.end]
    first = f" ({some(s.dag_run for s in broken)}; the first {when(windows[0].end, fault)})" if broken else ""
    before = f"Of {len(ended)} answers that stay open until a run ends, those that broke off:"
    found = measured(bound, len(broken), before, first, windows=windows)
    cut = [s for s in broken if not s.silent]
    if found.verdict is Verdict.FAIL and bound.holds(len(cut)) and (slow := machine.slow(history)):
        return in_doubt(found, f"{len(broken) - len(cut)} were silent for too long, and {slow}")
    return found


def _unopened(history: History) -> str:
    """Why others never opened, in the words of the first."""
    found = [op for op in history.ops if op.f == UNOPENED]
    return f" ({len(found)} never said anything; the first: {found[0].value.get('error')})" if found else ""


def _streams(history: History) -> list[_Stream]:
    found: dict[tuple[str, str], _Stream] = {}
    for op in (op for op in history.ops if op.f == "stream"):
        name = str(op.value.get("dag_run"))
        this = name, str(op.value.get("number"))
        if op.type == "invoke":
            found[this] = _Stream(name, op.t, None)
        elif this in found:
            found[this] = _Stream(name, found[this].begin, op)
        else:
            raise HistoryError(f"the answer about {name} ended and was never open; the history is damaged")
    return sorted(found.values(), key=lambda s: s.end.t if s.end else history.last_t)
