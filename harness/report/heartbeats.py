"""The heartbeats of each scheduler's job, and when Airflow no longer considered it running."""

from __future__ import annotations

import numpy as np

from harness.history import Event, History
from harness.report.facts import lasting
from harness.report.lanes import GREEN, RED, Band, Bar, Lane, Look, Point
from harness.report.thin import groups

MOST = 1500  # of all jobs together
BEAT = Look(GREEN, 0.4, symbol="line-ns-open", size=9)
OVER = Look(RED, over=3, symbol="x", size=8)
KEY = (("heartbeat", BEAT), ("no longer running", OVER))


def band(history: History) -> Band:
    jobs: dict[str, list[Event]] = {}
    for event in history.events:
        if event.source == "job":
            jobs.setdefault(event.object, []).append(event)
    beating = {name: events for name, events in jobs.items() if any(e.what == "heartbeat" for e in events)}
    most = max(1, MOST // max(1, len(beating)))
    return Band("Scheduler heartbeats", tuple(_lane(name, events, most) for name, events in beating.items()), KEY)


def _lane(job: str, events: list[Event], most: int) -> Lane:
    """If there are very many beats, the nearest neighbours share one bar, so every long silence stays visible."""
    host = str(events[0].value.get("hostname") or job)
    beats = np.array([e.t for e in events if e.what == "heartbeat"], dtype=np.int64)
    bars, points = [], []
    for i, j in groups(beats, beats, most):
        start, end = int(beats[i]), int(beats[j])
        if i == j:
            points.append(Point(start, BEAT, f"{host} ({job})\nheartbeat at {start / 1e9:.2f} s"))
        else:
            bars.append(Bar(start, end, BEAT, f"{host} ({job})\n{j - i + 1} heartbeats, {lasting(start, end)}"))
    ends = [e for e in events if e.what == "state" and e.value.get("state") != "running"]
    points += [Point(e.t, OVER, f"{host} ({job})\nstate {e.value.get('state')} at {e.t / 1e9:.2f} s") for e in ends]
    return Lane(host, tuple(bars), tuple(points))
