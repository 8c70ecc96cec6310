"""More tasks at once than there is room for: they wait until an autoscaler has added pods."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Strike, chosen
from harness.errors import FaultError

EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Surge:
    """A number of DAG runs; a task should wait `queue_time_s` seconds, and pods come and go within `within_s`."""

    runs: int
    queue_time_s: float
    within_s: float


def overload(context: Context, namespace: str, selector: str, surge: Surge) -> list[dict[str, Any]]:
    """Trigger the runs, more than the pods (the fault's targets) can handle, and wait for more pods.

    The ledger says how long tasks waited. Raises `FaultError` if the experiment has no such load.
    """
    load = _surge(context)
    pods = chosen(context, namespace, selector, "all")
    strike = Strike.begin(context, "overload", namespace, selector, Blow(pods, seconds=surge.within_s))
    since = context.recorder.now()
    for pod in pods:
        strike.hit(pod, None, since, runs=surge.runs)
    load(surge.runs, 0)
    asked = {"since": since, "until": context.recorder.now(), "queue_time_s": surge.queue_time_s}
    for victim in strike.victims:
        strike.prove(victim, **asked)
    return strike.end(most=_come_and_gone(context, namespace, selector, len(pods), surge.within_s))


def pile_up(context: Context, runs: int) -> list[str]:
    """Trigger the runs; what became of each is recorded as for any other. Raises as `overload`."""
    _surge(context)(runs, 0)
    return [f"{runs} runs were asked for"]


def _surge(context: Context) -> Callable[[int, float], None]:
    if context.surge is None:
        raise FaultError("the experiment has no `surge`, so there is no load to start; add one to its extension block")
    return context.surge


def _come_and_gone(context: Context, namespace: str, selector: str, before: int, within_s: float) -> int:
    """Wait until there have been more pods than before and no longer are; returns the most that there were."""
    most, deadline = before, time.monotonic() + within_s
    while time.monotonic() < deadline:
        count = len(context.kube.pods(namespace, selector))
        most = max(most, count)
        if most > before >= count:
            break
        time.sleep(EVERY_SECONDS)
    return most
