"""The limits of a world: off what is true by more than the stated error, to the side that the world chose."""

from __future__ import annotations

import random
from collections.abc import Mapping

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import Life
from benchmarks.worlds.measures import Measure, availability, recovery, task_pods, tasks
from harness.judge.verdict import LATER, required
from harness.slo import CATALOGUE

IDLE_FOR, ALWAYS_IDLE_FOR = 15.0, 0.5  # seconds that a replica may do nothing; what each surely does
LATENCY = ("availability.read.latency", "availability.write.latency")
QUICK, PROMPT = 0.5, 0.005  # seconds: what is kept but by slow answers, and what nobody keeps
NEVER_WITHIN = 10.0  # seconds, for what never comes


def owed(world: World) -> list[str]:
    return sorted(required(world.fault, True, None, world.stack, keeps=True))


def needed(world: World) -> tuple[str, ...]:
    """The bounds that the world owes, by name; `bound-missing` takes one away that no history may lack."""
    names = owed(world)
    way = world.way("bound-missing")
    old = [name for name in names if name not in LATER]
    gone = old[way % len(old)] if way is not None else None
    return tuple(name for name in names if name != gone)


def missing(world: World) -> str | None:
    """The bound that was taken away."""
    return next(iter(set(owed(world)) - set(needed(world))), None)


def measures(life: Life, world: World) -> dict[str, Measure]:
    """All that is measured but latency, which depends on the limits of the others."""
    planned = world.fault != "none"
    found = availability(life, planned) | tasks(life) | task_pods(life)
    return found | (recovery(life) if planned else {})


def limits(life: Life, world: World, true: Mapping[str, Measure]) -> dict[str, float]:
    """A limit for each bound that is owed. Raises `KeyError` for one that this model knows nothing of."""
    rng = random.Random(world.seed + 2)  # noqa: S311
    return {name: _limit(name, life, world, true, rng.uniform(0.05, 1.0)) for name in needed(world)}


def _limit(name: str, life: Life, world: World, true: Mapping[str, Measure], slack: float) -> float:
    tight = name in world.tight
    if (fixed := _fixed(name, tight=tight)) is not None:
        return fixed
    found = true[name]
    if found.broken or found.moot:
        return NEVER_WITHIN
    if name == "evidence.finished_runs":
        return found.value + tight
    if CATALOGUE[name].unit == "count":
        return float(life.lost_by_fault if name == "tasks.extra_attempts" else 0)
    margin = found.error + slack
    return found.value - margin if tight and found.value > margin else found.value + margin


def _fixed(name: str, *, tight: bool) -> float | None:
    """Limits that no measure of this life is near to."""
    if name in LATENCY:
        return PROMPT if tight else QUICK
    if name.startswith("redundancy.") and name != "redundancy.spread":
        return ALWAYS_IDLE_FOR if tight else IDLE_FOR
    limits = {"redundancy.spread": 0.0, "evidence.samples": 300.0 if tight else 30.0, "evidence.late_samples": 2.0}
    return limits.get(name)
