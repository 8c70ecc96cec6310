"""Did what had recovered stay so to the end? Judged by what was seen of pods, nodes and scheduler jobs."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from operator import itemgetter

from harness.history import NS, Event, History, grouped
from harness.judge.checks import when
from harness.judge.faults import NODE_OFF, by_keda, fault_time, serves, targets
from harness.judge.observers import JOBS, PODS, lost_sight, unseen

DELAY = 5 * NS  # an undo keeps looking this long; by then, what it read must have reached the watcher
AWAY = 5 * NS  # no probe looks more often, so nobody misses a pod that went in a shorter gap
SILENT = 30 * NS  # Airflow's own scheduler_health_check_threshold
NODES = ("watcher", "nodes")

Step = tuple[int, int]


@dataclass(frozen=True)
class Aftermath:
    """What was seen of pods and nodes after a fault's undo, which found everything as before at `since`."""

    history: History

    def went_again(self, expected: Mapping[str, int], since: int) -> str | None:
        """What did not stay as the undo had found it, or None."""
        settled = since + DELAY
        for component, count in expected.items():
            steps = self._steps[component]
            if why := _short(self.history, component, count, steps, _full(steps, count, since), settled):
                return why
            if again := next((event for event in self._restarts[component] if event.t > settled), None):
                return f"{again.object} was restarted {when(again.t, self._fault)}"
            if steps and count and steps[-1][1] > count and component not in by_keda(self.history):
                return f"at the end of the run {steps[-1][1]} {component} pods were Ready, and {count} are as before"
        return self._node_away(settled)

    def contradicted(self, expected: Mapping[str, int], since: int) -> str | None:
        """What contradicts the undo's finding, or what nobody could see; else None."""
        for component, count in expected.items():
            full = _full(self._steps[component], count, since)
            if full is not None and full > since + DELAY:
                return f"not all {component} pods were seen Ready until {when(full, self._fault)}"
        gaps = (gap for who in (PODS, NODES) for gap in unseen(self.history, who, since, self.history.last_t))
        if long := [b - a for a, b in gaps if b - a > AWAY]:
            return f"nobody could look for {max(long) / NS:.1f} s whether it stayed so"
        return self._stray

    def whole_from(self, expected: Mapping[str, int], since: int) -> int:
        """When the last pod and node were seen back: at `since`, or later by an observer's delay.

        A node that was off is back when it is Ready, whatever its pods do elsewhere.
        """
        full = [_full(self._steps[component], count, since) for component, count in expected.items()]
        last = [seen[-1] for name, seen in self._nodes.items() if name in self._stopped]
        return max([since, *(t for t in full if t is not None), *(e.t for e in last if e.what == "ready")])

    @cached_property
    def still_there(self) -> str | None:
        """Which pod is proved gone, yet was seen Ready to the end; or None."""
        gone = [target for target in targets(self.history) if target.said.get("uid_gone") is True]
        there = (t.name for t in gone if any(map(serves, self.history.of_pod(t.uid)[-1:])))
        return next((f"{name}, which is proved gone, was seen Ready to the end" for name in there), None)

    def _node_away(self, since: int) -> str | None:
        """A node that a fault switched off may come back after its pods are Ready elsewhere; then it must stay."""
        for name, seen in self._nodes.items():
            if seen[-1].what == "not-ready":
                return f"at the end of the run {name} was not Ready"
            back = [e.t for e in seen if e.what == "ready" and e.t > since] if name in self._stopped else [since]
            if again := [e for e in seen if e.what == "not-ready" and back and e.t > back[0]]:
                return f"{name} was not Ready {when(again[0].t, self._fault)}"
        return None

    @cached_property
    def _fault(self) -> int | None:
        return fault_time(self.history)

    @cached_property
    def _steps(self) -> Mapping[str, list[Step]]:
        pods = grouped(self.history.seen("pod"), _component)
        return defaultdict(list, {component: _steps(seen) for component, seen in pods.items()})

    @cached_property
    def _restarts(self) -> Mapping[str, tuple[Event, ...]]:
        """The first sight of each container restart, by component."""
        again: list[Event] = []
        counts: dict[tuple[str, str | None], object] = {}
        for event in self.history.seen("pod"):
            pod, restarts = (_component(event), event.uid), event.value.get("restarts")
            if restarts != counts.setdefault(pod, restarts):
                again.append(event)
            counts[pod] = restarts
        return defaultdict(tuple, grouped(again, _component))

    @cached_property
    def _nodes(self) -> dict[str, tuple[Event, ...]]:
        return grouped(self.history.seen("node"), lambda event: event.object)

    @cached_property
    def _stopped(self) -> set[str]:
        """The nodes that a fault switched off."""
        steps = [f for f in self.history.faults if f.action == NODE_OFF]
        return {str(name) for f in steps for name in (f.target.get("node"), f.evidence.get("node")) if name}

    @cached_property
    def _stray(self) -> str | None:
        """A node that was away by no fault. If whoever hears the nodes was hit, it may miss them all for a while."""
        away = [e for e in self.history.seen("node") if e.what == "not-ready" and e.object not in self._stopped]
        if not away or any(target.component.startswith("kube-") for target in targets(self.history)):
            return None
        return f"{away[0].object} was not Ready {when(away[0].t, self._fault)}, by no fault"


