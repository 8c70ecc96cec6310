"""Airflow's own final record of the tasks of triggered runs, turned into marks: for targets without a ledger.

In it, a try starts when a worker takes it up; its process starts a little later.

Its times are those of the hosts that ran the tasks. Airflow's clock is read with each trigger, and the nodes of one
cluster are assumed to agree with it to `NODES_NS`. If a task then seems at work before its run was triggered, or after
the run was seen to end, they do not. Whatever a wrong clock may change is judged twice: with marks as early, and as
late, as they can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.errors import HistoryError
from harness.history import NS, History, Mark
from harness.judge.checks import some
from harness.judge.runs import Run, Task, runs
from harness.schedule.listed import Clock, clock_of
from harness.schedule.ticks import moment

NODES_NS = NS  # clocks kept by NTP differ by far less
HELD_UP_NS = NS  # a busy machine may record what it saw this late
DONE = "success"


@dataclass(frozen=True)
class Try:
    """One try that began; times are of its host's wall clock, in nanoseconds since the epoch."""

    run: Run
    task: Task
    number: int
    began: int
    ended: int | None
    host: str
    ti: str

    @property
    def done(self) -> bool:
        """Whether it finished its work. A failed try leaves no end mark in a ledger either."""
        return self.ended is not None


@dataclass(frozen=True)
class Account:
    """All that Airflow said. `unasked` are accepted runs that it could not be asked about.

    If its times cannot be compared with ours, `clock` is None and `doubt` says why.
    """

    history: History
    tries: tuple[Try, ...]
    unasked: tuple[Run, ...]
    clock: Clock | None
    doubt: str

    @property
    def error(self) -> int:
        """The most ns that a time may be off, either way."""
        return self.clock.error + NODES_NS if self.clock else 0

    @property
    def silent(self) -> str:
        """Why tasks may be missing; empty if none are."""
        names = some(run.dag_run for run in self.unasked)
        said = f"Airflow could not be asked what became of the tasks of {len(self.unasked)} accepted runs ({names})"
        return said if self.unasked else ""

    def placed(self, edge: Literal["early", "late"]) -> History:
        """The history with these marks. A task is at work only while its run is, whatever a clock says.

        Without a clock, no task took any time. A run that Airflow could not be asked about is given the benefit of the
        doubt.
        """
        marks = [mark for one in self.tries for mark in self._marks(one, edge)]
        marks += [mark for run in self.unasked for mark in _assumed(run, self.history)]
        return replace(self.history, marks=tuple(sorted(marks, key=lambda mark: mark.t)))

    def _marks(self, one: Try, edge: Literal["early", "late"]) -> Iterator[Mark]:
        first, last = _span(one.run, self.history)
        shift = -self.error if edge == "early" else self.error

        def place(wall: int) -> int:
            if self.clock is None:
                return first if edge == "early" else last
            return min(max(self.clock.here(wall) + shift, first), last)

        yield _mark(one.task, "start", place(one.began), one.number, one.host, one.ti)
        if one.ended is not None:
            yield _mark(one.task, "end", place(max(one.began, one.ended)), one.number, one.host, one.ti)


def account(history: History) -> Account:
    """Raises `HistoryError` if the record of a run, a try or a clock is malformed."""
    asked = history.once(runs)
    said = [op for op in history.ops if op.f == "tasks" and op.type == "ok" and "tries" in op.value]
    told = {str(op.value.get("dag_run")): op.value["tries"] for op in said}
    tries = tuple(_try(asked[name], raw) for name, listed in told.items() if name in asked for raw in _listed(listed))
    owed = [run for run in asked.values() if run.accepted and run.tasks != frozenset()]
    clock, doubt = clock_of(history)
    if clock and (why := _beyond(tries, clock)):
        clock, doubt = None, why
    return Account(history, tries, tuple(run for run in owed if run.dag_run not in told), clock, doubt)


def _beyond(tries: tuple[Try, ...], clock: Clock) -> str:
    """How it shows that node clocks differ by more than is allowed; empty if it does not."""
    most = clock.error + NODES_NS
    for one in tries:
        if (early := one.run.invoked - clock.here(one.began)) > most:
            return f"by its times, {one.task} was at work {early / NS:.1f} s before its run was asked for"
        over = one.run.ended if one.run.state == DONE else None
        if over is not None and one.ended is not None and (late := clock.here(one.ended) - over) > most + HELD_UP_NS:
            return f"by its times, {one.task} was at work {late / NS:.1f} s after its run had ended"
    return ""


def _span(run: Run, history: History) -> tuple[int, int]:
    """From a run's trigger until it was seen to succeed, or until nobody looked any more."""
    last = run.ended if run.state == DONE and run.ended is not None else history.last_t
    return run.invoked, max(run.invoked, last)


def _assumed(run: Run, history: History) -> Iterator[Mark]:
    """Every task that the run was to have, done the moment the run ended."""
    last = _span(run, history)[1]
    for task in sorted(run.tasks or ()):
        yield _mark(task, "start", last, 1, "", "")
        yield _mark(task, "end", last, 1, "", "")


def _mark(task: Task, edge: Literal["start", "end"], t: int, number: int, host: str, ti: str) -> Mark:
    return Mark(
        t=t,
        dag_run=task.dag_run,
        task=task.task,
        map_index=task.map_index,
        try_=number,
        mark=edge,
        executor_host=host,
        ti=ti,
    )


def _listed(listed: Any) -> list[Any]:
    if not isinstance(listed, list):
        raise HistoryError(f"the tries of a run must be a list, not {listed!r}")
    return listed


def _try(run: Run, raw: Any) -> Try:
    """A host may give its full name; pods are known by the first part of it."""
    try:
        return Try(
            run=run,
            task=Task(run.dag_run, str(raw["task"]), int(raw["map_index"])),
            number=int(raw["try"]),
            began=moment(raw["start"]),
            ended=moment(raw["end"]) if raw["state"] == DONE and raw["end"] is not None else None,
            host=str(raw["host"] or "").partition(".")[0],
            ti=str(raw["ti"] or ""),
        )
    except (KeyError, TypeError, ValueError) as cause:
        what = "task, map_index, try, state, start, end, host and ti"
        raise HistoryError(f"a try of {run.dag_run} must say {what}; it is {raw!r}") from cause
