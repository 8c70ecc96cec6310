"""Which runs are owed: each tick is paired with at most one run, and each run with at most one tick.

If a DAG does not catch up, Airflow makes the newest run that is due and skips older ones. It works out the next one
when it makes a run, and when the DAG's file is read again (Airflow 3.3.2, `calculate_dagrun_date_fields` in
`models/dag.py`, called by `_create_dag_runs` and by `dag_processing/collection.py`; `_skip_to_latest` and
`next_dagrun_info` in `timetables/`). So a tick may be skipped if the run before it was made when the tick after it was
due; or if nothing could be made until then, for a fault or because as many runs as allowed were at
work. No other tick may.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

from harness.history import NS
from harness.judge.scheduled import Book
from harness.schedule.listed import BACKFILL, Clock, Listing, Made, backfilled, paired
from harness.schedule.ticks import Tick, moment

ACTIVE_RUNS = 16  # Airflow's own `max_active_runs_per_dag`
PROMPT = 5 * NS  # schedulers look for what is due every second or two
SLACK = 2 * NS  # each scheduler has a clock of its own


@dataclass(frozen=True)
class Owed:
    """What became of a DAG's ticks. `extra` are runs that no tick called for, and why; `after` are all ticks after the
    last one made, whether or not their runs may still come."""

    dag: str
    pairs: tuple[tuple[Tick, Made], ...]
    missed: tuple[Tick, ...]
    after: tuple[Tick, ...]
    extra: tuple[tuple[Made, str], ...]


@dataclass
class Room:
    """Since when there has been room for one more run; infinite while too many have not ended."""

    most: int
    _last: list[float] = field(default_factory=list)

    def take(self, ended: float) -> None:
        heapq.heappush(self._last, ended)
        if len(self._last) > self.most:
            heapq.heappop(self._last)

    @property
    def since(self) -> float:
        return self._last[0] if len(self._last) == self.most else -math.inf


def room(listing: Listing) -> Room:
    return Room(listing.schedule.max_active_runs or ACTIVE_RUNS)


def match(book: Book, listing: Listing, clock: Clock) -> Owed:
    """Raises `HistoryError` if the timetable is malformed."""
    asked = clock.wall(listing.asked)
    came, extra = paired(listing, asked)
    last = max((place for place, (_, run) in enumerate(came) if run), default=-1)
    walk = _Walk(book, listing, clock, last, moment(listing.schedule.unpaused))
    pairs = []
    for place, (tick, run) in enumerate(came):
        if run:
            pairs.append((tick, run))
            if not listing.schedule.catchup and walk.came_late(tick):
                extra.append((run, "older than one that was due when the run before it was made"))
            walk.made(run)
        else:
            walk.absent(place, tick)
    return Owed(listing.dag, tuple(pairs), tuple(walk.missed), tuple(walk.after), tuple(extra))


def match_backfill(listing: Listing) -> Owed:
    """Once a backfill is accepted, each of its runs is owed: all are made before the answer comes. Raises
    `HistoryError` if the timetable is malformed."""
    came, extra = backfilled(listing)
    accepted = listing.backfill is not None and listing.backfill.problem is None
    missed = tuple(tick for tick, run in came if run is None and accepted)
    return Owed(listing.dag, tuple((tick, run) for tick, run in came if run), missed, (), tuple(extra))


class _Walk:
    """A walk through the ticks of a DAG, in order."""

    def __init__(self, book: Book, listing: Listing, clock: Clock, last: int, unpaused: int) -> None:
        self._listing, self._last, self._unpaused = listing, last, unpaused
        self._due_by = clock.wall(listing.asked) - book.grace
        self._slack = SLACK + 2 * clock.error
        runs = (run for one in book.known for run in one.runs if run.run_type != BACKFILL)  # not made by schedulers
        self._made = [run.made for run in runs if run.made is not None]
        self._begun = [(clock.wall(asked), clock.wall(t)) for asked, t in book.begun]
        self._away = [(clock.wall(a), self._back(None if b is None else clock.wall(b))) for a, b in book.faults]
        self._room = room(listing)
        self._before = unpaused  # when the run before was made
        self._told = all(run.made is not None for run in listing.runs)
        self._first = True
        self.missed: list[Tick] = []
        self.after: list[Tick] = []

    def _back(self, over: int | None) -> int:
        """By when schedulers were at work again after a fault, on anything: a skipped tick does not excuse itself, and
        its DAG may be the only one. If they never were, the newest tick that was due is missed."""
        after = [made for made in self._made if over is not None and made > over]
        after += [began for asked, began in self._begun if over is not None and over < asked < began]
        return min((t + PROMPT for t in after), default=self._due_by) - self._slack

    def made(self, run: Made) -> None:
        self._room.take(run.ended if run.over and run.ended is not None else math.inf)
        self._before = max(self._before, run.made or 0)
        self._first = False

    def came_late(self, tick: Tick) -> bool:
        """Whether a newer tick was due when the run before this one was made, so that this one is skipped."""
        return not self._first and tick.superseded <= self._before - self._slack

    def absent(self, place: int, tick: Tick) -> None:
        newer = place < self._last
        self.after += [] if newer else [tick]
        if not newer and max(tick.due, self._unpaused, self._room.since) > self._due_by:
            pass  # may still come
        elif not self._listing.schedule.catchup and tick.superseded <= self._before + self._slack:
            pass  # rightly skipped
        elif self._listing.schedule.catchup or (self._told and not self._excused(tick)):
            self.missed.append(tick)

    def _excused(self, tick: Tick) -> bool:
        """Whether nothing could be made until the tick after it was due."""
        if self._room.since >= tick.superseded - self._slack:
            return True
        return any(hit <= tick.due + PROMPT and tick.superseded <= back + self._slack for hit, back in self._away)
