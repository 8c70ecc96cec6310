"""Does each replica do its share of the work? Ready is what a pod says of itself; what it did is in the record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from harness.history import NS, Event, History, Mark, grouped
from harness.judge.checks import amount, measured, plain, some, unknown, when, worst_of
from harness.judge.faults import SCHEDULER, WORKER, fault_time, judged_from, planned, serves, span
from harness.judge.observers import JOBS, PODS, blind, unread_ledger, unseen
from harness.outcome import Check, Verdict, Window
from harness.slo import Bound

SPREAD = "redundancy.spread"
COMPONENTS = {
    "redundancy.webservers": "api-server",
    "redundancy.ingress": "ingress",
    "redundancy.schedulers": "scheduler",
    "redundancy.workers": "worker",
    "redundancy.triggerers": "triggerer",
}
BEATS_WITHIN_NS = 15 * NS  # it beats every 5 s, from before it is Ready
ENOUGH = 2  # fewer are no redundancy

Span = tuple[int, int]


@dataclass(frozen=True)
class _Scene:
    """The part of a run that is looked at: nothing is broken in it, and there is a load."""

    history: History
    since: int
    until: int
    fault: int | None

    def pods(self, component: str) -> list[tuple[Event, ...]]:
        """What was seen of each pod until the end of this part."""
        own = (e for e in self.history.seen("pod") if e.value.get("component") == component and e.t <= self.until)
        return list(grouped(own, lambda event: event.uid or event.object).values())


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Missing redundancy makes the run INVALID before the fault, and FAIL after the recovery."""
    return tuple(_judge(history, bounds[name]) for name in (*COMPONENTS, SPREAD) if name in bounds)


def _judge(history: History, bound: Bound) -> Check:
    before, after = _before(history), _after(history)
    if planned(history):
        if before is None:
            return unknown(bound, "There is no baseline to be redundant in")
        ground = _look(before, bound)
        if ground.verdict is not Verdict.PASS:
            said = f"The ground was not redundant before the fault: {ground.because}"
            return ground.model_copy(update={"verdict": Verdict.INVALID, "because": said})
    if after is None:
        return unknown(bound, "It is not known whether, and from when on, everything was whole again")
    return _look(after, bound)


def _before(history: History) -> _Scene | None:
    baseline, until = span(history, "baseline"), judged_from(history)
    return _Scene(history, baseline[0], until, fault_time(history)) if baseline and until is not None else None


def _after(history: History) -> _Scene | None:
    """From when the undo found the cluster whole until the load ends; all of the load in a run without a fault."""
    recovery = span(history, "recovery")
    if not planned(history):
        since = judged_from(history)
    else:
        since = max((f.t for f in history.faults if f.phase == "rolled-back"), default=None)
    if recovery is None or since is None or since >= recovery[1]:
        return None
    return _Scene(history, since, recovery[1], fault_time(history))


def _look(scene: _Scene, bound: Bound) -> Check:
    """No replica is blamed for what nobody could see."""
    found = _spread(scene, bound) if bound.name == SPREAD else _shared(scene, bound, COMPONENTS[bound.name])
    if found.verdict is not Verdict.PASS and (why := _unseen(scene, COMPONENTS.get(bound.name))):
        return unknown(bound, f"{why}, so nobody knows what each replica did, and where")
    return found


def _shared(scene: _Scene, bound: Bound, component: str) -> Check:
    pods = [events for events in scene.pods(component) if serves(events[-1])]
    if len(pods) < ENOUGH:
        return _alone(scene, bound, component, len(pods))
    if component == SCHEDULER and (nameless := _nameless(scene, pods)):
        why = f"{some(nameless)}: Ready, and no job of a scheduler beats under its name, so nobody misses it."
        return _plain(bound, why)
    return worst_of(_idle(scene, bound, _at_work(scene, component, events), events) for events in pods)


def _alone(scene: _Scene, bound: Bound, component: str, count: int) -> Check:
    """A single replica, or none, shares its work with nobody; no measure in seconds says that."""
    why = f"{count} {component} was Ready {when(scene.until, scene.fault)}; fewer than {ENOUGH} are no redundancy."
    return _plain(bound, why)


def _plain(bound: Bound, why: str) -> Check:
    return plain(bound.name, Verdict.FAIL, why).model_copy(update={"limit": bound.limit, "origin": bound.origin})


def _nameless(scene: _Scene, pods: list[tuple[Event, ...]]) -> list[str]:
    """Schedulers that were Ready long enough to beat, but did not under their own name; none if nobody listened all the
    time."""
    if unseen(scene.history, JOBS, 0, scene.until):
        return []
    beats = [e for e in scene.history.seen("job") if e.what == "heartbeat" and e.t <= scene.until]
    names = {e.value.get("hostname") for e in beats}
    old = [
        events[-1].object
        for events in pods
        if any(end - begin >= BEATS_WITHIN_NS for begin, end in _ready(scene, events))
    ]
    return sorted(name for name in old if names and name.rsplit("/", 1)[-1] not in names)


