"""What the observers say of themselves: what one of them could not see must not be taken for something that was not."""

from __future__ import annotations

from collections import Counter

from harness.history import Event, History
from harness.judge.checks import some

PROBER = "prober"
LEDGER = "ledger"


def unheard(history: History) -> list[str]:
    """Observers that did not end well, or were blind when the run ended."""
    events = [e for e in history.events if e.source == "probe"]
    started = Counter(e.object for e in events if e.what == "started")
    stopped = Counter(e.object for e in events if e.what == "stopped")
    reasons = [f"the {who} started and never said that it stopped" for who in sorted(started - stopped)]
    for event in events:
        if event.what == "stopped":
            reasons += _partial(event)
    open_errors: dict[tuple[str, str], str] = {}
    for event in events:
        key = (event.object, str(event.value.get("of", "something")))
        if event.what == "error":
            open_errors[key] = str(event.value.get("error", "it does not say what"))
        elif event.what == "recovered":
            open_errors.pop(key, None)
    reasons += [f"the {who} could not follow {part} to the end: {why}" for (who, part), why in open_errors.items()]
    kept = _total(events, LEDGER, "marks")
    if kept > len(history.marks):
        reasons.append(f"the ledger's reader recorded {kept} marks, of which {len(history.marks)} are in the history")
    return reasons


def unsampled(history: History) -> list[str]:
    """Samples that a prober owes: all that was due is recorded, and is still there."""
    events = [e for e in history.events if e.source == "probe" and e.object == PROBER]
    reasons = []
    for stop in (e for e in events if e.what == "stopped"):
        due, recorded = stop.value.get("due"), stop.value.get("recorded")
        if not isinstance(due, int) or due != recorded:
            reasons.append(f"the prober recorded {recorded} of {due} due samples")
    kept = _total(events, PROBER, "recorded")
    if kept > len(history.samples):
        reasons.append(f"the prober recorded {kept} samples, of which {len(history.samples)} are in the history")
    return reasons


def _partial(stop: Event) -> list[str]:
    if stop.value.get("complete") is False:
        return [f"the {stop.object} stopped before it had read everything"]
    if left := stop.value.get("still_running"):
        parts = some(map(str, left)) if isinstance(left, list) else left
        return [f"the {stop.object} stopped while parts of it were still at work: {parts}"]
    return []


def _total(events: list[Event], who: str, what: str) -> int:
    values = [e.value.get(what) for e in events if e.object == who and e.what == "stopped"]
    return sum(v for v in values if isinstance(v, int))
