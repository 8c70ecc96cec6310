"""Hands on a node: a script that runs there as its root, in its file system and its network, among its processes.

Faults that reach deeper than the cluster's API need no more of a node than this, so whoever can run a script on one can
break it, and mend it. `agents` is the other way, through pods of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from harness.errors import FaultError
from harness.process import run

CALL_S = 15.0


class Hands(Protocol):
    """One way to the nodes of a cluster."""

    def ready(self, nodes: Iterable[str]) -> None:
        """Be there before the first script, so that none is late."""

    def run(self, node: str, script: str, *words: str) -> str:
        """What the script prints, which finds its words in `$1` and on. Raises `HarnessError` where it failed."""

    def among(self, nodes: Sequence[str]) -> list[str]:
        """Those of the nodes that a script can be run on with nothing made for it first."""

    def left(self) -> list[str]:
        """The nodes on which something of ours is, of use or not."""

    def let_go(self) -> None:
        """Leave nothing of ours on any node, whoever put it there; it may be called twice."""


class Docker:
    """Into what kind calls nodes: containers of this machine's engine, where nothing has to be left."""

    def ready(self, nodes: Iterable[str]) -> None:
        """They are there."""

    def run(self, node: str, script: str, *words: str) -> str:
        return run(["docker", "exec", node, "sh", "-c", script, "sh", *words], timeout=CALL_S)

    def among(self, nodes: Sequence[str]) -> list[str]:
        return list(nodes)

    def left(self) -> list[str]:
        return []

    def let_go(self) -> None:
        """Nothing was made."""


class Closed:
    """No way into nodes. What can be done, is done by the cluster's API alone."""

    def ready(self, nodes: Iterable[str]) -> None:
        """There is nothing to wait for."""

    def run(self, node: str, script: str, *words: str) -> str:
        raise FaultError(f"the node {node} is closed to us, so nothing was done there")

    def among(self, nodes: Sequence[str]) -> list[str]:
        return []

    def left(self) -> list[str]:
        return []

    def let_go(self) -> None:
        """Nothing was made."""
