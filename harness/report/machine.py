"""How busy the machine was, and how much of it went to anything but the stack and the harness."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from harness.history import Event, History
from harness.report.facts import lasting
from harness.report.lanes import AMBER, GREY, RED, Band, Bar, Lane, Look

FULL, SOME, MUCH = 90.0, 10.0, 25.0  # percent of all processors
BUSY = Look(GREY, 0.2)
STRAINED = Look(AMBER, 0.4, over=1)
TAKEN = Look(RED, 0.6, over=2)
KEY = (("busy", BUSY), (f"{FULL:.0f} % busy, or {SOME:.0f} % others", STRAINED), (f"{MUCH:.0f} % others", TAKEN))
Level = Callable[[float], Look | None]


def band(history: History) -> Band:
    loads = [e for e in history.events if e.source == "node" and e.what == "load"]
    lanes = (
        _lane("machine", loads, "busy", lambda share: STRAINED if share >= FULL else BUSY),
        _lane("others than the stack", loads, "others", _of_others),
    )
    return Band("Machine", tuple(lane for lane in lanes if lane.bars), KEY)


def _of_others(share: float) -> Look | None:
    return TAKEN if share >= MUCH else STRAINED if share >= SOME else None


def _lane(label: str, loads: list[Event], what: str, level: Level) -> Lane:
    """From each reading to the next; what stays at one level is one bar."""
    bars: list[Bar] = []
    for before, after in pairwise(loads):
        share = after.value.get(what)
        if not isinstance(share, int | float) or (look := level(share)) is None:
            continue
        start, most = before.t, share
        if bars and bars[-1].look is look and bars[-1].end == before.t:
            last = bars.pop()
            start, most = last.start, max(share, float(last.said.split()[2]))
        top = f"\nmost by {after.value['top']}" if what == "others" and after.value.get("top") else ""
        bars.append(Bar(start, after.t, look, f"up to {most} % of the processors\n{lasting(start, after.t)}{top}"))
    return Lane(label, tuple(bars))
