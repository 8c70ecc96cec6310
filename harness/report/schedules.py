"""Scheduled runs, a row for each DAG: when each was due, how long it waited, and what is missing.

What was due and what came is worked out as in the checks; what is missing or wrong is what the checks say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import HistoryError
from harness.history import NS, History, Mark
from harness.outcome import Check, Outcome, Verdict
from harness.report.facts import lasting
from harness.report.lanes import AMBER, BLUE, GREY, RED, Band, Bar, Lane, Look, Point
from harness.report.thin import groups, rows
from harness.schedule.listed import Clock, Key, Listing, Made, backfilled, clock_of, listings, marks_of, paired
from harness.schedule.ticks import Tick, moment, named

MOST = 1200  # of ordinary runs, and of ticks, for all DAGs together
MOST_ROWS = 6
DUE = Look(GREY, 0.5, symbol="line-ns-open", size=11)
WAITED, CAME, OTHER = Look(AMBER, 0.14), Look(BLUE), Look(GREY)
UNBEGUN = Look(AMBER, over=3, symbol="triangle-right")
ABSENT = Look(GREY, over=2, symbol="circle-open", size=7)
COLOURS = {Verdict.FAIL: RED, Verdict.INVALID: AMBER}
MISSED = {verdict: Look(colour, over=3, symbol="x") for verdict, colour in COLOURS.items()}
WRONG = {verdict: Look(colour, over=2) for verdict, colour in COLOURS.items()}
FAILED = (("missed", MISSED[Verdict.FAIL]), ("wrong", WRONG[Verdict.FAIL]))
KEY = (("due", DUE), ("waited", WAITED), ("ran", CAME), *FAILED)
Told = dict[str, list[tuple[Check, str]]]


@dataclass(frozen=True)
class Came:
    """One run: when it was due, or made if no tick called for it; when, by the ledger, its first task began and its
    last ended. At least one of the first two is known."""

    said: str
    look: Look
    due: int | None
    began: int | None
    ended: int | None

    @property
    def start(self) -> int:
        return min(t for t in (self.due, self.began) if t is not None)

    @property
    def end(self) -> int:
        return max(t for t in (self.due, self.began, self.ended) if t is not None) + 1

    @property
    def usual(self) -> bool:
        return self.look is CAME and self.began is not None

    @property
    def waited(self) -> int:
        return max(0, self.began - self.due) if self.began is not None and self.due is not None else 0


@dataclass(frozen=True)
class Scene:
    """`told` is what the checks that did not pass say, by what they call a run or a tick."""

    clock: Clock | None
    told: Told
    marks: dict[Key, tuple[Mark, ...]]

    def against(self, *names: str) -> list[tuple[Check, str]]:
        """What is said against any of these, the worst first."""
        found = [one for name in names for one in self.told.get(name, ())]
        return sorted(found, key=lambda pair: -pair[0].verdict.rank)

    def due(self, listing: Listing, tick: Tick) -> int:
        """When a tick's run was due; in a backfill, when that was requested."""
        assert self.clock is not None
        if listing.backfill and listing.backfill.has(tick):
            return listing.backfill.asked
        return max(0, self.clock.here(max(tick.due, moment(listing.schedule.unpaused))))


