"""What each way to spoil the evidence hides: the checks that must be INVALID by it, and those that may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchmarks.worlds import odd
from benchmarks.worlds.choices import World
from benchmarks.worlds.kinds import KINDS

COMPLETE, SCHEDULE, BASELINE, FAULT = (f"evidence.{name}" for name in ("complete", "schedule", "baseline", "fault"))
PODS = (
    "recovery.replacement_ready",
    "rollback.time",
    "collateral.restarts",
    "redundancy.",
    "healthy.pods",
    "tasks.extra_pods",
    "tasks.left_pods",
    BASELINE,
    FAULT,
    "disruption.ready",
)
JOBS = ("disruption.abrupt", "recovery.first_heartbeat", "recovery.orphans_handled", FAULT)
RUNS = (
    "tasks.lost",
    "tasks.run_duration",
    "recovery.last_delayed_run",
    "evidence.finished_runs",
)
MARKS = (
    "tasks.lost",
    "tasks.duplicated",
    "tasks.extra_attempts",
    "tasks.overlapping",
    "tasks.unknown_attempts",
    "recovery.first_new_task",
    "recovery.last_delayed_run",
    "redundancy.workers",
    FAULT,
)
SAMPLES = ("availability.", BASELINE, "evidence.samples", "evidence.late_samples")
LOGS = ("redundancy.",)
AFTER_FAULT = ("recovery.", "rollback.", "collateral.", "redundancy.", "availability.", "evidence.samples", BASELINE)
TO_THE_END = 3  # ways of being blind from here on are so until the run ends
MOVING = frozenset({"blind-pods", "blind-jobs", "blind-runs", "ledger-unread", "lines-missing", "cut-short", "prober"})


def invalid(world: World) -> list[str]:
    """The checks that must be INVALID. Of a run that was cut short, what the prober said in the end is missing."""
    found: list[str] = []
    planned = world.fault != "none"
    for twist in world.twists:
        if twist.what in _MUST:
            found += _MUST[twist.what](twist.number, planned)
    return found if world.way("cut-short") is None else [name for name in found if name != SCHEDULE]


def doubted(world: World, checks: Iterable[str]) -> list[str]:
    """The checks that may be INVALID, or what they are."""
    names = list(checks)
    planned = world.fault != "none"
    begun = [start for t in world.twists if t.what in _MAY for start in _MAY[t.what](t.number, planned)]
    return [name for name in names if any(name.startswith(start) for start in begun)]


def hidden(world: World, checks: Iterable[str]) -> list[str]:
    """The checks of which what is broken may not be seen at all, so that they alone may be PASS; the run is none, by
    what else must be INVALID."""
    whole = invalid(world)
    names = list(checks)
    if not {COMPLETE, SCHEDULE, "evidence.late_samples"} & set(whole):
        return []
    return [name for name in doubted(world, names) if name not in whole]


def moves(world: World) -> bool:
    """Whether what is measured may be further from the truth than its error: part of it was not seen, or late."""
    return any(t.what in MOVING for t in world.twists)


def _blind(way: int, _planned: bool) -> list[str]:
    return [COMPLETE] if way >= TO_THE_END else []


_MUST: dict[str, Callable[[int, bool], list[str]]] = {
    "blind-pods": _blind,
    "blind-jobs": _blind,
    "blind-runs": _blind,
    "blind-logs": lambda way, _: [COMPLETE] if way >= 2 else [],
    "ledger-unread": lambda *_: [COMPLETE],
    "lines-missing": lambda way, _: [(COMPLETE, SCHEDULE, COMPLETE)[way]],
    "cut-short": lambda *_: [COMPLETE],
    "proof": lambda way, planned: [FAULT] if planned else [],
    "prober": lambda way, _: [(SCHEDULE, SCHEDULE, "evidence.late_samples", SCHEDULE)[way], *_unsampled(way)],
    "machine": lambda way, _: ["evidence.machine"] if way == 0 else [],
    "calibration": lambda way, _: ["evidence.calibration"] if way < 2 else [],
    "impossible": lambda *_: [COMPLETE],
    "phase-missing": lambda *_: [COMPLETE],
    "not-read-back": lambda *_: ["availability.write.kept"],
    "kind": lambda way, planned: [FAULT] if planned and not KINDS[way].proved else [],
    "odd": odd.invalid,
}


def _unsampled(way: int) -> list[str]:
    return ["evidence.samples"] if way == 3 else []


_MAY: dict[str, Callable[[int, bool], Iterable[str]]] = {
    "blind-pods": lambda *_: PODS,
    "blind-jobs": lambda *_: JOBS,
    "blind-runs": lambda *_: RUNS,
    "blind-logs": lambda *_: LOGS,
    "ledger-unread": lambda *_: MARKS,
    "lines-missing": lambda way, _: (MARKS, (*SAMPLES, SCHEDULE), ())[way],
    "cut-short": lambda *_: ("",),
    "proof": lambda way, _: AFTER_FAULT if way in (5, 7) else ("recovery.", "rollback.", "collateral."),
    "idle-victim": lambda *_: ("recovery.",),
    "prober": lambda *_: SAMPLES,
    "machine": lambda way, _: ("availability.read.latency", "availability.write.latency") if way == 0 else (),
    "impossible": lambda way, _: SAMPLES if way < 2 else (*MARKS, *RUNS),
    "phase-missing": lambda *_: ("redundancy.", SCHEDULE, FAULT, BASELINE),
    "bound-missing": lambda *_: (BASELINE, "availability."),
    "kind": lambda way, _: () if KINDS[way].proved else ("recovery.", "rollback.", "collateral."),
    "odd": odd.doubted,
}
