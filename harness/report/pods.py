"""The life of each pod as the watcher saw it: added, ready, not ready, going, gone."""

from __future__ import annotations

from dataclasses import dataclass

from harness.history import Event, History
from harness.report.facts import lasting
from harness.report.lanes import AMBER, GREEN, GREY, RED, Band, Bar, Lane, Look, Point
from harness.report.thin import rows

MOST_NAMED = 12  # pods of one component that get a lane each; more of them share lanes
MOST_ROWS = 24
READY = Look(GREEN)
NOT_READY = Look(AMBER, 0.22, over=1)
GOING = Look(RED, 0.22, over=2)
FINISHED = Look(GREY, 0.14)
ADDED = Look(GREY, over=3, symbol="line-ns-open", size=10)
DELETED = Look(RED, over=4, symbol="x", size=8)
KEY = (("ready", READY), ("not ready", NOT_READY), ("terminating", GOING), ("deleted", DELETED))
WORDS = {READY: "ready", NOT_READY: "not ready", GOING: "terminating", FINISHED: "finished"}


@dataclass(frozen=True)
class Pod:
    """One pod by its uid, and what was seen of it."""

    component: str
    name: str
    events: tuple[Event, ...]
    until: int

    @property
    def start(self) -> int:
        return self.events[0].t

    @property
    def end(self) -> int:
        return self.events[-1].t if self.events[-1].what == "deleted" else self.until


def band(history: History) -> Band:
    """Components that were hit come first."""
    seen: dict[str, list[Pod]] = {}
    for pod in _pods(history):
        seen.setdefault(pod.component, []).append(pod)
    hit = {str(fault.target.get("component")) for fault in history.faults}
    lanes: list[Lane] = []
    for component in sorted(seen, key=lambda name: (name not in hit, name)):
        lanes += _lanes(component, seen[component], history.last_t)
    return Band("Pods", tuple(lanes), KEY)


def _pods(history: History) -> list[Pod]:
    found: dict[str, list[Event]] = {}
    for event in history.events:
        if event.source == "pod":
            found.setdefault(event.uid or event.object, []).append(event)
    pods = [
        Pod(
            component=str(events[0].value.get("component") or "?"),
            name=events[0].object.rsplit("/", 1)[-1],
            events=tuple(events),
            until=history.last_t,
        )
        for events in found.values()
    ]
    return sorted(pods, key=lambda pod: (pod.start, pod.name))


def _lanes(component: str, pods: list[Pod], last_t: int) -> list[Lane]:
    if len(pods) <= MOST_NAMED:
        return [Lane(pod.name, tuple(_bars(pod, 0)), tuple(_points(pod, 0, last_t))) for pod in pods]
    places = rows([(pod.start, pod.end) for pod in pods], MOST_ROWS)
    both = list(zip(pods, places, strict=True))
    bars = tuple(bar for pod, row in both for bar in _bars(pod, row))
    points = tuple(point for pod, row in both for point in _points(pod, row, last_t))
    return [Lane(f"{component}: {len(pods)} pods", bars, points)]


def _bars(pod: Pod, row: int) -> list[Bar]:
    """From each event to the next; what stayed as it was is one bar."""
    bars: list[Bar] = []
    ends = [event.t for event in pod.events[1:]] + [pod.end]
    for event, end in zip(pod.events, ends, strict=True):
        look = _look(event)
        if event.what == "deleted":
            break
        start = event.t
        if bars and bars[-1].look is look:
            start = bars.pop().start
        said = f"{pod.name} on {event.value.get('node') or 'no node'}\n{WORDS[look]}, {lasting(start, end)}"
        bars.append(Bar(start, end, look, f"{said}{_more(event)}", row))
    return bars


def _look(event: Event) -> Look:
    if event.value.get("deleting") is True:
        return GOING
    if event.value.get("phase") == "Succeeded":
        return FINISHED
    return READY if event.value.get("ready") is True else NOT_READY


def _points(pod: Pod, row: int, last_t: int) -> list[Point]:
    """When it came, where that was seen, and when it went."""
    first, last = pod.events[0], pod.events[-1]
    points = []
    if _look(first) is NOT_READY and first.t < last_t:
        points.append(Point(first.t, ADDED, f"{pod.name} added at {first.t / 1e9:.2f} s", row))
    if last.what == "deleted":
        points.append(Point(last.t, DELETED, f"{pod.name} deleted at {last.t / 1e9:.2f} s{_more(last)}", row))
    return points


def _more(event: Event) -> str:
    """Restarts and the exit code, where there is one."""
    restarts, code = event.value.get("restarts"), event.value.get("exit_code")
    return (f"\nrestarts: {restarts}" if restarts else "") + (f"\nexit code: {code}" if code is not None else "")
