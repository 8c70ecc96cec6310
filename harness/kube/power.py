"""Nodes switched off and on: the containers that kind calls nodes, as their engine knows them."""

from __future__ import annotations

import json

from harness.process import run

CALL_S = 30.0
CLUSTER_LABEL = "io.x-k8s.kind.cluster"


def switch_off(node: str) -> None:
    """As in a power failure: SIGKILL to everything on the node, and nothing starts it again."""
    run(["docker", "kill", "--signal=KILL", node], timeout=CALL_S)


def switch_on(node: str) -> None:
    """Start a node that is off; it is Ready some time later."""
    run(["docker", "start", node], timeout=CALL_S)


def is_on(node: str) -> bool:
    """Whether the engine says that the node runs."""
    said = json.loads(run(["docker", "inspect", "--type=container", node], timeout=CALL_S))
    return bool(said[0]["State"]["Running"])


def off(cluster: str) -> list[str]:
    """The nodes of a kind cluster that are off, by name."""
    return sorted(nodes(cluster, "{{.Names}}", "--filter=status=exited"))


def nodes(cluster: str, form: str, *chosen: str) -> list[str]:
    """One line in Docker's `form` for each node of a kind cluster, on or off."""
    label = f"--filter=label={CLUSTER_LABEL}={cluster}"
    return run(["docker", "ps", "--all", label, *chosen, f"--format={form}"], timeout=CALL_S).splitlines()
