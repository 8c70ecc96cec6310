"""Packets between two pods dropped on the way, by rules on the nodes that route them. Each rule bears our mark.

Every pod's traffic is routed by its node, so a rule in FORWARD of that node sees it, on connections that stand as well
as on new ones. Service addresses are already translated there: rules name pods.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from harness.errors import FaultError
from harness.process import run

MARK = "airflow-chaos"
CALL_S = 15.0

_CUT = r"""
iptables -w 5 -I FORWARD -s "$1" -d "$2" -m comment --comment "$3" -j DROP &&
iptables -w 5 -I FORWARD -s "$2" -d "$1" -m comment --comment "$3" -j DROP
"""

# Deletes by number, from the last on, so that the numbers before stay what they were.
_MEND = r"""
iptables -w 5 -L FORWARD -n --line-numbers | grep -F -e "/* $1 */" | cut -d" " -f1 | sort -rn | while read -r number; do
    iptables -w 5 -D FORWARD "$number" && echo "$number"
done
"""

_DROPPED = r"""
iptables -w 5 -L FORWARD -n -v -x | grep -F -e "/* $1 */" || :
"""


def cut(node: str, one: str, other: str) -> None:
    """Drop all packets between two addresses on this node, in both directions."""
    _enter(node, _CUT, _address(one), _address(other), MARK)


def mend(node: str) -> int:
    """Remove every rule of ours from a node, and return how many there were."""
    return len(_enter(node, _MEND, MARK).split())


def dropped(node: str) -> list[int]:
    """How many packets each rule of ours on a node has dropped; nothing where there is no rule."""
    return [_packets(line) for line in _enter(node, _DROPPED, MARK).splitlines() if line.strip()]


def _packets(line: str) -> int:
    try:
        return int(line.split(maxsplit=1)[0])
    except ValueError as cause:
        raise FaultError(f"iptables answered {line!r} where a counter was expected") from cause


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as cause:
        raise FaultError(f"{text!r} is no address of a pod, so nothing was cut; read the pods again") from cause


def _enter(node: str, script: str, *arguments: str) -> str:
    command: Sequence[str] = ["docker", "exec", node, "sh", "-c", script, "sh", *arguments]
    return run(list(command), timeout=CALL_S)
