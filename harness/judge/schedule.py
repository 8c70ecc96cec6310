"""Was each run that a timetable owes made and done, once, in its turn and on time? See `owed.py` for which are owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.history import NS, History
from harness.judge import crowds, punctual
from harness.judge.checks import measured, some, unknown
from harness.judge.owed import Owed, match, match_backfill
from harness.judge.scheduled import Book, read
from harness.outcome import Check, Verdict, Window
from harness.schedule.listed import BACKFILL, Clock, Listing, Made
from harness.schedule.ticks import Tick, named, shown
from harness.slo import Bound

DURATION = "tasks.run_duration"


@dataclass(frozen=True)
class Scene:
    """What timetables and backfills owed, and what came. `clock` is Airflow's; `lasting_ns` is how long a run may
    take."""

    book: Book
    clock: Clock
    lasting_ns: int

    @cached_property
    def owed(self) -> list[Owed]:
        return [match(self.book, listing, self.clock) for listing in self.book.timed]

    @cached_property
    def backfilled(self) -> list[Owed]:
        return [match_backfill(listing) for listing in self.book.timed if listing.backfill]

    @cached_property
    def undone(self) -> list[tuple[Tick, Made, str]]:
        every = (pair for owed in (*self.owed, *self.backfilled) for pair in owed.pairs)
        return [(tick, run, why) for tick, run in every if (why := _undone(self, run))]

    @property
    def unfilled(self) -> str | None:
        """Why it is not known whether all of a backfill is owed, or done."""
        problems = [one.backfill.problem for one in self.book.timed if one.backfill and one.backfill.problem]
        undone = {run.key for _, run, _ in self.undone}
        going = [run for owed in self.backfilled for _, run in owed.pairs if not run.over and run.key not in undone]
        problems += [f"{run} was not over when Airflow was asked, and may be still to come" for run in going]
        return problems[0] if problems else None

    @cached_property
    def starts(self) -> list[punctual.Start]:
        return punctual.starts_of(self.book, self.owed, self.clock)

    def window(self, dag: str, tick: Tick, what: str) -> Window:
        listing, last = self.book.listings[dag], self.book.history.last_t
        start, end = (max(0, self.clock.here(t)) for t in (tick.due, tick.superseded))
        if listing.backfill and listing.backfill.has(tick):
            start, end = listing.backfill.asked, listing.asked
        return Window(start=min(start, last), end=min(end, last), what=f"{named(dag, tick)}: {what}")


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bounds that are set. Raises `HistoryError` if a schedule, or the record of it, is malformed."""
    wanted = {name: judge for name, judge in _CHECKS.items() if name in bounds}
    if not wanted:
        return ()
    book = read(history, bounds)
    if book.clock is None or not book.listings:
        why = book.unasked or "No DAG runs by itself, so nothing was at stake"
        return tuple(unknown(bounds[name], why) for name in wanted)
    lasting = round(bounds[DURATION].limit * NS) if DURATION in bounds else 0
    scene = Scene(book, book.clock, lasting)
    return tuple(judge(scene, bounds[name]) for name, judge in wanted.items())


def _missed(scene: Scene, bound: Bound) -> Check:
    every, undone = [*scene.owed, *scene.backfilled], scene.undone
    never = [(owed.dag, tick) for owed in every for tick in owed.missed]
    due = len(never) + sum(len(owed.pairs) for owed in every)
    names = some([*(f"{dag} {shown(tick.due)}" for dag, tick in never), *(f"{run} {why}" for _, run, why in undone)])
    windows = [scene.window(dag, tick, "never made") for dag, tick in never]
    windows += [scene.window(run.dag, tick, why) for tick, run, why in undone]
    before = f"Of {due} runs that were due, never made {len(never)}, made and never done {len(undone)}:"
    found = measured(bound, len(never) + len(undone), before, f" ({names})" if names else "", windows=windows)
    return _sure(found, bound, [scene.book.unasked, scene.book.unread, scene.unfilled, _nothing(due)])


def _undone(scene: Scene, run: Made) -> str | None:
    """Why a run that was made is not done, if it should be."""
    listing = scene.book.listings[run.dag]
    if run.state == "failed":
        return None if any(kind == "failure" for kind, _ in listing.schedule.callbacks) else "failed"
    if not scene.book.witnessed(run):
        return None
    marks, deferred = scene.book.marks.get(run.key, ()), listing.schedule.deferred
    began, ended = ({(m.task, m.map_index) for m in marks if m.mark == edge} for edge in ("start", "end"))
    if any(task in deferred for task, _ in began - ended):
        return None  # see `deferred.py`
    if run.state != "success":
        return "never ended" if _stuck(scene, listing, run) else None
    return "ended without all of its tasks" if set(listing.schedule.tasks) - ended and not scene.book.unread else None


def _stuck(scene: Scene, listing: Listing, run: Made) -> bool:
    """Whether it has been at work longer than a run may take, or any other of its DAG took, plus how late it may be.
    Runs of a backfill are all made at once, and each can begin when the one before it is over."""
    over = [
        (r.run_type, r.made, r.ended) for r in listing.runs if r.over and r.ended is not None and r.made is not None
    ]
    took = [ended - made for kind, made, ended in over if kind != BACKFILL]
    most = max([*took, scene.lasting_ns]) + scene.book.grace
    before = [ended for kind, _, ended in over if kind == run.run_type == BACKFILL]
    return run.made is not None and scene.clock.wall(listing.asked) - max([run.made, *before]) > most


def _nothing(count: int) -> str | None:
    return None if count else "No run was due, so nothing was at stake"


