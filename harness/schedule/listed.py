"""What is recorded of runs that nobody triggered: what Airflow says of them in the end, how its wall clock relates to
that of the record, and which run goes with which tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import HistoryError
from harness.history import NS, History, Mark, Op, grouped
from harness.records import MOST_T, Schedule
from harness.schedule.ticks import Tick, moment, ticks

CLOCK, LISTER = "clock", "schedule"
MOST_APART_NS = NS  # two clocks that drift further apart than this within a run tell nothing
AHEAD = 30 * NS  # while Airflow is being asked, more runs become due
OVER = frozenset({"success", "failed"})
SCHEDULED, BACKFILL = "scheduled", "backfill"
Key = tuple[str, str]  # a DAG and the id of one of its runs


@dataclass(frozen=True)
class Clock:
    """Airflow's wall clock: nanoseconds since the epoch, ahead of those of the run by `offset`, to within `error`."""

    offset: int
    error: int

    def wall(self, t: int) -> int:
        return t + self.offset

    def here(self, wall: int) -> int:
        return wall - self.offset


@dataclass(frozen=True)
class Made:
    """A run as Airflow knows it; moments are by its wall clock, in nanoseconds since the epoch.

    `consumed` are the asset updates that the run was made for: (id, asset, DAG and run that made it); None if they
    were not recorded.
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
class Backfill:
    """The logical dates of the first and the last run of a backfill requested at `asked`; `problem` says why its runs
    may not be owed."""

    first: str
    last: str
    asked: int
    problem: str | None

    def has(self, tick: Tick) -> bool:
        return bool(self.first) and moment(self.first) <= tick.logical <= moment(self.last)


@dataclass(frozen=True)
class Listing:
    """All runs of one DAG, as Airflow listed them when asked at `asked`; `problem` says why not all are there."""

    dag: str
    schedule: Schedule
    asked: int
    runs: tuple[Made, ...]
    problem: str | None
    backfill: Backfill | None = None


def clock_of(history: History) -> tuple[Clock | None, str]:
    """Airflow's clock, or why it is not known. Each reading says between which two values the offset lies."""
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


def listings(history: History) -> dict[str, Listing]:
    """By DAG. Raises `HistoryError` if the record of a run is malformed."""
    schedules = history.meta.schedules if history.meta else {}
    said = [op for op in history.ops if op.process == LISTER]
    mine = grouped((op for op in said if isinstance(op.value.get("dag"), str)), lambda op: op.value["dag"])
    return {dag: _listing(mine.get(dag, ()), dag, one) for dag, one in schedules.items()}


def marks_of(history: History) -> dict[Key, tuple[Mark, ...]]:
    """The ledger's marks of each run."""
    return grouped(history.scheduled_marks, lambda mark: (mark.dag, mark.dag_run))


Pairs = tuple[list[tuple[Tick, Made | None]], list[tuple[Made, str]]]


def paired(listing: Listing, asked: int) -> Pairs:
    """Each tick with its run, the first made if there are several; and all runs without a tick, and why.

    Raises `HistoryError` if the timetable is invalid."""
    return _paired(listing, SCHEDULED, ticks(listing.schedule, asked + AHEAD))


def backfilled(listing: Listing) -> Pairs:
    """The same for a backfill's ticks and runs; empty if there was none. Raises `HistoryError` like `paired`."""
    asked = listing.backfill
    if asked is None or not asked.first:
        return [], []
    within = listing.schedule.model_copy(update={"start": asked.first, "end": asked.last, "catchup": True})
    return _paired(listing, BACKFILL, ticks(within, MOST_T))


def _paired(listing: Listing, kind: str, every: list[Tick]) -> Pairs:
    places = {tick.logical: tick for tick in every}
    found: dict[Tick, Made] = {}
    extra = []
    for run in sorted((run for run in listing.runs if run.run_type == kind), key=lambda run: run.made or 0):
        tick = places.get((run.logical if listing.schedule.interval else run.run_after) or 0)
        if tick is None:
            extra.append((run, "of no tick"))
        elif tick in found:
            extra.append((run, "a second one of the same tick"))
        else:
            found[tick] = run
    return [(tick, found.get(tick)) for tick in every], extra


def _listing(mine: Sequence[Op], dag: str, schedule: Schedule) -> Listing:
    asked = [op.t for op in mine if (op.f, op.type) == ("listed", "invoke")]
    said = [op for op in mine if op.f == "listed" and op.type != "invoke"]
    runs = tuple(_made(op, dag) for op in mine if (op.f, op.type) == ("scheduled", "ok"))
    problem = None
    if not asked or not said or said[-1].type != "ok":
        problem = f"Airflow could not be asked in the end which runs {dag} has"
    elif (there := said[-1].value.get("runs")) != len(runs):
        problem = f"Of the {there} runs that Airflow knows of {dag}, {len(runs)} were recorded"
    return Listing(dag, schedule, min(asked, default=0), runs, problem, _backfill(mine, dag, schedule))


def _backfill(mine: Sequence[Op], dag: str, schedule: Schedule) -> Backfill | None:
    said = {op.type: op for op in mine if op.f == BACKFILL}
    if not said:
        return Backfill("", "", 0, f"No backfill of {dag} was asked for") if schedule.backfill_s else None
    asked = said.pop("invoke", None)
    if asked is None:
        raise HistoryError(f"a backfill of {dag} was answered and never asked for; the history is damaged")
    problem = f"It is not known whether Airflow took the backfill of {dag}"
    if len(said) == 1:
        problem = {"ok": "", "fail": f"The backfill of {dag} was refused"}.get(next(iter(said)), problem)
    first, last = (str(asked.value.get(edge)) for edge in ("from_date", "to_date"))
    return Backfill(first, last, asked.t, problem or None)


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
