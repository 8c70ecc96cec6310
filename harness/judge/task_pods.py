"""One pod per task: was one made for each attempt and no more, and did each go when its task was over?

The cluster is asked, not Airflow: pods that were seen are judged by what they say they were made for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.history import NS, Event, History, grouped
from harness.judge.checks import measured, some, unknown
from harness.judge.observers import PODS, blind, lost_sight
from harness.outcome import Check
from harness.slo import Bound

SHORTEST = 5 * NS  # no pod of a task lives for less: it takes this long to start Airflow in it
GRACE = 30 * NS  # an executor deletes finished pods when it next looks
OVER = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class _Pod:
    """One pod and the attempt that it is for; `over` is when it was first seen ended, `there` whether it stayed."""

    name: str
    attempt: str
    over: int | None
    there: bool


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bounds that are set; only a stack with a pod per task has any."""
    return tuple(judge(history, bounds[name]) for name, judge in CHECKS.items() if name in bounds)


def _extra(history: History, bound: Bound) -> Check:
    pods = _pods(history)
    if not pods:
        return unknown(bound, "No pod of a task was seen")
    by_attempt: dict[str, list[str]] = {}
    for pod in pods:
        by_attempt.setdefault(pod.attempt, []).append(pod.name)
    twice = {attempt: names for attempt, names in by_attempt.items() if len(names) > 1}
    named = f" ({some(f'{a}: {some(names)}' for a, names in twice.items())})" if twice else ""
    count = len(pods) - len(by_attempt)
    gap = blind(history, "pods of", 0)
    if count == 0 and gap and gap[1] - gap[0] > SHORTEST:
        return unknown(bound, f"Pods could not be followed for {(gap[1] - gap[0]) / NS:.1f} s, and one may be missing")
    return measured(bound, count, "Pods made beyond one per attempt:", f" of {len(pods)} pods{named}")


def _left(history: History, bound: Bound) -> Check:
    pods = _pods(history)
    due = [pod for pod in pods if pod.over is not None and pod.over + GRACE <= history.last_t]
    if not due:
        return unknown(bound, f"No pod of a task was over {GRACE // NS} s before the history ended")
    if lost_sight(history, PODS):
        return unknown(bound, "Pods could not be followed to the end, so nobody knows which are left")
    left = [pod.name for pod in due if pod.there]
    named = f" ({some(left)})" if left else ""
    before = f"Pods of tasks still there {GRACE // NS} s or more after they were over:"
    return measured(bound, len(left), before, f" of {len(due)}{named}", whole=history.problem is None)


def _pods(history: History) -> list[_Pod]:
    events = grouped((e for e in history.seen("pod") if e.uid), lambda event: event.uid)
    return [_pod(seen) for seen in events.values() if any(_attempt(e) for e in seen)]


def _pod(seen: tuple[Event, ...]) -> _Pod:
    last = seen[-1]
    return _Pod(
        name=last.object,
        attempt=next(said for e in seen if (said := _attempt(e))),
        over=min((e.t for e in seen if e.value.get("phase") in OVER), default=None),
        there=last.what != "deleted" and last.value.get("deleting") is not True,
    )


def _attempt(event: Event) -> str:
    """What the pod says it was made for; empty if it does not say."""
    said = event.value.get("attempt")
    if not isinstance(said, list) or len(said) != 4:
        return ""
    run, task, index, try_ = said
    mapped = "" if index == -1 else f"[{index}]"
    return f"{run}/{task}{mapped} try {try_}"


CHECKS: dict[str, Callable[[History, Bound], Check]] = {"tasks.extra_pods": _extra, "tasks.left_pods": _left}