def _extra(scene: Scene, bound: Bound) -> Check:
    every = [*scene.owed, *scene.backfilled]
    extra = [(str(run), why) for owed in every for run, why in owed.extra]
    behind = [f"{dag}/{run}" for dag, run in sorted(_behind(scene.book))]
    names = some([*(f"{name}, {why}" for name, why in extra), *(f"{name}, unknown to Airflow" for name in behind)])
    made = sum(len(owed.pairs) for owed in every) + len(extra) + len(behind)
    windows = [_at_work(scene.book, run, why) for owed in every for run, why in owed.extra]
    before = f"Of {made} runs that came by themselves, those that nothing called for:"
    found = measured(bound, len(extra) + len(behind), before, f" ({names})" if names else "", windows=windows)
    strange = sorted({mark.dag for mark in scene.book.history.scheduled_marks} - scene.book.listings.keys())
    told = f"The ledger shows runs of DAGs that no schedule tells of ({some(strange)})" if strange else None
    return _sure(found, bound, [scene.book.unasked, scene.book.unread, told, _nothing(made)])


def _behind(book: Book) -> Iterator[tuple[str, str]]:
    """Runs that the ledger shows before Airflow was asked, but Airflow does not know."""
    known = {run.key for listing in book.known for run in listing.runs}
    for key, marks in book.marks.items():
        listing = book.listings.get(key[0])
        if listing and listing.problem is None and key not in known and marks[0].t < listing.asked:
            yield key


def _at_work(book: Book, run: Made, why: str) -> Window:
    times = [mark.t for mark in book.marks.get(run.key, ())] or [book.history.last_t]
    return Window(start=min(times), end=max(times), what=f"{run}: {why}")


def _doubled(scene: Scene, bound: Bound) -> Check:
    """By the ledger alone, as for tasks of triggered runs."""
    marks = [mark for mark in scene.book.history.scheduled_marks if mark.mark == "end"]
    ends = Counter((f"{mark.dag}/{mark.dag_run}/{mark.task}", mark.map_index) for mark in marks)
    again = [name for (name, _), times in ends.items() if times > 1]
    names = f" ({some(again)})" if again else ""
    before = f"Of {len(ends)} tasks of scheduled runs, those that finished more than once:"
    found = measured(bound, len(again), before, names)
    return _sure(found, bound, [scene.book.unread, _nothing(len(ends))])


def _single(book: Book) -> list[Listing]:
    return [one for one in book.timed if one.schedule.max_active_runs == 1]


def _order(scene: Scene, bound: Bound) -> Check:
    """Where only one run may be at work at a time, each must begin after those that were due before it."""
    single = {listing.dag for listing in _single(scene.book)}
    places = {key: span.first for key, span in scene.book.history.once(crowds.runs).items()}
    ahead, count = [], 0
    for owed in (owed for owed in scene.owed if owed.dag in single):
        begun = [run for _, run in owed.pairs if run.key in places]
        count += len(begun)
        ahead += [run for a, run in zip(begun[1:], begun, strict=False) if places[a.key] < places[run.key]]
    names = f" ({some(f'{run} began after the run that is due after it' for run in ahead)})" if ahead else ""
    windows = [_at_work(scene.book, run, "began after the next") for run in ahead]
    before = f"Of {count} runs of DAGs that may have one at work, those that did not begin in their turn:"
    found = measured(bound, len(ahead), before, names, windows=windows)
    return _sure(found, bound, [scene.book.unasked, scene.book.unread, _nothing(count)])


def _overlap(scene: Scene, bound: Bound) -> Check:
    """By the ledger alone: Airflow's own count of runs at work is what is in doubt."""
    single = {dag for dag, one in scene.book.listings.items() if one.schedule.max_active_runs == 1}
    apart = {run.key for one in scene.book.listings.values() for run in one.runs if run.run_type == BACKFILL}
    spans = [
        span for key, span in scene.book.history.once(crowds.runs).items() if key[0] in single and key not in apart
    ]
    crowd = [one for dag in sorted(single) for one in crowds.crowded([s for s in spans if s.of == dag], 1)]
    names = f" ({some(f'{one.of}: {one.names}' for one in crowd)})" if crowd else ""
    windows = [Window(start=one.start, end=one.end, what=f"{one.of}: {one.names} at once") for one in crowd]
    before = f"Of {len(spans)} runs of DAGs that may have one at work, those that began beside another:"
    found = measured(bound, len(crowd), before, names, windows=windows)
    return _sure(found, bound, [scene.book.unread, _nothing(len(spans))])


def _late(scene: Scene, bound: Bound) -> Check:
    found = punctual.late(scene.book, scene.starts, scene.clock, bound)
    return _sure(found, bound, [scene.book.unasked])


def _caught_up(scene: Scene, bound: Bound) -> Check:
    found = punctual.caught_up(scene.book, scene.owed, scene.starts, scene.clock, bound)
    return _sure(found, bound, [scene.book.unasked])


def _sure(found: Check, bound: Bound, doubts: list[str | None]) -> Check:
    """Nothing passes only because something is not known."""
    why = next((why for why in doubts if why), None)
    return unknown(bound, why, found.windows) if why and found.verdict is Verdict.PASS else found


_CHECKS: dict[str, Callable[[Scene, Bound], Check]] = {
    "schedule.missed": _missed,
    "schedule.extra": _extra,
    "schedule.doubled": _doubled,
    "schedule.late": _late,
    "schedule.order": _order,
    "schedule.overlap": _overlap,
    "schedule.caught_up": _caught_up,
}
