"""Everything recorded of runs that nobody triggered, and why some of it may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.history import NS, History, Mark
from harness.judge.checks import some
from harness.judge.faults import targets
from harness.judge.observers import LEDGER, MARKS, lost_sight, unread_ledger
from harness.judge.runs import first_starts, runs
from harness.schedule.listed import Clock, Key, Listing, Made, clock_of, listings, marks_of
from harness.slo import Bound

LATE = "schedule.late"


@dataclass(frozen=True)
class Book:
    """Everything recorded of runs that nobody triggered. `grace` is how late a run may be, in ns."""

    history: History
    listings: dict[str, Listing]
    clock: Clock | None
    unclear: str
    grace: int

    @cached_property
    def marks(self) -> dict[Key, tuple[Mark, ...]]:
        return self.history.once(marks_of)

    @cached_property
    def _ledger_from(self) -> int:
        events = self.history.seen("probe")
        started = (e.t for e in events if (e.object, e.what) == (LEDGER, "started"))
        return min(started, default=0)

    def witnessed(self, run: Made) -> bool:
        """Whether it was made while the ledger was read, so that all its marks should be there."""
        return bool(self.clock and run.made is not None and self.clock.here(run.made) >= self._ledger_from)

    @cached_property
    def known(self) -> list[Listing]:
        return [listing for listing in self.listings.values() if listing.problem is None]

    @property
    def timed(self) -> list[Listing]:
        """Those that have a timetable."""
        return [listing for listing in self.known if listing.schedule.kind != "asset"]

    @cached_property
    def begun(self) -> list[tuple[int, int]]:
        """When each run was triggered, and its first task began: a scheduler was at work in between."""
        first = first_starts(self.history.marks, lambda mark: mark.dag_run)
        asked = self.history.once(runs)
        return [(asked[name].invoked, t) for name, t in first.items() if name in asked]

    @cached_property
    def faults(self) -> list[tuple[int, int | None]]:
        """When each target was hit, and when that began to be undone."""
        return [(target.injected, target.over) for target in targets(self.history)]

    @cached_property
    def unasked(self) -> str | None:
        """Why we may not know everything that Airflow knows, or when it happened; None if we do."""
        if self.history.problem is not None:
            return "The history is not whole"
        problems = [listing.problem for listing in self.listings.values() if listing.problem]
        undated = [str(run) for listing in self.listings.values() for run in listing.runs if run.made is None]
        problems += [f"It is not known when these runs were made: {some(undated)}"] if undated else []
        return problems[0] if problems else self.unclear or None

    @cached_property
    def unread(self) -> str | None:
        """Why marks may be missing."""
        if self.history.problem is not None:
            return "The history is not whole"
        partial = unread_ledger(self.history) or lost_sight(self.history, MARKS)
        return "Not all of the ledger was read" if partial else None


def read(history: History, bounds: dict[str, Bound]) -> Book:
    """Raises `HistoryError` if the record of a run is malformed."""
    clock, unclear = history.once(clock_of)
    grace = round(bounds[LATE].limit * NS) if LATE in bounds else 0
    return Book(history, history.once(listings), clock, unclear, grace)
