"""Which node answers for the load balancer's address: the one that this machine sends to, as it learnt by ARP.

MetalLB says it too, but its status is missing for minutes after the address moved twice at once, and the cluster keeps
only some of its events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.kube.power import CALL_S, nodes
from harness.process import run

TABLE = Path("/proc/net/arp")
_EACH = "{{slice .Name 1}}{{range .NetworkSettings.Networks}} {{.MacAddress}}{{end}}"


class Neighbours:
    """`nodes` gives the nodes by the hardware addresses that they have now; it is asked where an address is new."""

    def __init__(self, nodes: Callable[[], Mapping[str, str]], table: Path = TABLE) -> None:
        self._nodes = nodes
        self._table = table
        self._known: dict[str, str | None] = {}

    def node(self, address: str) -> str | None:
        """The node's name, or None if this machine has not learnt one or cannot know."""
        hardware = self._learnt(address)
        if hardware is not None and hardware not in self._known:
            self._known |= self._nodes()
            self._known.setdefault(hardware, None)
        return self._known.get(hardware) if hardware else None

    def _learnt(self, address: str) -> str | None:
        try:
            lines = self._table.read_text(encoding="ascii").splitlines()
        except OSError:  # not Linux
            return None
        rows = [line.split() for line in lines[1:]]
        return next((row[3] for row in rows if len(row) > 3 and row[0] == address and int(row[2], 16)), None)


def of_cluster(cluster: str) -> Neighbours:
    """The nodes of a kind cluster, as their engine knows them."""
    return Neighbours(lambda: _hardware(cluster))


def _hardware(cluster: str) -> dict[str, str]:
    ids = nodes(cluster, "{{.ID}}", "--filter=status=running")
    if not ids:
        return {}
    lines = run(["docker", "inspect", f"--format={_EACH}", *ids], timeout=CALL_S).splitlines()
    return {hardware: name for name, *some in map(str.split, lines) for hardware in some}
