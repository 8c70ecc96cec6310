"""Who answers for an address, from the machine's own table."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.kube import Neighbours

HEAD = "IP address       HW type     Flags       HW address            Mask     Device\n"


def rows(**of: str) -> str:
    """Of each address (by its last number) the flags and the hardware's last number."""
    lines = []
    for number, said in of.items():
        flags, hardware = said.split()
        lines.append(f"172.18.0.{number[1:]}    0x1    {flags}    02:42:ac:12:00:{hardware}    *    br-0\n")
    return HEAD + "".join(lines)


def test_a_node_is_known_by_its_hardware_and_the_engine_is_asked_for_what_is_new(tmp_path: Path) -> None:
    table, asked = tmp_path / "arp", []

    def nodes() -> dict[str, str]:
        asked.append(1)
        return {"02:42:ac:12:00:02": "worker", "02:42:ac:12:00:03": "worker2"}

    neighbours = Neighbours(nodes, table)
    seen = []
    for text in (
        rows(n3="0x2 03"),
        rows(n9="0x2 02"),
        rows(n3="0x2 03", n9="0x2 03"),
        rows(n9="0x2 07"),
        rows(n9="0x2 07"),
    ):
        table.write_text(text, encoding="ascii")
        seen.append(neighbours.node("172.18.0.9"))
    assert seen == [None, "worker", "worker2", None, None]
    assert len(asked) == 2


@pytest.mark.parametrize("text", ["", HEAD, rows(n9="0x0 02"), rows(n8="0x2 02"), HEAD + "172.18.0.9\n"])
def test_what_is_not_learnt_is_not_known(tmp_path: Path, text: str) -> None:
    table = tmp_path / "arp"
    table.write_text(text, encoding="ascii")
    assert Neighbours(lambda: {"02:42:ac:12:00:02": "worker"}, table).node("172.18.0.9") is None


def test_a_machine_without_the_table_does_not_know(tmp_path: Path) -> None:
    assert Neighbours(dict, tmp_path / "none").node("172.18.0.9") is None
