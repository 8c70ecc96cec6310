"""Did a fault hit the only one of its kind? A quick replacement hides that nobody else was there meanwhile."""

from __future__ import annotations

from harness.history import NS, History, grouped
from harness.judge.checks import measured, some, unknown, when, worst_of
from harness.judge.faults import Target, fault_time, serves, targets
from harness.judge.observers import PODS, unseen
from harness.outcome import Check
from harness.slo import Bound

NAME = "redundancy.peers"
LOOK_NS = 5 * NS  # a pod that ends is seen by a watch within a second or two


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """For each component that was hit, how many other pods were Ready at that moment: the fewest of all."""
    bound = bounds.get(NAME)
    if bound is None:
        return ()
    hit = targets(history)
    if not hit:
        return (unknown(bound, "There was no fault, so nothing can have stood alone in it"),)
    together = grouped(hit, lambda target: target.component)
    return (worst_of(_of(history, bound, component, some_of) for component, some_of in sorted(together.items())),)


def _of(history: History, bound: Bound, component: str, hit: tuple[Target, ...]) -> Check:
    """Pods that were hit at any time do not count: each may have stood in for another."""
    t, uids = min(target.injected for target in hit), {target.uid for target in hit}
    names = some(sorted(target.name for target in hit))
    own = [e for e in history.seen("pod") if e.t <= t and e.value.get("component") == component]
    if not component or not uids <= {event.uid for event in own}:
        return unknown(bound, f"{names} was not watched before it was hit, nor were others of its kind")
    if gaps := unseen(history, PODS, max(0, t - LOOK_NS), t):
        seconds = sum(b - a for a, b in gaps) / NS
        return unknown(bound, f"Pods could not be followed for {seconds:.1f} s before {names} was hit")
    last = {event.uid: event for event in own}
    others = sorted(e.object for uid, e in last.items() if uid not in uids and serves(e))
    known = f" ({some(others)})" if others else ""
    before = f"Beside {names}, pods of {component} that were Ready when it was hit:"
    return measured(bound, len(others), before, f"{known}, {when(t, fault_time(history))}")
