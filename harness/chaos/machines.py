"""A node that dies: everything on it stops at once, as in a power failure, and it stays off until the undo."""

from __future__ import annotations

import time
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import EVERY_SECONDS, Only, Strike, chosen, on_node
from harness.errors import FaultError
from harness.kube import Kube, of_cluster, power
from harness.settings import Settings

OFF_WITHIN_S = 20.0


def switch_off(
    context: Context, namespace: str, selector: str, pick: str, hold_s: float, *, node: str = ""
) -> list[dict[str, Any]]:
    """Switch off the node of one of the pods, prove it, and keep it off for `hold_s`. All pods on it are hit.

    It is this very node where one is named. The one that holds the databases is spared.
    """
    context.kube.require_ours()
    spared = with_data(context.kube)
    node = chosen(context, namespace, selector, pick, spared=spared, only=Only(node=node))[0].node
    return _switch_off(context, namespace, selector, node, hold_s)


def switch_off_announcer(context: Context, namespace: str, service: str, hold_s: float) -> list[dict[str, Any]]:
    """As `switch_off`, for the node that answers for the address of a Service."""
    context.kube.require_ours()
    node = announcer(context.kube, context.settings, namespace, service)
    if node in with_data(context.kube):
        raise FaultError(f"{node} announces {namespace}/{service} and holds the databases; nothing was switched off")
    return _switch_off(context, namespace, f"announces {service}", node, hold_s)


def with_data(kube: Kube) -> set[str]:
    """The nodes that hold databases."""
    return {node.name for node in kube.nodes() if node.holds_data}


def announcer(kube: Kube, settings: Settings, namespace: str, service: str) -> str:
    """The node that answers for the address of a Service. Raises `FaultError` if none says so."""
    address = kube.load_balancer(namespace, service) or ""
    node = of_cluster(settings.cluster).node(address) or kube.announcer(namespace, service)
    if node is None:
        raise FaultError(f"no node says that it announces {namespace}/{service}; nothing was switched off")
    return node


def _switch_off(context: Context, namespace: str, aim: str, node: str, hold_s: float) -> list[dict[str, Any]]:
    there = on_node(context.kube, context.namespaces, node)
    strike = Strike.begin(context, "stop_node", namespace, aim, Blow(there, [node], hold_s))
    t = context.recorder.now()
    held_until = time.monotonic() + hold_s
    power.switch_off(node)
    for pod in there:
        strike.hit(pod, None, t, node_off=node)
    off_t = _wait_off(context, node)
    for victim in strike.victims:
        victim.process_gone_t = off_t
        strike.prove(victim, node_off=off_t is not None, node=node)
    time.sleep(max(0.0, held_until - time.monotonic()))
    return strike.end(held_s=hold_s)


def _wait_off(context: Context, node: str) -> int | None:
    """When the node was seen off, or None where that was not seen in time."""
    deadline = time.monotonic() + OFF_WITHIN_S
    while time.monotonic() < deadline:
        if not power.is_on(node):
            return context.recorder.now()
        time.sleep(EVERY_SECONDS)
    return None
