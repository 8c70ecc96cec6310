"""What a world is: a stack, a fault, and what goes otherwise than it should; drawn from a seed, and made simpler."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import cycle

from harness.errors import UsageError

FAULTS = {
    "celery": ("none", "scheduler", "api-server", "worker"),
    "kubernetes": ("none", "scheduler", "api-server"),
    "local": ("none", "scheduler", "api-server"),
}
# What may go otherwise → in how many ways. Those of one name exclude each other.
PROMISES = {
    "read-outage": 24,
    "write-outage": 12,
    "slow": 8,
    "run-fails": 3,
    "task-lost": 3,
    "run-stuck": 2,
    "twice": 4,
    "overlap": 3,
    "retried": 3,
    "unknown-try": 3,
    "ready-late": 6,
    "ready-never": 1,
    "orphans-left": 2,
    "unstable": 4,
    "stops-beating": 2,
    "restart": 6,
    "idle": 12,
    "one-node": 3,
    "stale": 4,
    "stream-broken": 3,
    "forgets": 3,
    "undo": 4,
    "left-pod": 2,
    "extra-pod": 2,
}
EVIDENCE = {
    "blind-pods": 6,
    "blind-jobs": 6,
    "blind-runs": 6,
    "blind-logs": 4,
    "ledger-unread": 3,
    "lines-missing": 3,
    "cut-short": 4,
    "proof": 8,
    "idle-victim": 1,
    "prober": 4,
    "machine": 2,
    "calibration": 3,
    "impossible": 5,
    "trigger-unanswered": 2,
    "phase-missing": 2,
    "bound-missing": 12,
    "not-read-back": 2,
    "early-outage": 4,
}
# Of scheduled work: which of it there is, what goes otherwise with it, and what is not known of it.
SCHEDULED = {
    "schedules": 8,
    "tick-skipped": 2,
    "tick-twice": 3,
    "unlisted-run": 1,
    "never-done": 3,
    "task-again": 2,
    "begun-late": 2,
    "out-of-turn": 1,
    "beside": 1,
    "pool-full": 1,
    "call-lost": 2,
    "call-twice": 2,
    "update-lost": 2,
    "update-twice": 2,
    "trigger-lost": 1,
    "backlog": 2,
    "unlisted": 4,
    "clock": 3,
    "odd-timetable": 5,
}
# Faults of other kinds, what else an orderly one may cost, and records that are odd in themselves.
FURTHER = {"kind": 18, "leave": 2, "refused": 2, "odd": 11}
ALL = PROMISES | EVIDENCE | SCHEDULED | FURTHER
SCHEDULES, TIGHT = "schedules", "tight"
MOST = 4


@dataclass(frozen=True, order=True)
class Twist:
    """One thing that goes otherwise, and in which way; `tight` makes the limit of a bound one that is missed."""

    what: str
    way: str

    @property
    def number(self) -> int:
        return int(self.way)

    def __str__(self) -> str:
        return f"{self.what}={self.way}"


@dataclass(frozen=True)
class World:
    """All choices; the seed decides what is left open: lengths, delays, and by how much a limit is kept or missed."""

    seed: int
    stack: str = "celery"
    fault: str = "none"
    twists: tuple[Twist, ...] = ()

    def way(self, what: str) -> int | None:
        return self._ways.get(what)

    @cached_property
    def _ways(self) -> dict[str, int]:
        return {t.what: t.number for t in reversed(self.twists) if t.what != TIGHT}

    @property
    def tight(self) -> frozenset[str]:
        return frozenset(t.way for t in self.twists if t.what == TIGHT)

    def __str__(self) -> str:
        return ",".join([str(self.seed), self.stack, self.fault, *map(str, self.twists)])

    @classmethod
    def parse(cls, text: str) -> World:
        """Raises `UsageError` where it is not what a world prints."""
        try:
            seed, stack, fault, *rest = text.split(",")
            twists = tuple(Twist(*part.split("=", 1)) for part in rest)
            known = ALL
            if fault not in FAULTS[stack] or any(t.what != TIGHT and t.number >= known[t.what] for t in twists):
                raise ValueError(text)
            return cls(int(seed), stack, fault, twists)
        except (ValueError, KeyError, TypeError) as cause:
            raise UsageError(f"no world is called {text!r}; it is seed,stack,fault and what=way, as printed") from cause


def draw(seed: int, bounds: tuple[str, ...]) -> World:
    """A world from a seed. `bounds` are the names that a limit may be missed of."""
    rng = random.Random(seed)  # noqa: S311 - it must be the same each time
    stack = rng.choices(tuple(FAULTS), weights=(3, 1, 1))[0]
    fault = rng.choices(FAULTS[stack], weights=(1, *(2 for _ in FAULTS[stack][1:])))[0]
    ways = PROMISES | EVIDENCE
    chosen: set[Twist] = set()
    for what in rng.sample(tuple(ways), rng.choices(range(MOST), weights=(1, 4, 3, 1))[0]):
        chosen.add(Twist(what, str(rng.randrange(ways[what]))))
    if rng.random() < 0.4:
        chosen.add(Twist(TIGHT, rng.choice(bounds)))
    if rng.random() < 0.5:
        chosen |= set(_scheduled(rng))
    if rng.random() < 0.4:
        whats = ("odd",) if rng.random() < 0.4 else ("kind", "leave", "refused")
        chosen |= {Twist(what, str(rng.randrange(FURTHER[what]))) for what in whats}
    return World(seed, stack, fault, tuple(sorted(chosen)))


def _scheduled(rng: random.Random) -> Iterator[Twist]:
    """Work that is scheduled, mostly all kinds of it; and what goes otherwise with that."""
    whats = rng.sample(
        [what for what in SCHEDULED if what != SCHEDULES], rng.choices(range(4), weights=(2, 4, 3, 1))[0]
    )
    yield Twist(SCHEDULES, str(rng.choice((0, 0, 0, rng.randrange(SCHEDULED[SCHEDULES])))))
    for what in whats:
        yield Twist(what, str(rng.randrange(SCHEDULED[what])))


def singly(bounds: tuple[str, ...]) -> Iterator[World]:
    """Each thing that may go otherwise, in each way, by itself, under one fault after another."""
    kinds = cycle((stack, fault) for stack, faults in FAULTS.items() for fault in faults)
    ways = [Twist(what, str(way)) for what, most in (PROMISES | EVIDENCE).items() for way in range(most)]
    ways += [Twist(TIGHT, bound) for bound in bounds]
    for seed, (twist, (stack, fault)) in enumerate(zip(ways, kinds, strict=False)):
        yield World(seed, stack, fault, (twist,))
    yield from _further(bounds)


def _further(bounds: tuple[str, ...]) -> Iterator[World]:
    """The same of scheduled work, and of other kinds of faults."""
    kinds = cycle((stack, fault) for stack, faults in FAULTS.items() for fault in faults)
    ways = [Twist(what, str(way)) for what, most in SCHEDULED.items() for way in range(most) if what != SCHEDULES]
    ways += [Twist(TIGHT, bound) for bound in bounds]
    every: list[tuple[Twist, ...]] = [(Twist(SCHEDULES, "0"), twist) for twist in ways]
    every += [(Twist(SCHEDULES, str(way)),) for way in range(SCHEDULED[SCHEDULES])]
    every += [(Twist("kind", str(way)),) for way in range(FURTHER["kind"])]
    every += [(Twist("odd", str(way)),) for way in range(FURTHER["odd"])]
    every += [(Twist("kind", str(way)), Twist(TIGHT, "disruption.ready")) for way in range(3)]
    every += [(Twist("kind", "2"), Twist(what, str(way))) for what in ("leave", "refused") for way in range(2)]
    for seed, (twists, (stack, fault)) in enumerate(zip(every, kinds, strict=False)):
        yield World(seed, stack, fault, tuple(sorted(twists)))


def simpler(world: World) -> Iterator[World]:
    """The same world with one thing less, the simplest first."""
    for left_out in world.twists:
        yield replace(world, twists=tuple(t for t in world.twists if t != left_out))
    if world.stack != "celery" and world.fault in FAULTS["celery"]:
        yield replace(world, stack="celery")
    if world.fault not in ("none", "scheduler"):
        yield replace(world, fault="scheduler")
    if world.fault != "none":
        yield replace(world, fault="none")
