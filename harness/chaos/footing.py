"""What a harness in a pod stands on: its node and its namespace. A fault there would end it, and prove nothing."""

from __future__ import annotations

from harness.chaos.blast import Blow
from harness.settings import Settings


def underfoot(settings: Settings, namespace: str, blow: Blow) -> str | None:
    """Why this blow would hit what the harness stands on, or None. One that is in no cluster stands on none of it."""
    if settings.own_node and settings.own_node in blow.nodes:
        return f"{settings.own_node} is the node that the harness runs on"
    namespaces = {namespace, *(pod.namespace for pod in blow.pods)}
    if settings.own_namespace and settings.own_namespace in namespaces:
        return f"{settings.own_namespace} is the namespace that the harness runs in"
    return None
