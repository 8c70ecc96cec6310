"""The newest session in a table, for people: on a terminal, or in Markdown where a CI system shows that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.commands import ending
from harness.commands.ending import Row
from harness.foreign import markdown
from harness.outcome import Check, Verdict
from harness.report import index
from harness.report.sessions import newest

SIGNS = {Verdict.PASS: "✅", Verdict.INVALID: "⚠️", Verdict.FAIL: "❌"}
COLUMNS = ("verdict", "experiment", "stack", "about", "measured", "limit", "no fault", "worst")


def session(runs: Path) -> list[Row]:
    """The judged runs of the newest session, in order; none if there are none."""
    found = index.rows(runs) if runs.is_dir() else []
    floors = ending.floors(runs)
    chosen = [found[place] for place in reversed(newest([row.wall for row in found]))]
    return [ending.row(one.outcome, runs / one.folder, floors) for one in chosen if one.outcome]


def page(rows: Sequence[Row]) -> str:
    """A table, and below it the checks that did not pass."""
    if not rows:
        return "No run is judged yet.\n"
    counts = [(verdict, sum(row.outcome.verdict is verdict for row in rows)) for verdict in Verdict]
    lines = ["### airflow-chaos: " + ", ".join(f"{count} {verdict}" for verdict, count in counts if count), ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "| --- " * 4 + "| ---: " * 3 + "| --- |"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    for row in rows:
        lines += _told(row)
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[str]:
    outcome, about = row.outcome, row.about
    numbers = [_amount(value, about) for value in (about.measure, about.limit, row.floor)] if about else [""] * 3
    name = markdown(about.name) if about else ""
    verdict = f"{SIGNS[outcome.verdict]} {outcome.verdict}"
    return [verdict, markdown(outcome.experiment), markdown(outcome.stack), name, *numbers, markdown(row.worst)]


def _told(row: Row) -> list[str]:
    told = [f"- {c.verdict} {markdown(c.name)}: {markdown(c.because)}" for c in row.amiss]
    told += [f"- {Verdict.INVALID} {row.outcome.needing}"] if row.outcome.needing else []
    if not told:
        return []
    head = f"**{row.outcome.verdict}** {markdown(row.outcome.experiment)}: {markdown(str(row.place))}"
    return ["", head, "", *told]


def _amount(value: float | None, check: Check | None) -> str:
    return "" if value is None or check is None else f"{value:.3f}".rstrip("0").rstrip(".") + f" {check.unit}"
