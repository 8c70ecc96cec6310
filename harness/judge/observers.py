"""What the observers say of themselves: what one could not see must not pass for something that did not happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.history import NS, Event, History
from harness.judge.checks import some

PROBER = "prober"
LEDGER = "ledger"
PODS, JOBS, MARKS, RUNS = ("watcher", "pods of"), ("watcher", "scheduler jobs"), (LEDGER, ""), ("runs of", "")
TOLD_WITHIN = 5 * NS  # an observer waits this long for an answer before it says that it sees nothing
WRITER = "writer"  # the workload that records each first try of a trigger as a sample


def unheard(history: History) -> list[str]:
    """Observers that did not end well, or were blind when the run ended."""
    events = history.seen("probe")
    started = Counter(e.object for e in events if e.what == "started")
    stopped = Counter(e.object for e in events if e.what == "stopped")
    reasons = [f"the {who} started and never said that it stopped" for who in sorted(started - stopped)]
    for event in events:
        if event.what == "stopped":
            reasons += _partial(event)
    reasons += [
        f"the {gap.who} could not follow {gap.part} to the end: {gap.why}"
        for gap in history.once(_gaps)
        if gap.until is None
    ]
    return reasons + _marks(history, events)


def unread_ledger(history: History) -> list[str]:
    """Why marks of the ledger may be missing."""
    events = [e for e in history.seen("probe") if e.object == LEDGER]
    return [why for e in events if e.what == "stopped" for why in _partial(e)] + _marks(history, events)


def _marks(history: History, events: Sequence[Event]) -> list[str]:
    kept, there = _total(events, LEDGER, "marks"), len(history.marks) + len(history.scheduled_marks)
    if kept is None or kept == there:
        return []
    return [f"the ledger's reader recorded {kept} marks, and {there} are in the history"]


def unsampled(history: History) -> list[str]:
    """Why samples may be missing: a prober must record all that was due, and all must still be there."""
    events = [e for e in history.seen("probe") if e.object == PROBER]
    reasons = []
    for stop in (e for e in events if e.what == "stopped"):
        due, recorded = stop.value.get("due"), stop.value.get("recorded")
        if not isinstance(due, int) or not isinstance(recorded, int):
            reasons.append("the prober does not say how many samples were due, and how many it recorded")
        elif due != recorded:
            reasons.append(f"the prober recorded {recorded} of {due} due samples")
    kept, there = _total(events, PROBER, "recorded"), len(history.samples)
    asked = sum(op.process == WRITER and op.f == "trigger" and op.type == "invoke" for op in history.ops)
    if kept is not None and kept + asked != there:
        writes = f" and the writer {asked}" if asked else ""
        reasons.append(f"the prober recorded {kept} samples{writes}, and {there} are in the history")
    return reasons


def blind(history: History, part: str, since: int) -> tuple[int, int] | None:
    """The longest stretch after `since` in which an observer could not follow a part (any whose name begins so)."""
    gaps = [gap for gap in history.once(_gaps) if gap.part.startswith(part)]
    spans = [(gap.since, history.last_t if gap.until is None else gap.until) for gap in gaps]
    return max((span for span in spans if span[1] > since), key=lambda span: span[1] - span[0], default=None)


def unseen(history: History, observer: tuple[str, str], since: int, until: int) -> list[tuple[int, int]]:
    """The stretches that an observer did not see, clipped to [since, until), the earliest first.

    `observer`: what its name and the name of its part begin with. A gap begins before it is reported.
    """
    who, part = observer
    events = history.seen("probe")
    gaps = [gap for gap in history.once(_gaps) if gap.who.startswith(who) and gap.part.startswith(part)]
    spans = [(gap.since - TOLD_WITHIN, history.last_t if gap.until is None else gap.until) for gap in gaps]
    if observer == MARKS:
        spans += _unread_spans(history, events)
    clipped = [(max(a, since), min(b, until)) for a, b in spans]
    return sorted((a, b) for a, b in clipped if a < b)


def lost_sight(history: History, observer: tuple[str, str]) -> bool:
    """Whether an observer was blind when the history ended."""
    return any(until >= history.last_t for _, until in unseen(history, observer, 0, history.last_t))


def _unread_spans(history: History, events: Sequence[Event]) -> list[tuple[int, int]]:
    """A stream is read in order, so what was left unread comes last; what was read and then lost may be anywhere."""
    if _marks(history, events):
        return [(0, history.last_t)]
    if any(_partial(e) for e in events if e.object == LEDGER and e.what == "stopped"):
        last = max((mark.t for mark in (*history.marks, *history.scheduled_marks)), default=0)
        return [(last, history.last_t)]
    return []


@dataclass(frozen=True)
class _Gap:
    """A stretch in which an observer could not follow a part; `until` is None if it lasted to the end."""

    who: str
    part: str
    since: int
    until: int | None
    why: str


def _gaps(history: History) -> list[_Gap]:
    """From an error to the recovery from it. Of several errors, the last says why."""
    begun: dict[tuple[str, str], _Gap] = {}
    over: list[_Gap] = []
    for event in history.seen("probe"):
        key = (event.object, str(event.value.get("of", "something")))
        if event.what == "error":
            why = str(event.value.get("error", "it does not say what"))
            begun[key] = _Gap(*key, begun[key].since if key in begun else event.t, None, why)
        elif event.what == "recovered" and key in begun:
            over.append(replace(begun.pop(key), until=event.t))
    return over + list(begun.values())


def _partial(stop: Event) -> list[str]:
    if stop.value.get("complete") is False:
        return [f"the {stop.object} stopped before it had read everything"]
    if left := stop.value.get("still_running"):
        parts = some(map(str, left)) if isinstance(left, list) else left
        return [f"the {stop.object} stopped while parts of it were still at work: {parts}"]
    return []


def _total(events: Sequence[Event], who: str, what: str) -> int | None:
    """How much it says in the end that it recorded, or None if it does not say."""
    values = [e.value.get(what) for e in events if e.object == who and e.what == "stopped"]
    counts = [v for v in values if isinstance(v, int)]
    return sum(counts) if counts else None
