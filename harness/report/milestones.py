"""The fault and what the judge found: steps of the fault, phases of the recovery, and checks that did not pass."""

from __future__ import annotations

from harness.history import NS, History
from harness.outcome import Check, Outcome, Verdict, Window
from harness.report.facts import fault_time, lasting, moment
from harness.report.lanes import AMBER, GREEN, GREY, RED, Band, Bar, Lane, Look, Point

STEP = Look(RED, over=3, symbol="diamond", size=9)
STEPS = {"injected": "injected", "proved": "proved", "rolled-back": "rolled back"}
AT, MOVED = Look(GREY, 0.14), Look(AMBER, over=3, symbol="x", size=8)
KEY = (("injected, proved, rolled back", STEP),)
PHASES = ("recovery.", "schedule.caught_up")
JUDGED = {Verdict.PASS: Look(GREEN), Verdict.INVALID: Look(AMBER, over=1), Verdict.FAIL: Look(RED, over=2)}


def band(history: History, outcome: Outcome) -> Band:
    """Windows of checks that did not pass are shown here too, so that readers can find what they are about."""
    phases = [c for c in outcome.checks if c.name.startswith(PHASES) and c.windows and c.measure is not None]
    broken = [c for c in outcome.checks if c.verdict is not Verdict.PASS and c.windows and c not in phases]
    lanes = [*_fault(history), *_address(history), *map(_phase, phases), *map(_broken, broken)]
    return Band("Fault and recovery", tuple(lanes), KEY if history.faults else ())


def _fault(history: History) -> list[Lane]:
    since = fault_time(history)
    points = [
        Point(f.t, STEP, f"{f.action}: {STEPS[f.phase]} {f.target.get('name', '')}\n{_at(f.t, since)}")
        for f in history.faults
        if f.phase in STEPS
    ]
    return [Lane("fault", points=tuple(points))] if points else []


def _address(history: History) -> list[Lane]:
    """When the load balancer's address moved from node to node: every open connection was lost."""
    said = [event for event in history.events if event.source == "endpoint" and event.what == "announced"]
    if len(said) < 2:
        return []
    ends = [*(event.t for event in said[1:]), history.last_t]
    bars = [
        Bar(e.t, end, AT, f"the load balancer's address is announced by {e.value.get('node')}\n{lasting(e.t, end)}")
        for e, end in zip(said, ends, strict=True)
    ]
    moved = [Point(e.t, MOVED, f"the load balancer's address moved to {e.value.get('node')}") for e in said[1:]]
    return [Lane("address of the load balancer", tuple(bars), tuple(moved))]


def _phase(check: Check) -> Lane:
    name = check.name.removeprefix("recovery.").replace(".", " ").replace("_", " ")
    return Lane(f"{name} {check.measure:.1f} {check.unit}", tuple(_bar(check, window) for window in check.windows))


def _broken(check: Check) -> Lane:
    return Lane(f"{check.verdict} {check.name}", tuple(_bar(check, window) for window in check.windows))


def _bar(check: Check, window: Window) -> Bar:
    limit = "" if check.limit is None else f"\nlimit {check.limit:g} {check.unit}"
    said = f"{check.verdict} {check.name}\n{window.what}\n{lasting(window.start, window.end)}{limit}"
    return Bar(window.start, window.end, JUDGED[check.verdict], said)


def _at(t: int, fault: int | None) -> str:
    into = f"{t / NS:.2f} s into the run"
    return into if fault is None else f"{into}, {moment(t, fault)} from the fault"
