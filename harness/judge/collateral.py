"""Did anything end that no fault hit? A fault may reach beyond its targets; the bound says how far."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from harness.history import NS, Event, History, grouped
from harness.judge.checks import measured, some, unknown, when
from harness.judge.faults import NODE_OFF, by_keda, fault_time, judged_from, planned, serves, targets
from harness.judge.observers import PODS, unseen
from harness.outcome import Check, Verdict, Window
from harness.records import MOST_T
from harness.slo import Bound

NAME = "collateral.restarts"
# Pods hit by these must stay.
LIVES_ON = frozenset({"cut_off", "delay", "kill_child", "overload", "stress", "switch_over"})
SEEN_LATE = 2 * NS  # pods are seen by a watch, and by the undo itself
# These change a Deployment, and the undo changes it again.
RESIZES = frozenset({"scale_pods", "load_at", "renew_pods", "rotate_secret", "upgrade"})
ROLLS = frozenset({"rotate_secret", "upgrade"})  # aim at a Secret or an image; whatever uses it is rolled
COMPONENT = re.compile(r"(?:^|,)component=([^,]+)")


@dataclass(frozen=True)
class Loss:
    """A pod that went, or whose containers were restarted, `times` times in all."""

    t: int
    pod: str
    times: int
    how: str


@dataclass(frozen=True)
class _Doing:
    """What the faults did, and so explain. A node counts as off until `never` if nobody knows when it was back."""

    history: History
    never: int = MOST_T

    @cached_property
    def hit(self) -> frozenset[str | None]:
        """Pods that were meant to end: they go, or their containers restart, once each."""
        return frozenset(target.uid for target in targets(self.history) if target.action not in LIVES_ON)

    @cached_property
    def off(self) -> dict[str, int]:
        """Nodes that were switched off, and until when: pods sent there before anybody notices end as well. Once the
        undo has found everything Ready again, whatever ends there does so on its own."""
        steps = [f for f in self.history.faults if f.action == NODE_OFF]
        undone = {f.id: f.t + SEEN_LATE for f in steps if f.phase == "rolled-back"}
        # What the watch sees when it is back may have ended before the undo was through.
        gaps = unseen(self.history, PODS, 0, self.history.last_t)
        undone = {fault: t for fault, t in undone.items() if not any(a <= t <= b + SEEN_LATE for a, b in gaps)}
        pairs = [(f.id, n) for f in steps for n in (f.target.get("node"), f.evidence.get("node")) if n]
        found: dict[str, int] = {}
        for fault, node in pairs:
            found[str(node)] = max(found.get(str(node), -1), undone.get(fault, self.never))
        return found

    @cached_property
    def resized(self) -> frozenset[str]:
        """Components whose number of pods is changed on purpose."""
        steps = [str(f.target.get("name")) for f in self.history.faults if f.action in RESIZES and f.phase == "begin"]
        named = frozenset(match[1] for step in steps if (match := COMPONENT.search(step)))
        rolled = {target.component for target in targets(self.history) if target.action in ROLLS}
        return named | rolled | by_keda(self.history)

    def explains_end(self, event: Event) -> bool:
        return (
            event.uid in self.hit or event.value.get("component") in self.resized or event.t <= self._off_until(event)
        )

    def spares(self, event: Event, again: int) -> int:
        """How many restarts of this pod are the fault's own doing; the first was seen at `again`. The kubelet may
        restart a killed pod's containers before it hears that the pod is deleted."""
        return _containers(event) if event.uid in self.hit or again <= self._off_until(event) else 0

    def _off_until(self, event: Event) -> int:
        return self.off.get(str(event.value.get("node")), -1)


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Restarts from the fault to the end; earlier ones are for the baseline to judge."""
    bound, t = bounds.get(NAME), fault_time(history)
    if bound is None or not planned(history):
        return ()
    if t is None:
        return (unknown(bound, "There was no fault that anything else could have suffered from"),)
    if not any(_ours(history)):
        return (unknown(bound, "No pod was watched"),)
    found = _losses(history, _Doing(history))
    named = f" ({some(f'{loss.pod} {loss.how} {when(loss.t, t)}' for loss in found)})" if found else ""
    last = history.last_t
    windows = [Window(start=loss.t, end=last, what=f"{loss.pod} {loss.how}") for loss in found]
    # Kubernetes counts restarts, so a gap in the watch hides some only if it lasts to the end of the history.
    whole = history.problem is None and not any(
        b == history.last_t for _, b in unseen(history, PODS, t, history.last_t)
    )
    count = sum(loss.times for loss in found)
    judged = measured(bound, count, "Restarts of pods that no fault hit:", named, whole=whole, windows=windows)
    nameless = [target.name for target in targets(history) if not target.uid]
    if nameless and judged.verdict is Verdict.FAIL:
        return (unknown(bound, f"It is not known which pod a hit on {some(nameless)} was made on", windows),)
    return (_unless_away(history, bound, judged),)


def _unless_away(history: History, bound: Bound, judged: Check) -> Check:
    """If a node's undo was not recorded, or not watched, nobody knows how long it is an excuse."""
    if judged.verdict is not Verdict.PASS:
        return judged
    worst = _losses(history, _Doing(history, never=-1))
    if bound.holds(sum(loss.times for loss in worst)):
        return judged
    what = some(f"{loss.pod} {loss.how}" for loss in worst)
    return unknown(bound, f"{what}, on a node that was off, and nobody knows until when")


def _losses(history: History, doing: _Doing) -> list[Loss]:
    """What ended since the fault and was not the faults' own doing, in order."""
    since = judged_from(history) or 0
    pods = grouped(_ours(history), lambda event: event.uid)
    found = [loss for seen in pods.values() for loss in (*_restarted(seen, since, doing), *_went(seen, since, doing))]
    return sorted(found, key=lambda loss: loss.t)


def _restarted(seen: tuple[Event, ...], since: int, doing: _Doing) -> list[Loss]:
    """A pod that came after the fault starts from zero restarts."""
    known = max((_restarts(event) for event in seen if event.t < since), default=0)
    again = next((event.t for event in seen if event.t >= since and _restarts(event) > known), since)
    known += doing.spares(seen[0], again)
    found: list[Loss] = []
    for event in seen:
        if event.t >= since and (times := _restarts(event) - known) > 0:
            found.append(Loss(event.t, event.object, times, "was started again"))
            known += times
    return found


def _went(seen: tuple[Event, ...], since: int, doing: _Doing) -> list[Loss]:
    """A pod that had been Ready is missed; one that is over, such as a job's, is not."""
    served = False
    for event in seen:
        if event.t >= since and served and _going(event):
            return [] if doing.explains_end(event) else [Loss(event.t, event.object, 1, "went")]
        served = served or serves(event)
    return []


def _going(event: Event) -> bool:
    return event.what == "deleted" or event.value.get("deleting") is True


def _ours(history: History) -> list[Event]:
    """What was seen of the stack's own pods; those of tasks come and go."""
    components = history.meta.replicas if history.meta else {}
    return [e for e in history.seen("pod") if e.value.get("component") in components]


def _containers(event: Event) -> int:
    """Recorded only for pods that have several."""
    count = event.value.get("containers")
    return count if isinstance(count, int) else 1


def _restarts(event: Event) -> int:
    count = event.value.get("restarts")
    return count if isinstance(count, int) else 0
