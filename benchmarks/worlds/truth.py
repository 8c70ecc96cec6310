"""What the judge must say of a world: by what truly happened, and by what of it nobody could see.

A promise that was kept and seen is PASS, one that was broken and seen is FAIL. What its observer could not see may be
INVALID besides, and what says that the evidence is whole is INVALID exactly where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.worlds import odd, spoilt
from benchmarks.worlds.choices import World
from benchmarks.worlds.kinds import disruption, kind
from benchmarks.worlds.life import FAULT, HIT, Life
from benchmarks.worlds.limits import LATENCY, limits, measures, missing
from benchmarks.worlds.measures import AROUND, MARK_LAG, SLOW_SHARE, Measure, latency
from benchmarks.worlds.stack import IDLE, IDLE_FROM
from benchmarks.worlds.timed.truth import timed
from harness.outcome import Verdict
from harness.slo import CATALOGUE

PASS, INVALID, FAIL = Verdict.PASS, Verdict.INVALID, Verdict.FAIL
Verdicts = frozenset[Verdict]
SLOW_SAMPLES = 2  # of a series may be slow before the fault
OF_IDLE = dict(zip(IDLE, ("webservers", "ingress", "triggerers", "workers"), strict=True))
OF_RESTARTED = ("webservers", "ingress", "triggerers")
OF_COMPONENT = {"scheduler": "schedulers", "api-server": "webservers", "worker": "workers"}
COLLATERAL = "collateral.restarts"
NOT_UNDONE = 3  # the way in which no undo is recorded, so that nobody knows from when on all was whole


@dataclass(frozen=True)
class Truth:
    """The verdicts that are true of each check, the limits in force, and what the measures must be near to."""

    checks: dict[str, Verdicts]
    limits: dict[str, float]
    measures: dict[str, Measure]

    @property
    def verdicts(self) -> Verdicts:
        """Those that are true of the whole run, which is as bad as the worst of its checks."""
        least = max((min(v, key=lambda x: x.rank) for v in self.checks.values()), key=lambda x: x.rank)
        possible = {verdict for found in self.checks.values() for verdict in found}
        return frozenset(verdict for verdict in possible if verdict.rank >= least.rank)

    @property
    def label(self) -> str:
        """Kept, broken, no evidence; or either of two where that cannot be told."""
        words = {PASS: "kept", FAIL: "broken", INVALID: "no evidence"}
        return " or ".join(words[v] for v in sorted(self.verdicts, key=lambda v: v.rank))


def truth(life: Life, world: World) -> Truth:
    true = measures(life, world)
    bounds = limits(life, world, true)
    checks = {name: _promise(name, bounds, life, world, true) for name in bounds}
    checks |= _evidence(life, world, bounds)
    own = timed(life, world, bounds.get("tasks.run_duration", 0.0))
    made, asked = kind(world), disruption(life, world)
    if made and (made.spares or not made.proved):
        checks[COLLATERAL] = frozenset({FAIL} if made.spares else {FAIL, *checks[COLLATERAL]})
    if made and made.node_away and world.way("undo") == NOT_UNDONE and FAIL in checks[COLLATERAL]:
        checks[COLLATERAL] |= {INVALID}
    checks |= {name: verdicts for name, (_, verdicts) in asked.items()}
    if (gone := missing(world)) is not None:
        checks[gone] = frozenset({INVALID})
    for name in spoilt.doubted(world, checks):
        checks[name] = checks.get(name, frozenset()) | {INVALID}
    checks |= {name: checks[name] | {FAIL} for name in odd.broken(world) if name in checks}
    for name in spoilt.hidden(world, checks):
        checks[name] |= {PASS}
    # What never came may be due to a fault that was none, and what came may be due to another.
    if INVALID in checks["evidence.fault"] or "evidence.fault" in spoilt.invalid(world):
        checks |= {name: found | {PASS, INVALID} for name, found in checks.items() if name.startswith("recovery.")}
    for name in spoilt.invalid(world):
        checks[name] = frozenset({INVALID})
    sure = {n: m for n, m in true.items() if n in bounds and len(checks[n]) == 1 and not spoilt.moves(world)}
    measured = {n: m for n, m in sure.items() if not (m.broken or m.moot or m.least or (made and n == COLLATERAL))}
    measured |= {} if spoilt.moves(world) else own.measures
    return Truth(
        checks | own.checks, {**bounds, **own.limits, **{n: limit for n, (limit, _) in asked.items()}}, measured
    )


def _promise(name: str, bounds: Mapping[str, float], life: Life, world: World, true: Mapping[str, Measure]) -> Verdicts:
    if name in LATENCY:
        return _latency(name, bounds, life, world)
    if name.startswith("redundancy."):
        return _redundant(name, world)
    if name in true:
        return _measured(name, true[name], bounds[name])
    few = name in world.tight and name == "evidence.samples"
    return frozenset({INVALID if few else PASS})


def _measured(name: str, found: Measure, limit: float) -> Verdicts:
    if found.moot:
        return frozenset({INVALID})
    kept = found.value >= limit if CATALOGUE[name].sense == "at least" else found.value <= limit
    if found.broken or not kept:
        return frozenset({INVALID if name.startswith("evidence.") else FAIL})
    if found.least is None:
        return frozenset({PASS})
    return frozenset({verdict for over, verdict in ((True, FAIL), (False, INVALID)) if _may(found, limit, over=over)})


def _may(found: Measure, limit: float, *, over: bool) -> bool:
    """Whether what has not ended may be measured beyond the limit, or within it."""
    least = found.least or 0.0
    return least + found.error > limit if over else least - found.error <= limit


def _latency(name: str, bounds: Mapping[str, float], life: Life, world: World) -> Verdicts:
    write, word = "write" in name, name.split(".")[1]
    # Without the bound, nothing may be missing.
    free = bounds.get(f"availability.{word}.outage", 0.0), bounds.get(f"availability.{word}.errors", 0.0)
    possible = latency(life, world.fault != "none", write, *free, _replacing(life, world, bounds))
    return frozenset({PASS if value <= bounds[name] else FAIL for value in possible})


def _replacing(life: Life, world: World, bounds: Mapping[str, float]) -> float:
    """Milliseconds for which what was hit was being replaced, at most as long as it may take."""
    most = 1000 * bounds.get("rollback.time", 0.0)
    if world.fault == "none":
        return 0.0
    return most if world.way("undo") == NOT_UNDONE else min(most, life.undone - HIT)


def _redundant(name: str, world: World) -> Verdicts:
    planned = world.fault != "none"
    part = name.split(".")[1]
    before = after = name in world.tight and part != "spread"
    way = world.way("idle")
    if way is not None and OF_IDLE[IDLE[way % len(IDLE)]] == part:
        begin, end = IDLE_FROM[way // len(IDLE)]
        before, after = before or begin == 0, after or end > HIT
    if part == "spread":
        before = after = world.way("one-node") is not None
    if not planned:
        return frozenset({FAIL if before or after else PASS})
    if before:
        return frozenset({INVALID})
    if world.way("undo") == NOT_UNDONE:
        return frozenset({INVALID})
    if world.way("ready-never") is not None:  # without a scheduler, there is nothing to do for workers either
        after |= part in (OF_COMPONENT[world.fault], "workers" if world.fault == "scheduler" else "")
    again = world.way("restart")  # one that is started again may be Ready for too short a time to tell
    if after and again is not None and OF_RESTARTED[again % len(OF_RESTARTED)] == part:
        return frozenset({FAIL, INVALID})
    return frozenset({FAIL if after else PASS})


def _evidence(life: Life, world: World, bounds: Mapping[str, float]) -> dict[str, Verdicts]:
    """What says whether there is enough to judge by, where nothing spoils it; and whether all stayed well by itself."""
    good = frozenset({PASS})
    found = {f"evidence.{name}": good for name in ("complete", "fault", "baseline", "schedule")}
    if world.fault == "none":
        return {**found, "healthy.pods": good if world.way("restart") is None else frozenset({FAIL})}
    restarted = any(t < FAULT for p in life.pods for t in p.restarts)
    hasty = any(name in world.tight for name in LATENCY)  # nor was it kept before the fault
    found["evidence.baseline"] = frozenset({INVALID}) if restarted or hasty else _baseline(life, bounds)
    if world.fault == "worker":
        # A task of nobody's is one, by the ledger: who holds it holds something.
        found["evidence.fault"] = _at_stake(life) | ({PASS} if odd.strange(world) else set())
    return found


def _baseline(life: Life, bounds: Mapping[str, float]) -> Verdicts:
    """Outages before the fault, against the same limits; as slow, but two samples of a series may be."""
    possible = {PASS}
    for early in (o for o in life.outages if o.end < FAULT):
        word, step, gone = "write" if early.key[2] else "read", life.intervals[early.key][1], early.end - early.begin
        outage, errors = (bounds.get(f"availability.{word}.{kind}", 0.0) for kind in ("outage", "errors"))
        free = min(outage * 1000, errors * FAULT / 100, max(FAULT * SLOW_SHARE, SLOW_SAMPLES * step))
        possible = {PASS} if gone < free - AROUND * step else {PASS, INVALID}
        possible = {INVALID} if gone > free + AROUND * step else possible
    return frozenset(possible)


def _at_stake(life: Life) -> Verdicts:
    """Whether what was hit held a task, by the ledger; which hears of a start or an end a little later."""
    hosts = {pod.name for pod in life.dead}
    held = [a for run in life.runs for a in run.attempts if a.host in hosts and a.start < HIT]
    lately = HIT - MARK_LAG * 1000
    if any(a.end is None and a.start < lately for a in held):
        return frozenset({PASS})
    near = any(a.end is None or a.end > lately for a in held)
    return frozenset({PASS, INVALID} if near else {INVALID})


def beyond(true: Truth, name: str, measure: float) -> bool:
    """Whether what was measured is further from the truth than its error."""
    known = true.measures.get(name)
    return known is not None and abs(measure - known.value) > known.error + 1e-6 and not math.isinf(measure)
