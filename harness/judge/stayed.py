"""Did what had recovered stay so to the end? By pods, nodes and scheduler jobs as they were seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from harness.history import NS, Event, History
from harness.judge.checks import when
from harness.judge.faults import fault_time, serves, targets
from harness.judge.observers import JOBS, PODS, lost_sight, unseen

DELAY = 5 * NS  # an undo looks on for so long; by then what it read must have reached the watcher
AWAY = 5 * NS  # no probe looks more often, so that nobody misses a pod that went in a shorter gap of the watch
SILENT = 30 * NS  # Airflow's own scheduler_health_check_threshold
NODES = ("watcher", "nodes")
WORKER = "worker"

Step = tuple[int, int]


def went_again(history: History, expected: Mapping[str, int], since: int) -> str | None:
    """What did not stay as the undo had found it at `since`, or None."""
    settled = since + DELAY
    for component, count in expected.items():
        steps = _steps(history, component)
        if why := _short(history, component, count, steps, _full(steps, count, since), settled):
            return why
        if why := _restarted(history, component, settled):
            return why
        if steps and count and steps[-1][1] > count and not _by_keda(history, component):
            return f"at the end of the run {steps[-1][1]} {component} pods were Ready, and {count} are as before"
    return _node_away(history, settled)


def contradicted(history: History, expected: Mapping[str, int], since: int) -> str | None:
    """What cannot be true beside an undo that found all as before at `since`, or what nobody could see; else None."""
    for component, count in expected.items():
        full = _full(_steps(history, component), count, since)
        if full is not None and full > since + DELAY:
            return f"not all {component} pods were seen Ready until {when(full, fault_time(history))}"
    long = [b - a for who in (PODS, NODES) for a, b in unseen(history, who, since, history.last_t) if b - a > AWAY]
    if long:
        return f"nobody could look for {max(long) / NS:.1f} s whether it stayed so"
    stray = [e for e in _away(history) if e.object not in _stopped(history) and not _control_plane_hit(history)]
    return f"{stray[0].object} was not Ready {when(stray[0].t, fault_time(history))}, by no fault" if stray else None


def still_there(history: History) -> str | None:
    """Which pod is proved gone, and was seen Ready to the end; or None."""
    last = {e.uid: e for e in history.events if e.source == "pod"}
    gone = [target for target in targets(history) if target.said.get("uid_gone") is True and target.uid in last]
    return next(
        (f"{t.name}, which is proved gone, was seen Ready to the end" for t in gone if serves(last[t.uid])), None
    )


def whole_from(history: History, expected: Mapping[str, int], since: int) -> int:
    """When the last pod and node was seen back: at `since`, or later by an observer's delay.

    A node that was off is back when it is Ready, whatever its pods do elsewhere.
    """
    full = [_full(_steps(history, component), count, since) for component, count in expected.items()]
    last = {e.object: e for e in history.events if e.source == "node" and e.object in _stopped(history)}
    return max([since, *(t for t in full if t is not None), *(e.t for e in last.values() if e.what == "ready")])


def short(history: History, component: str, count: int, since: int, *, without: Iterable[str | None]) -> str | None:
    """The first time from `since` on that fewer pods than `count` were Ready, not counting those `without`."""
    steps = _steps(history, component, without)
    return _short(history, component, count, steps, since, since)


def beating(history: History, old: Iterable[str]) -> str | None:
    """Which scheduler job that is not `old`, and had beaten, was silent or not running at the end; or None."""
    jobs = [e for e in history.events if e.source == "job" and e.object not in set(old)]
    beats = {e.object: e for e in jobs if e.what == "heartbeat"}
    states = {e.object: e.value.get("state") for e in jobs}
    stops = [e.t for e in history.events if e.source == "probe" and e.object == "watcher" and e.what == "stopped"]
    until = min(stops, default=history.last_t)
    for name, beat in beats.items():
        if states[name] != "running":
            return f"{name} was marked {states[name]}"
        if until - beat.t > SILENT and not unseen(history, JOBS, beat.t, until):
            return f"{name} was silent for the last {(until - beat.t) / NS:.1f} s"
    return None


def running_again(history: History, dead: Iterable[str], since: int) -> str | None:
    """Which of the dead jobs was seen running after it had been seen to be no longer so; or None."""
    over: set[str] = set()
    for event in history.events:
        if event.source == "job" and event.object in set(dead) and event.t > since:
            if event.value.get("state") != "running":
                over.add(event.object)
            elif event.object in over:
                return f"{event.object} was marked running again {when(event.t, since)}"
    return None


def _steps(history: History, component: str, without: Iterable[str | None] = ()) -> list[Step]:
    """How many pods of a component were Ready from when on; none where no pod of it was seen."""
    left_out, ready, steps = set(without), set[str | None](), list[Step]()
    for event in history.events:
        if event.source == "pod" and event.value.get("component") == component and event.uid not in left_out:
            (ready.add if serves(event) else ready.discard)(event.uid)
            steps.append((event.t, len(ready)))
    return steps


def _full(steps: list[Step], count: int, since: int) -> int | None:
    """From when on, from `since`, `count` were Ready; None where nothing was seen, or it never was so."""
    before = [ready for t, ready in steps if t <= since]
    if before and before[-1] >= count:
        return since
    return next((t for t, ready in steps if t > since and ready >= count), None)


def _short(history: History, component: str, count: int, steps: list[Step], full: int | None, since: int) -> str | None:
    """The first time that fewer than `count` were Ready, from when they had all been so, and from `since` on.

    What was missed in a gap of the watch is told one by one when it ends, so that counts within it are none.
    """
    gaps = unseen(history, PODS, since, history.last_t)
    if steps and steps[-1][1] < count and not lost_sight(history, PODS):
        return f"at the end of the run {steps[-1][1]} of {count} {component} pods were Ready"
    if full is None:
        return None
    for (t, ready), (until, _) in pairwise([*steps, (history.last_t, 0)]):
        begun = max(t, full, since)
        hidden = any(a <= begun and until <= b + NS for a, b in gaps)
        if ready < count and begun < until and not hidden:
            return f"{ready} of {count} {component} pods were Ready {when(begun, fault_time(history))}"
    return None


def _restarted(history: History, component: str, since: int) -> str | None:
    counts: dict[str | None, object] = {}
    for event in history.events:
        if event.source == "pod" and event.value.get("component") == component:
            restarts = event.value.get("restarts")
            if event.t > since and restarts != counts.setdefault(event.uid, restarts):
                return f"{event.object} was restarted {when(event.t, fault_time(history))}"
            counts[event.uid] = restarts
    return None


def _node_away(history: History, since: int) -> str | None:
    """A node that a fault had off may come back after its pods are whole elsewhere; once back, it must stay."""
    nodes: dict[str, list[Event]] = {}
    for event in history.events:
        if event.source == "node":
            nodes.setdefault(event.object, []).append(event)
    for name, seen in nodes.items():
        if seen[-1].what == "not-ready":
            return f"at the end of the run {name} was not Ready"
        back = [e.t for e in seen if e.what == "ready" and e.t > since] if name in _stopped(history) else [since]
        if again := [e for e in seen if e.what == "not-ready" and back and e.t > back[0]]:
            return f"{name} was not Ready {when(again[0].t, fault_time(history))}"
    return None


def _away(history: History) -> list[Event]:
    return [e for e in history.events if e.source == "node" and e.what == "not-ready"]


def _stopped(history: History) -> set[str]:
    """The nodes that a fault had off."""
    steps = [f for f in history.faults if f.action == "stop_node"]
    return {str(name) for f in steps for name in (f.target.get("node"), f.evidence.get("node")) if name}


def _control_plane_hit(history: History) -> bool:
    """Whether it was hit who hears the nodes: it may miss them all for a while."""
    return any(target.component.startswith("kube-") for target in targets(history))


def _by_keda(history: History, component: str) -> bool:
    """Workers that KEDA adds and takes away as it likes."""
    return component == WORKER and history.meta is not None and history.meta.stack.startswith("celery-keda")
