"""The same load at one setting after another: how throughput grows, and where it stops growing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Strike, chosen
from harness.errors import FaultError

ROLLED_WITHIN_S = 180.0


@dataclass(frozen=True)
class Level:
    """An environment variable's value, and the load at it: a number of DAG runs, and how long to wait for them."""

    variable: str
    value: int
    runs: int
    within_s: float


def load_at(context: Context, namespace: str, selector: str, level: Level) -> list[dict[str, Any]]:
    """Replace the pods, which are the fault's targets, by pods with the variable set so; then start the load.

    Raises `FaultError` if the experiment has no such load.
    """
    if context.surge is None:
        raise FaultError("the experiment has no `surge`, so there is no load to start; add one to its extension block")
    pods = chosen(context, namespace, selector, "all")
    strike = Strike.begin(context, "load_at", namespace, selector, Blow(pods, seconds=level.within_s))
    strike.look_into(pods)
    t = context.recorder.now()
    context.kube.change.set_variable(namespace, pods[0].component, level.variable, str(level.value))
    for pod in pods:
        strike.hit(pod, strike.known.get(pod.uid), t, how=f"{level.variable}={level.value}")
    strike.watch(ROLLED_WITHIN_S, objects=True)
    for victim in strike.victims:
        strike.prove(victim)
    since = context.recorder.now()
    context.surge(level.runs, level.within_s)
    return strike.end(level=level.value, since=since, until=context.recorder.now())