def short(history: History, component: str, count: int, since: int, *, without: Iterable[str | None]) -> str | None:
    """The first time from `since` on that fewer pods than `count` were Ready, leaving out those in `without`."""
    left_out = set(without)
    own = (e for e in history.seen("pod") if e.value.get("component") == component and e.uid not in left_out)
    steps = _steps(own)
    return _short(history, component, count, steps, since, since)


def beating(history: History, old: Iterable[str]) -> str | None:
    """Which scheduler job that had beaten and is not `old` was silent or not running at the end; or None."""
    before = set(old)
    jobs = [e for e in history.seen("job") if e.object not in before]
    beats = {e.object: e for e in jobs if e.what == "heartbeat"}
    states = {e.object: e.value.get("state") for e in jobs}
    stops = [e.t for e in history.seen("probe") if e.object == "watcher" and e.what == "stopped"]
    until = min(stops, default=history.last_t)
    for name, beat in beats.items():
        if states[name] != "running":
            return f"{name} was marked {states[name]}"
        if until - beat.t > SILENT and not unseen(history, JOBS, beat.t, until):
            return f"{name} was silent for the last {(until - beat.t) / NS:.1f} s"
    return None


def running_again(history: History, dead: Iterable[str], since: int) -> str | None:
    """Which of the dead jobs was seen running after it had been seen not running; or None."""
    looked_at, over = set(dead), set[str]()
    for event in history.seen("job"):
        if event.object in looked_at and event.t > since:
            if event.value.get("state") != "running":
                over.add(event.object)
            elif event.object in over:
                return f"{event.object} was marked running again {when(event.t, since)}"
    return None


def _component(event: Event) -> str:
    return str(event.value.get("component"))


def _steps(events: Iterable[Event]) -> list[Step]:
    """How many pods were Ready, and since when."""
    ready, steps = set[str | None](), list[Step]()
    for event in events:
        (ready.add if serves(event) else ready.discard)(event.uid)
        steps.append((event.t, len(ready)))
    return steps


def _since(steps: list[Step], t: int) -> int:
    """The place of the last step by `t`; 0 if there is none."""
    return max(0, bisect_right(steps, t, key=itemgetter(0)) - 1)


def _full(steps: list[Step], count: int, since: int) -> int | None:
    """When, from `since` on, `count` were first Ready; None if nothing was seen, or they never were."""
    later = islice(steps, _since(steps, since), None)
    return next((max(t, since) for t, ready in later if ready >= count), None)


def _short(history: History, component: str, count: int, steps: list[Step], full: int | None, since: int) -> str | None:
    """The first time that fewer than `count` were Ready, once they had all been, and from `since` on.

    What a gap of the watch hid is reported one by one when it ends, so counts taken within it say nothing.
    """
    gaps = unseen(history, PODS, since, history.last_t)
    if steps and steps[-1][1] < count and not lost_sight(history, PODS):
        return f"at the end of the run {steps[-1][1]} of {count} {component} pods were Ready"
    if full is None:
        return None
    later = islice(steps, _since(steps, max(full, since)), None)
    for (t, ready), (until, _) in pairwise([*later, (history.last_t, 0)]):
        begun = max(t, full, since)
        hidden = any(a <= begun and until <= b + NS for a, b in gaps)
        if ready < count and begun < until and not hidden:
            return f"{ready} of {count} {component} pods were Ready {when(begun, fault_time(history))}"
    return None
