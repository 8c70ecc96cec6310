"""Packets between two pods dropped on the way, by rules on the nodes that route them. Each rule carries our mark.

Every pod's traffic is routed by its node, so a rule in FORWARD of that node sees it, on existing connections as well
as on new ones. Service addresses are already translated there: rules name pods, and the cluster's own server by the
address of its node.
"""

from __future__ import annotations

import ipaddress

from harness.errors import FaultError
from harness.kube.hands import Hands

MARK = "airflow-chaos"

_CUT = r"""
mark=$1 one=$2
shift 2
for other; do
    iptables -w 5 -I FORWARD -s "$one" -d "$other" -m comment --comment "$mark" -j DROP &&
    iptables -w 5 -I FORWARD -s "$other" -d "$one" -m comment --comment "$mark" -j DROP || exit 1
done
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


def cut(hands: Hands, node: str, one: str, *others: str) -> None:
    """Drop all packets between one address and each of the others on this node, in both directions."""
    hands.run(node, _CUT, MARK, _address(one), *map(_address, others))


def mend(hands: Hands, node: str) -> int:
    """Remove every rule of ours from a node, and return how many there were."""
    return len(hands.run(node, _MEND, MARK).split())


def dropped(hands: Hands, node: str) -> list[int]:
    """How many packets each rule of ours on a node has dropped; nothing if there is no rule."""
    return [_packets(line) for line in hands.run(node, _DROPPED, MARK).splitlines() if line.strip()]


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
