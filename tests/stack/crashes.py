"""What became of each harness that was shot: a row for each fault and moment, kept until the same is tried again.

`python -m tests.stack.crashes` takes the rows below the reports into `docs/crashes.json`, and writes `docs/crashes.md`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from harness import files
from harness.settings import ROOT, Settings

KEPT, PAGE = ROOT / "docs" / "crashes.json", ROOT / "docs" / "crashes.md"
NAME = "crashes.json"
# What the history holds when it is time; before it is there, the lock says that the run began.
MOMENTS: dict[str, str] = {
    "preflight": "",
    "baseline": '"name":"baseline"',
    "injected": '"phase":"injected"',
    "undo": '"name":"recovery"',
    "recovery": '"phase":"rolled-back"',
    "judging": '"kind":"end"',
}
HEAD = """\
# A harness that is killed

The harness gets SIGKILL in each phase of a run, for each kind of fault, on the real cluster. The next run is then
refused by the name of what is left; `harness heal`, called twice, brings the steady state back; and the history
that was cut off can be read and is INVALID. Made by `make crash` and `python -m tests.stack.crashes`; not to be
edited.

"""
TAIL = """
A number is the seconds from `harness heal` until all is Ready again; bold: the next run was refused, since the fault
was not undone. A dash: not tried yet, or not healed. *Undo* is the moment in which the undo begins, *recovery* that
in which it has ended. In *preflight* and *baseline* nothing is broken yet, so nothing is left. While it is being
judged, the history is whole, and has its verdict.
"""


class Crash(BaseModel):
    """One harness, shot while it did `fault`: what it left (empty: nothing), seconds to the steady state, verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    moment: str
    stack: str
    left: tuple[str, ...]
    healed_s: float
    verdict: str


ROWS = TypeAdapter(list[Crash])


def read(path: Path) -> list[Crash]:
    return ROWS.validate_json(path.read_bytes()) if path.exists() else []


def keep(path: Path, crashes: list[Crash]) -> list[Crash]:
    """The rows of a file with these, each in the place of an earlier one of the same fault and moment."""
    found = {(one.fault, one.moment): one for one in (*read(path), *crashes)}
    rows = sorted(found.values(), key=lambda one: (one.fault, [*MOMENTS].index(one.moment)))
    files.write(path, ROWS.dump_json(rows, indent=1).decode() + "\n")
    return rows


def page(rows: list[Crash], faults: list[str]) -> str:
    """One line a fault, one column a moment."""
    found = {(one.fault, one.moment): one for one in rows}
    lines = [f"| fault | {' | '.join(MOMENTS)} |", f"| --- |{' --- |' * len(MOMENTS)}"]
    for fault in faults:
        cells = " | ".join(cell(found.get((fault, moment))) for moment in MOMENTS)
        lines.append(f"| {fault} | {cells} |")
    said = f"{len(found)} of {len(faults) * len(MOMENTS)} healed.\n\n"
    return HEAD + said + "\n".join(lines) + "\n" + TAIL


def cell(crash: Crash | None) -> str:
    if crash is None:
        return "–"
    took = f"{crash.healed_s:.0f} s"
    return f"**{took}**" if crash.left else took


def publish(reports: Path, faults: list[str]) -> None:
    files.write(PAGE, page(keep(KEPT, read(reports / NAME)), faults))


if __name__ == "__main__":
    from tests.stack.test_crash import KINDS

    publish(Settings.of().reports, [kind.name for kind in KINDS])
