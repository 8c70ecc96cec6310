"""The DAGs of a world that run by themselves, and when each of their runs is due. Times are milliseconds since the run.

When a run is due is worked out by plain counting, or stands in a table that was worked out by hand: no library of cron
has a say in what is true.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Literal

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import END

FIRST, LAST = -400_000, END + 400_000
PARTS: tuple[tuple[str, ...], ...] = (
    ("free", "single", "pool", "assets", "patient", "told"),
    ("free",),
    ("free", "single"),
    ("pool", "told", "clock"),
    ("assets", "free"),
    ("clock", "patient", "told", "single"),
    (),
    ("clock", "single"),
)
POOL = "narrow"
EVERY = (5_000, 6_000, 10_000, 12_000, 15_000, 20_000)
# Where clocks are changed: expression, zone, and moments that it is due at, of which the second or third is in the run.
CHANGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("30 2 * * *", "Europe/Zurich", ("2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30", "2026-03-31T00:30")),
    ("30 2 * * *", "Europe/Zurich", ("2026-10-24T00:30", "2026-10-25T01:30", "2026-10-26T01:30", "2026-10-27T01:30")),
    ("0 */2 * * *", "Europe/Zurich", ("2026-10-24T22:00", "2026-10-25T01:00", "2026-10-25T03:00", "2026-10-25T05:00")),
    ("15 * * * *", "Europe/Zurich", ("2026-10-24T23:15", "2026-10-25T00:15", "2026-10-25T01:15", "2026-10-25T02:15")),
    ("15 * * * 0", "Asia/Kolkata", ("2026-06-06T20:45", "2026-06-06T21:45", "2026-06-06T22:45", "2026-06-06T23:45")),
)


@dataclass(frozen=True)
class Tick:
    """A run that is due: its logical date, when it is due, and when the one after it is."""

    logical: int
    due: int
    following: int


@dataclass(frozen=True)
class Dag:
    """`said` is what its file has of its timetable, `read` when its file was read first. `took` is how long a task is
    at work, `pools` the pool of a task, `waits` how long one is deferred, `calls` who is told its end: (kind, task)."""

    name: str
    kind: Literal["cron", "delta", "asset"]
    said: dict[str, Any]
    ticks: tuple[Tick, ...] = ()
    catchup: bool = False
    most: int | None = None
    unpaused: int = -10_000
    read: int = -15_000
    tasks: tuple[str, ...] = ("one", "two")
    took: int = 700
    pools: dict[str, str] = field(default_factory=dict)
    waits: dict[str, int] = field(default_factory=dict)
    calls: tuple[tuple[str, str], ...] = ()
    produces: dict[str, str] = field(default_factory=dict)
    consumes: tuple[str, ...] = ()

    @cached_property
    def dues(self) -> list[int]:
        return [tick.due for tick in self.ticks]

    @property
    def fails(self) -> bool:
        return any(kind == "failure" for kind, _ in self.calls)

    @property
    def room(self) -> int:
        """How many runs may be at work at once; 16 is Airflow's own."""
        return self.most or 16


@dataclass(frozen=True)
class Plan:
    """All DAGs of a world; `wall` is Airflow's clock as the run begins, `slots` those of its pool."""

    dags: tuple[Dag, ...]
    wall: datetime
    slots: int

    def text(self, t: int) -> str:
        """A moment of the run as Airflow writes it."""
        return (self.wall + timedelta(milliseconds=t)).isoformat()


@lru_cache(maxsize=8)
def plan(world: World) -> Plan:
    rng = random.Random(world.seed + 5)  # noqa: S311
    way = world.way("schedules")
    parts = () if way is None else PARTS[way]
    change = CHANGES[rng.randrange(len(CHANGES))]
    middle = datetime.fromisoformat(change[2][rng.randrange(1, 3)]).replace(tzinfo=UTC)
    wall = middle - timedelta(milliseconds=rng.randrange(2_000, 60_000))
    dags: list[Dag] = []
    for part in parts:
        dags += _clock(rng, wall, change) if part == "clock" else _part(part, rng, wall)
    return Plan(tuple(dags), wall, rng.randrange(1, 3))


