"""The runs that nobody asked for, as they were recorded: what Airflow itself says of them in the end, what the ledger
shows of them, and how Airflow's wall clock stands to the clock of the record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.errors import HistoryError
from harness.history import NS, History, Mark, Op
from harness.judge.checks import some
from harness.judge.faults import targets
from harness.judge.observers import LEDGER, MARKS, SCHEDULE, lost_sight, unread_ledger
from harness.judge.ticks import moment
from harness.records import Schedule
from harness.slo import Bound

CLOCK = "clock"
MOST_APART_NS = NS  # two clocks that drift further apart than this within a run tell nothing
LATE = "schedule.late"
OVER = frozenset({"success", "failed"})
Key = tuple[str, str]  # a DAG and the id of one of its runs


@dataclass(frozen=True)
class Clock:
    """Airflow's wall clock: nanoseconds of the epoch beside those of the run, to within `error`."""

    offset: int
    error: int

    def wall(self, t: int) -> int:
        return t + self.offset

    def here(self, wall: int) -> int:
        return wall - self.offset


@dataclass(frozen=True)
class Made:
    """A run as Airflow knows it; moments are its wall clock's, in nanoseconds of the epoch.

    `consumed` are the updates that an asset's run was made for: (id, asset, DAG and run that made it); None where
    it was not recorded.
    """

    dag: str
    dag_run: str
    run_type: str
    state: str
    logical: int | None
    run_after: int | None
    made: int | None
    ended: int | None
    consumed: tuple[tuple[int, str, str, str], ...] | None

    @property
    def key(self) -> Key:
        return self.dag, self.dag_run

    @property
    def over(self) -> bool:
        return self.state in OVER

    def __str__(self) -> str:
        return f"{self.dag}/{self.dag_run}"


@dataclass(frozen=True)
class Listing:
    """All runs of one DAG, as Airflow listed them when asked at `asked`; `problem` says why not all are there."""

    dag: str
    schedule: Schedule
    asked: int
    runs: tuple[Made, ...]
    problem: str | None


@dataclass(frozen=True)
class Book:
    """All that is recorded of runs that nobody asked for. `grace` is how late a run may be, in ns."""

    history: History
    listings: dict[str, Listing]
    clock: Clock | None
    unclear: str
    grace: int

    @cached_property
    def marks(self) -> dict[Key, list[Mark]]:
        found: dict[Key, list[Mark]] = {}
        for mark in self.history.scheduled_marks:
            found.setdefault((mark.dag, mark.dag_run), []).append(mark)
        return found

    @cached_property
    def _ledger_from(self) -> int:
        events = self.history.seen("probe")
        started = (e.t for e in events if (e.object, e.what) == (LEDGER, "started"))
        return min(started, default=0)

    def witnessed(self, run: Made) -> bool:
        """Whether it was made while the ledger was read, so that all marks of it should be there."""
        return bool(self.clock and run.made is not None and self.clock.here(run.made) >= self._ledger_from)

    @property
    def known(self) -> list[Listing]:
        return [listing for listing in self.listings.values() if listing.problem is None]

    @property
    def timed(self) -> list[Listing]:
        """Those that have a timetable."""
        return [listing for listing in self.known if listing.schedule.kind != "asset"]

    @cached_property
    def faults(self) -> list[tuple[int, int | None]]:
        """When each target was hit, and when that began to be undone."""
        return [(target.injected, target.over) for target in targets(self.history)]

    @property
    def unasked(self) -> str | None:
        """Why not all is known of what Airflow knows, or of when it was; None where all is."""
        if self.history.problem is not None:
            return "The history is not whole"
        problems = [listing.problem for listing in self.listings.values() if listing.problem]
        undated = [str(run) for listing in self.listings.values() for run in listing.runs if run.made is None]
        problems += [f"It is not known when these runs were made: {some(undated)}"] if undated else []
        return problems[0] if problems else self.unclear or None

    @property
    def unread(self) -> str | None:
        """Why marks may be missing."""
        if self.history.problem is not None:
            return "The history is not whole"
        partial = unread_ledger(self.history) or lost_sight(self.history, MARKS)
        return "Not all of the ledger was read" if partial else None


def read(history: History, bounds: dict[str, Bound]) -> Book:
    """Raises `HistoryError` where what is recorded of a run is not what it must be."""
    schedules = history.meta.schedules if history.meta else {}
    clock, unclear = _clock(history)
    grace = round(bounds[LATE].limit * NS) if LATE in bounds else 0
    return Book(history, {dag: _listing(history, dag, one) for dag, one in schedules.items()}, clock, unclear, grace)


def _clock(history: History) -> tuple[Clock | None, str]:
    """Or why there is none. An offset is known to lie between the least and the most that a reading allows."""
    least, most = [], []
    for event in history.seen("probe"):
        if (event.object, event.what) == (CLOCK, "offset"):
            error = event.value.get("error_ns")
            if isinstance(error, bool) or not isinstance(error, int) or error < 0:
                raise HistoryError(f"a reading of Airflow's clock must say how far it may be wrong, not {error!r}")
            offset = moment(event.value.get("wall")) - event.t
            least.append(offset - error)
            most.append(offset + error)
    if len(least) < 2:
        return None, f"Airflow's clock was read {len(least)} times, and it takes 2 to hold it against ours"
    apart = max(most) - min(least)
    if apart > MOST_APART_NS:
        return None, f"Airflow's clock and ours are known to {apart / NS:.1f} s only, and it takes 1 s"
    return Clock(min(least) + apart // 2, apart // 2), ""


def _listing(history: History, dag: str, schedule: Schedule) -> Listing:
    mine = [op for op in history.ops if op.process == SCHEDULE and op.value.get("dag") == dag]
    asked = [op.t for op in mine if (op.f, op.type) == ("listed", "invoke")]
    said = [op for op in mine if op.f == "listed" and op.type != "invoke"]
    runs = tuple(_made(op, dag) for op in mine if (op.f, op.type) == ("scheduled", "ok"))
    problem = None
    if not asked or not said or said[-1].type != "ok":
        problem = f"Airflow could not be asked in the end which runs {dag} has"
    elif (there := said[-1].value.get("runs")) != len(runs):
        problem = f"Of the {there} runs that Airflow knows of {dag}, {len(runs)} were recorded"
    return Listing(dag, schedule, min(asked, default=0), runs, problem)


def _made(op: Op, dag: str) -> Made:
    value = op.value
    name = value.get("dag_run")
    if not isinstance(name, str) or not name:
        raise HistoryError(f"a run of {dag} at {op.t} ns has no id; the history is damaged")

    def when(field: str) -> int | None:
        return None if value.get(field) is None else moment(value[field])

    return Made(
        dag=dag,
        dag_run=name,
        run_type=str(value.get("run_type", "")),
        state=str(value.get("state", "")),
        logical=when("logical_date"),
        run_after=when("run_after"),
        made=when("queued_at"),
        ended=when("end_date"),
        consumed=_consumed(value.get("consumed"), name),
    )


def _consumed(listed: Any, name: str) -> tuple[tuple[int, str, str, str], ...] | None:
    if listed is None:
        return None
    try:
        return tuple((int(number), str(asset), str(dag), str(run)) for number, asset, dag, run in listed)
    except (TypeError, ValueError) as cause:
        what = "id, asset, DAG and run of each update"
        raise HistoryError(f"what {name} consumed must be {what}, not {listed!r}") from cause