def band(history: History, outcome: Outcome) -> Band:
    """Without Airflow's clock nobody knows when runs were due, so only what the ledger shows is drawn."""
    try:
        (clock, unclear), every = clock_of(history), listings(history)
    except HistoryError as cause:
        return Band(f"Scheduled runs; nothing can be said about them: {cause}", (Lane("none"),))
    scene = Scene(clock, _told(outcome), marks_of(history))
    most = max(1, MOST // max(1, len(every)))
    title = "Scheduled runs" if clock else f"Scheduled runs, without when they were due: {unclear}"
    return Band(title, tuple(_lane(scene, listing, most) for listing in every.values()), KEY)


def _told(outcome: Outcome) -> Told:
    found: Told = {}
    for check in outcome.checks:
        if check.name.startswith("schedule.") and check.verdict is not Verdict.PASS:
            for window in check.windows:
                name, _, why = window.what.partition(": ")
                found.setdefault(name, []).append((check, why))
    return found


def _lane(scene: Scene, listing: Listing, most: int) -> Lane:
    try:
        return _drawn(scene, listing, most)
    except HistoryError:  # its timetable is invalid, or its ticks depend on more than itself
        return _drawn(replace(scene, clock=None), listing, most)


def _drawn(scene: Scene, listing: Listing, most: int) -> Lane:
    timed = scene.clock if listing.schedule.kind != "asset" else None
    pairs, extra = paired(listing, timed.wall(listing.asked)) if timed else ([], [])
    asked_for, unasked = backfilled(listing) if timed else ([], [])
    ticks = [(tick, run) for tick, run in pairs if run or _shown(scene, listing, tick)]
    placed = {run.key: tick for tick, run in (*ticks, *asked_for) if run}
    why = {run.key: reason for run, reason in (*extra, *unasked)}
    came = [_came(scene, listing, run, placed.get(run.key), why.get(run.key, "")) for run in listing.runs]
    unlisted = {key for key in scene.marks if key[0] == listing.dag} - {run.key for run in listing.runs}
    came += [_unlisted(scene, listing, key) for key in unlisted]
    due_bars, due_points = _dues(listing.dag, sorted(scene.due(listing, tick) for tick, _ in ticks), most)
    run_bars, run_points = _runs(sorted((one for one in came if one), key=lambda one: one.start), most)
    absent = [_absent(scene, listing, tick) for tick, run in (*ticks, *asked_for) if not run]
    return Lane(listing.dag, (*due_bars, *run_bars), (*due_points, *run_points, *absent))


def _shown(scene: Scene, listing: Listing, tick: Tick) -> bool:
    """Whether to draw a tick without a run: not one due after Airflow was asked, nor one from before the DAG was
    unpaused, if it does not catch up and no check speaks of it."""
    assert scene.clock is not None
    if tick.due > scene.clock.wall(listing.asked):
        return False
    before = not listing.schedule.catchup and tick.due < moment(listing.schedule.unpaused)
    return not before or bool(scene.against(named(listing.dag, tick)))


def _came(scene: Scene, listing: Listing, run: Made, tick: Tick | None, why: str) -> Came | None:
    """None if nothing says when it was. A run without a tick waits from when it was made."""
    marks, asset = scene.marks.get(run.key, ()), listing.schedule.kind == "asset"
    began = min((mark.t for mark in marks if mark.mark == "start"), default=None)
    ended = max((mark.t for mark in marks if mark.mark == "end"), default=None)
    due, what = (scene.due(listing, tick), "due") if tick else (None, "made")
    if due is None and scene.clock and run.made is not None:
        due = max(0, scene.clock.here(run.made))
    if due is None and began is None:
        return None
    kind = f"{run.run_type or 'of no known type'}{why and f', {why}'}"
    against = scene.against(str(run), *([named(run.dag, tick)] if tick else ()))
    lines = (
        named(run.dag, tick) if tick else f"{run.dag}, {kind}",
        f"run {run.dag_run}, {run.state or 'of no known state'}",
        _waiting(due, began, what),
        *([f"at work {lasting(began, ended)}"] if began is not None and ended is not None else ()),
        *_lines(against),
    )
    look = WRONG[against[0][0].verdict] if against else CAME if tick or asset or not scene.clock else OTHER
    return Came("\n".join(lines), look, due, began, ended)


def _waiting(due: int | None, began: int | None, what: str) -> str:
    if due is None or began is None:
        return "no task of it was seen to begin" if began is None else f"began at {began / NS:.2f} s"
    return f"began {max(0, began - due) / NS:.2f} s after it was {what}, which was at {due / NS:.2f} s"


def _unlisted(scene: Scene, listing: Listing, key: Key) -> Came:
    """A run that the ledger shows but Airflow did not list."""
    marks = scene.marks[key]
    began, ended = min(mark.t for mark in marks), max(mark.t for mark in marks)
    late = began >= listing.asked
    why = "after Airflow had been asked for its runs" if late else "and Airflow does not list it"
    said = f"{listing.dag}\nrun {key[1]}, which the ledger shows, {why}\nat work {lasting(began, ended)}"
    return Came(said, OTHER if late else WRONG[Verdict.INVALID], None, began, ended)


def _absent(scene: Scene, listing: Listing, tick: Tick) -> Point:
    name, t = named(listing.dag, tick), scene.due(listing, tick)
    if against := scene.against(name):
        return Point(t, MISSED[against[0][0].verdict], "\n".join((name, *_lines(against))))
    asked = f"when Airflow was asked, at {listing.asked / NS:.2f} s"
    return Point(t, ABSENT, f"{name}\nno run of it was there {asked}, and no check calls it missed")


def _lines(against: list[tuple[Check, str]]) -> list[str]:
    return [f"{check.verdict} {check.name}: {why}" for check, why in against]


def _runs(came: list[Came], most: int) -> tuple[list[Bar], list[Point]]:
    """Overlapping runs are drawn below each other; if there are very many, the nearest neighbours share one bar."""
    places = rows([(one.start, one.end) for one in came], MOST_ROWS)
    bars: list[Bar] = []
    for row in sorted(set(places)):
        here = [one for one, place in zip(came, places, strict=True) if place == row]
        bars += _usual([one for one in here if one.usual], row, max(1, most // MOST_ROWS))
        bars += [bar for one in here if not one.usual for bar in _alone(one, row)]
    unbegun = [(one, row) for one, row in zip(came, places, strict=True) if one.began is None]
    return bars, [Point(one.start, UNBEGUN, one.said, row) for one, row in unbegun]


def _usual(came: list[Came], row: int, most: int) -> Iterator[Bar]:
    starts = np.array([one.start for one in came], dtype=np.int64)
    ends = np.array([one.end for one in came], dtype=np.int64)
    for i, j in groups(starts, ends, most):
        if i == j:
            yield from _alone(came[i], row)
            continue
        start, end, longest = came[i].start, int(ends[i : j + 1].max()), max(one.waited for one in came[i : j + 1])
        said = f"{j - i + 1} runs, {lasting(start, end)}\nthe longest wait was {longest / NS:.2f} s"
        yield Bar(start, end, CAME, said, row)


def _alone(one: Came, row: int) -> Iterator[Bar]:
    if one.began is None:
        return
    if one.waited and one.due is not None:
        yield Bar(one.due, one.began, WAITED, one.said, row)
    yield Bar(one.began, one.began if one.ended is None else one.ended, one.look, one.said, row)


def _dues(dag: str, dues: list[int], most: int) -> tuple[list[Bar], list[Point]]:
    bars, points = [], []
    times = np.array(dues, dtype=np.int64)
    for i, j in groups(times, times, most):
        if i == j:
            points.append(Point(dues[i], DUE, f"{dag}\na run was due at {dues[i] / NS:.2f} s"))
        else:
            bars.append(Bar(dues[i], dues[j], DUE, f"{dag}\n{j - i + 1} runs were due, {lasting(dues[i], dues[j])}"))
    return bars, points