def _part(part: str, rng: random.Random, wall: datetime) -> list[Dag]:
    if part == "free":
        catchup, delta = rng.random() < 0.5, rng.random() < 0.5
        most, took = rng.choice(((None, 700), (None, 2_500), (1, 700), (1, 4_000), (2, 3_000)))
        return [_timed("free", rng, wall, catchup=catchup, delta=delta, ends=True, most=most, took=took)]
    if part == "single":
        catchup = rng.random() < 0.7
        return [_timed("single", rng, wall, catchup=catchup, most=1, took=rng.choice((600, 900, 2_000)))]
    if part == "pool":
        pools = {"work": POOL}
        both = [_timed(name, rng, wall, tasks=("first", "work"), took=1_800, pools=pools) for name in ("left", "right")]
        more = rng.random() < 0.3  # all of its tasks wait for slots, so that nothing tells how late it is
        return [*both, *([_timed("only", rng, wall, tasks=("work",), took=900, pools=pools)] if more else [])]
    if part == "assets":
        two = rng.random() < 0.4
        makers = [
            _timed(f"maker-{asset}", rng, wall, produces={asset: "two"}, delta=True, catchup=rng.random() < 0.5)
            for asset in ("a", "b")[: 1 + two]
        ]
        unpaused = rng.choice((-9_000, 2_000))
        names = ("a", "b")[: 1 + two]
        also = [Dag("reader-too", "asset", {}, unpaused=unpaused, consumes=("a",))] if rng.random() < 0.5 else []
        return [*makers, Dag("reader", "asset", {}, unpaused=unpaused, consumes=names), *also]
    if part == "patient":
        waits = {"wait": rng.choice((2_000, 5_000))}
        return [_timed("patient", rng, wall, tasks=("one", "wait"), waits=waits)]
    calls = rng.choice(((("success", ""), ("success", "one")), (("failure", ""), ("failure", "two")), _DEADLINE))
    return [_timed("told", rng, wall, calls=calls)]


_DEADLINE = (("deadline", ""), ("success", ""))


def _timed(
    name: str, rng: random.Random, wall: datetime, *, catchup: bool = False, delta: bool = False, ends: bool = False,
    **more: Any,
) -> Dag:  # fmt: skip
    """Of any timetable that counts seconds: a cron, or a delta that counts from its start."""
    every, interval = rng.choice(EVERY), rng.random() < 0.5 or (delta and not catchup)
    unpaused = rng.choice((-9_000, -4_000, 1_500, 4_000)) + rng.randrange(900)
    read = max(unpaused - rng.randrange(1_000, 14_000), -19_000)
    first = unpaused - rng.randrange(0, 3 * every)
    start = first if catchup else FIRST
    aligned = delta and not catchup
    offset = _past(wall) % every if not delta or aligned else -start % every
    if aligned:
        start = _grid(start, every, offset)
    until = END - 25_000 if ends and rng.random() < 0.3 else None
    dues = list(range(_grid(FIRST - 2 * every, every, offset), LAST, every))
    said: dict[str, Any] = {"start": _text(wall, start), "interval": interval, "end": _text(wall, until)}
    if delta:
        said["every_s"] = every / 1000
    else:
        said["expression"] = f"* * * * * */{every // 1000}"
    ticks = _ticks(dues, interval=interval, start=start, until=until)
    kind: Literal["cron", "delta"] = "delta" if delta else "cron"
    return Dag(name, kind, said, ticks, catchup=catchup, unpaused=unpaused, read=read, **more)


def _clock(rng: random.Random, wall: datetime, change: tuple[str, str, tuple[str, ...]]) -> list[Dag]:
    """One whose runs are due on a day, or in an hour, in which clocks are changed."""
    expression, zone, moments = change
    dues = [(datetime.fromisoformat(text).replace(tzinfo=UTC) - wall) // timedelta(milliseconds=1) for text in moments]
    interval, catchup = rng.random() < 0.5, rng.random() < 0.5
    start = dues[0] - 1_000
    said = {"start": _text(wall, start), "expression": expression, "timezone": zone, "interval": interval}
    ticks = _ticks(dues, interval=interval, start=start, until=None)
    return [Dag("clock", "cron", said, ticks, catchup=catchup, unpaused=-9_000 + rng.randrange(900), read=-12_000)]


def _ticks(dues: list[int], *, interval: bool, start: int, until: int | None) -> tuple[Tick, ...]:
    if interval:
        found = [Tick(a, b, c) for a, b, c in zip(dues, dues[1:], dues[2:], strict=False)]
    else:
        found = [Tick(a, a, b) for a, b in itertools.pairwise(dues)]
    return tuple(t for t in found if t.logical >= start and (until is None or t.logical <= until))


def _grid(t: int, every: int, offset: int) -> int:
    """The first moment from `t` on at which Airflow's clock, or that of a delta, is a multiple of `every`."""
    return t + (-(t + offset)) % every


def _past(wall: datetime) -> int:
    return (wall - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _text(wall: datetime, t: int | None) -> str:
    return "" if t is None else (wall + timedelta(milliseconds=t)).isoformat()
