"""What the judge must say of scheduled work: by what truly happened, and by what of it nobody could see.

Stricter than of the rest: what is broken is never PASS, however little was seen of it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import Life
from benchmarks.worlds.measures import Measure
from benchmarks.worlds.timed.lateness import caught_up, late, waiting
from benchmarks.worlds.timed.promises import Range, counts
from benchmarks.worlds.timed.seen import Sight
from harness.outcome import Verdict
from harness.slo import CATALOGUE

PASS, INVALID, FAIL = Verdict.PASS, Verdict.INVALID, Verdict.FAIL
LATE, CAUGHT_UP = "schedule.late", "schedule.caught_up"
STARTS = ("schedule.", "pools.", "assets.", "deferred.", "callbacks.")
NAMES = tuple(sorted(name for name in CATALOGUE if name.startswith(STARTS)))
SCHEDULE = tuple(name for name in NAMES if name.startswith("schedule."))
# What each rests on: the ledger read to its end; what Airflow knows; its clock.
LEDGER = frozenset(NAMES) - {LATE, CAUGHT_UP}
ASKED = frozenset(NAMES) - {
    "schedule.doubled",
    "schedule.overlap",
    "pools.exceeded",
    "deferred.lost",
    "callbacks.doubled",
}
ONLY_THE_END = 3  # the way of a history that was cut short in which all that was listed is there
UNTIMED = frozenset({"pools.exceeded", "deferred.lost", "callbacks.doubled"})
ASSETS = frozenset({"assets.unconsumed", "assets.consumed_twice"})


@dataclass(frozen=True)
class Timed:
    """The limits, the verdicts that are true, and the measures that must be met."""

    limits: dict[str, float]
    checks: dict[str, frozenset[Verdict]]
    measures: dict[str, Measure]


def timed(life: Life, world: World, run_duration: float) -> Timed:
    """`run_duration` is how long a run may take, in seconds."""
    if world.way("schedules") is None:
        return Timed({}, {}, {})
    sight = Sight.of(life, world)
    worst, (back, sure) = late(sight), caught_up(sight)
    limits = dict.fromkeys(NAMES, 0.0)
    limits[LATE], limits[CAUGHT_UP] = (_limit(n, f, world) for n, f in ((LATE, worst), (CAUGHT_UP, back)))
    grace = round(limits[LATE] * 1000)
    found = {**counts(sight, grace, round(run_duration * 1000)), LATE: worst, CAUGHT_UP: back}
    checks = {name: _verdicts(each, limits[name]) for name, each in found.items()}
    checks[LATE] = _late(worst, limits[LATE], waiting(sight, grace))
    if not sure:
        checks[CAUGHT_UP] = checks[CAUGHT_UP] | {PASS, FAIL}
    near = {n: Measure((f.low + f.high) / 2, (f.high - f.low) / 2) for n, f in found.items() if len(checks[n]) == 1}
    checks = {name: _seen(name, verdicts, sight) for name, verdicts in checks.items()}
    if world.way("odd-timetable") is not None and sight.plan.dags and world.way("cut-short") in (None, ONLY_THE_END):
        checks = _odd(checks, world)
    return Timed(limits, checks, {n: m for n, m in near.items() if sure or n != CAUGHT_UP} if _whole(world) else {})


def _limit(name: str, found: Range, world: World) -> float:
    slack = random.Random(f"{world.seed} {name}").uniform(0.05, 1.0)  # noqa: S311
    if name in world.tight and found.low > slack:
        return found.low - slack
    return min(found.high, 600.0) + slack if found.high < 1e6 else 10.0


def _verdicts(found: Range, limit: float) -> frozenset[Verdict]:
    kept = {PASS} if not found.moot else {INVALID}
    kept |= {INVALID} if found.moot is None else set()
    return frozenset((kept if found.low <= limit else set()) | ({FAIL} if found.high > limit else set()))


def _late(worst: Range, limit: float, unbegun: Range) -> frozenset[Verdict]:
    """What has not begun counts, whatever did."""
    if unbegun.low:
        return frozenset({FAIL})
    return _verdicts(worst, limit) | (frozenset({FAIL}) if unbegun.high else frozenset())


def _odd(checks: dict[str, frozenset[Verdict]], world: World) -> dict[str, frozenset[Verdict]]:
    """Nothing can be said of schedules of which one is none; where none is looked at, all is unknown anyway."""
    if world.way("clock") in (0, 1) or world.way("unlisted") in (0, 1):
        return checks
    return checks | dict.fromkeys(("schedule", *SCHEDULE), frozenset({INVALID}))


def _whole(world: World) -> bool:
    return not any(t.what in ("unlisted", "odd-timetable") for t in world.twists)


def _seen(name: str, found: frozenset[Verdict], sight: Sight) -> frozenset[Verdict]:
    """What is not known of it: nothing passes for that, and what is broken may be so all the same."""
    world = sight.world
    if world.way("unlisted") in (0, 1) and name in ASKED and sight.plan.dags:
        found = found - {PASS} | {INVALID}
    consumed = any(run.dag.consumes for dag in sight.plan.dags for run in sight.runs(dag))
    if world.way("unlisted") == 2 and name in ASSETS and consumed:
        found = frozenset({INVALID})
    if world.way("unlisted") == 3 and name in ASKED and sight.plan.dags and sight.runs(sight.plan.dags[0]):
        found = found - {PASS} | {INVALID}
    if world.way("clock") in (0, 1) and name not in UNTIMED:
        found = frozenset({INVALID}) if name in SCHEDULE or name == "callbacks.lost" else found - {PASS} | {INVALID}
    if not sight.plan.dags and name in SCHEDULE:
        found = frozenset({INVALID})
    if world.way("ledger-unread") is not None or world.way("lines-missing") == 0:
        found = found | {INVALID} if name in (LATE, CAUGHT_UP) else found - {PASS} | {INVALID}
    if world.way("cut-short") is not None:
        found = found - {PASS} | {INVALID}
    return found