def _idle(scene: _Scene, bound: Bound, busy: list[Span], events: tuple[Event, ...]) -> Check:
    """The longest that a pod was Ready and did nothing. One never seen at work may have been about to start, so its
    stretch is a lower limit."""
    name = events[-1].object
    stretches = [gap for ready in _ready(scene, events) for gap in _gaps(ready, busy)]
    longest = max(stretches, key=lambda gap: gap[1] - gap[0], default=(scene.until, scene.until))
    did = any(end >= scene.since and start <= scene.until for start, end in busy)
    return measured(
        bound,
        (longest[1] - longest[0]) / NS,
        f"{name} was Ready and did nothing for",
        f", {when(longest[0], scene.fault)}" + ("" if did else ", and was never seen at work"),
        whole=did,
        windows=[Window(start=longest[0], end=longest[1], what=f"{name} did nothing")],
    )


def _ready(scene: _Scene, events: tuple[Event, ...]) -> list[Span]:
    """The stretches of this part in which a pod was Ready."""
    edges = [*((e.t, serves(e)) for e in events), (scene.until, False)]
    spans = [(max(t, scene.since), until) for (t, up), (until, _) in pairwise(edges) if up]
    return _joined(stretch for stretch in spans if stretch[1] > stretch[0])


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _gaps(ready: Span, busy: list[Span]) -> list[Span]:
    """The parts of a stretch that no work covers."""
    gaps: list[Span] = []
    at = ready[0]
    for start, end in busy:
        if start > at and at < ready[1]:
            gaps.append((at, min(start, ready[1])))
        at = max(at, end)
    return [*gaps, (at, ready[1])] if at < ready[1] else gaps


def _at_work(scene: _Scene, component: str, events: tuple[Event, ...]) -> list[Span]:
    """When a pod was at work, in order: workers by the ledger, all others by when their logs spoke of this run."""
    last = events[-1]
    if component == WORKER:
        return _joined(_tasks(scene.history, last.object.rsplit("/", 1)[-1]))
    said = [e.t for e in scene.history.seen("endpoint") if e.what == "worked" and e.uid == last.uid]
    return [(t, t) for t in said]


def _tasks(history: History, host: str) -> list[Span]:
    """From each start on this host to its end here. While a task is deferred, no worker is at work on it."""
    ends = {_attempt(mark): mark for mark in history.marks if mark.mark == "end" and mark.executor_host == host}
    spans = [(end.t, end.t) for end in ends.values() if end.resumed]
    for mark in history.marks:
        if mark.mark == "start" and mark.executor_host == host:
            end = ends.get(_attempt(mark))
            spans.append((mark.t, mark.t if end is None or end.resumed else max(mark.t, end.t)))
    return spans


def _attempt(mark: Mark) -> tuple[str, str, int, int]:
    return mark.dag_run, mark.task, mark.map_index, mark.try_


def _unseen(scene: _Scene, component: str | None) -> str | None:
    """Why it is not known what the pods of a component did; without a component, where any pods were."""
    if gaps := unseen(scene.history, PODS, scene.since, scene.until):
        return f"Pods could not be followed for {amount(sum(b - a for a, b in gaps) / NS, 's')}"
    if component is None:
        return None
    if component == WORKER:
        return "Marks of tasks are missing from the ledger" if unread_ledger(scene.history) else None
    if not any(e.what == "worked" and e.value.get("component") == component for e in scene.history.events):
        return f"No log of any {component} was seen to speak of this run"
    gone = blind(scene.history, "logs of", scene.since)
    return f"Logs could not be read for {amount((gone[1] - gone[0]) / NS, 's')}" if gone else None


def _spread(scene: _Scene, bound: Bound) -> Check:
    """Components whose pods are all on one node when the load ends."""
    replicas = scene.history.meta.replicas if scene.history.meta else {}
    together: list[str] = []
    for component in sorted(name for name, wanted in replicas.items() if wanted >= ENOUGH):
        last = [events[-1] for events in scene.pods(component) if serves(events[-1])]
        nodes = {str(event.value.get("node")) for event in last}
        if len(last) >= ENOUGH and len(nodes) == 1:
            together.append(f"all {len(last)} of {component} on {nodes.pop()}")
    if not replicas:
        return unknown(bound, "The history does not say what there was")
    names = f" ({some(together)})" if together else ""
    return measured(bound, len(together), f"At {when(scene.until, scene.fault)}, components on a single node:", names)
