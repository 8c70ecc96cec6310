"""Did a run without a fault stay without one? Whatever broke on its own is a broken promise."""

from __future__ import annotations

import math
from collections import Counter

from harness.history import Event, History
from harness.judge.checks import plain, some, when
from harness.judge.faults import by_keda, planned
from harness.outcome import Check, Verdict
from harness.slo import Bound

HEALTHY = "healthy.pods"
OVER = frozenset({"Succeeded", "Failed"})


def check(name: str, history: History) -> Check:
    """Whether nothing was broken, and somebody watched."""
    if history.faults:
        first = history.faults[0]
        why = f"Nothing was to be broken, but {first.action} was at work {when(first.t, None)}."
        return plain(name, Verdict.INVALID, why)
    components = history.meta.replicas if history.meta else {}
    watched = Counter(component for component, _ in {(_component(e), e.uid) for e in _pods(history)})
    unseen = [f"{watched[c]} of {n} {c} pods" for c, n in sorted(components.items()) if watched[c] < n]
    if unseen or not components:
        return plain(name, Verdict.INVALID, f"Not all pods were watched: {some(unseen) or 'no component is known'}.")
    return plain(name, Verdict.PASS, "Nothing was to be broken, nothing was, and every pod was watched.")


def healthy(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Where nothing is to be broken, each pod must stay as it was; this needs no bound."""
    if planned(history):
        return ()
    pods = _pods(history)
    if why := lost(history):
        return (plain(HEALTHY, Verdict.FAIL, f"Nothing was broken, and yet {why}."),)
    if not pods:
        return (plain(HEALTHY, Verdict.INVALID, "No pod was watched."),)
    count = len({e.uid for e in pods})
    return (plain(HEALTHY, Verdict.PASS, f"Nothing was broken, and nothing broke: {count} pods stayed as they were."),)


def _pods(history: History) -> list[Event]:
    """What was seen of the stack's own pods, except those that were over before the run began."""
    components = history.meta.replicas if history.meta else {}
    pods = [e for e in history.seen("pod") if _component(e) in components]
    first: dict[str | None, Event] = {}
    for event in pods:
        first.setdefault(event.uid, event)
    return [event for event in pods if first[event.uid].value.get("phase") not in OVER]


def lost(history: History, until: float = math.inf) -> str | None:
    """The first pod that did not stay as it was first seen, until this time.

    A pod that KEDA adds and removes need not be Ready before it first is, nor on its way out.
    """
    first: dict[str | None, Event] = {}
    served: set[str | None] = set()
    free = by_keda(history)
    for event in (e for e in _pods(history) if e.t < until):
        was = first.setdefault(event.uid, event)
        scaled, going = _component(event) in free, event.what == "deleted" or event.value.get("deleting") is True
        if going and not scaled:
            return f"{event.object} was deleted {when(event.t, None)}"
        if event.value.get("ready") is not True and not (scaled and (going or event.uid not in served)):
            return f"{event.object} was not Ready {when(event.t, None)}"
        if event.value.get("restarts") != was.value.get("restarts"):
            return f"{event.object} was restarted {when(event.t, None)}"
        served |= {event.uid} if event.value.get("ready") is True else set()
    return None


def _component(event: Event) -> str:
    return str(event.value.get("component"))
