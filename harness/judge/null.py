"""Did a run without a fault stay without one? Whatever went wrong in it would be taken for the noise floor."""

from __future__ import annotations

from collections import Counter

from harness.history import Event, History
from harness.judge.checks import plain, some, when
from harness.outcome import Check, Verdict


def check(name: str, history: History) -> Check:
    """PASS where nothing was broken, and nothing broke of itself."""
    if history.faults:
        first = history.faults[0]
        why = f"Nothing was to be broken, but {first.action} was at work {when(first.t, None)}."
        return plain(name, Verdict.INVALID, why)
    components = history.meta.replicas if history.meta else {}
    pods = [e for e in history.events if e.source == "pod" and _component(e) in components]
    watched = Counter(component for component, _ in {(_component(e), e.uid) for e in pods})
    unseen = [f"{watched[c]} of {n} {c} pods" for c, n in sorted(components.items()) if watched[c] < n]
    if unseen or not components:
        return plain(name, Verdict.INVALID, f"Not all pods were watched: {some(unseen) or 'no component is known'}.")
    if lost := _lost(pods):
        return plain(name, Verdict.INVALID, f"Nothing was to be broken, but {lost}.")
    count = len({e.uid for e in pods})
    return plain(name, Verdict.PASS, f"Nothing was broken, and nothing broke: {count} pods stayed as they were.")


def _lost(pods: list[Event]) -> str | None:
    """The first pod that did not stay as it was seen first."""
    first: dict[str | None, Event] = {}
    for event in pods:
        was = first.setdefault(event.uid, event)
        if event.what == "deleted" or event.value.get("deleting") is True:
            return f"{event.object} was deleted {when(event.t, None)}"
        if event.value.get("ready") is not True:
            return f"{event.object} was not Ready {when(event.t, None)}"
        if event.value.get("restarts") != was.value.get("restarts"):
            return f"{event.object} was restarted {when(event.t, None)}"
    return None


def _component(event: Event) -> str:
    return str(event.value.get("component"))
