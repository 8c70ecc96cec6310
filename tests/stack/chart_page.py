"""The measured part of docs/chart.md, from the newest runs below `reports/chart` (`test_chart_runs.py`): what the
chart's settings come to, beside what our own stack of the same executor did. `python -m tests.stack.chart_page`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness import files
from harness.catalogue.measured import Measured
from harness.outcome import Check, Outcome, Verdict
from harness.settings import ROOT, Settings

PAGE, KNOWN = ROOT / "docs" / "chart.md", ROOT / "docs" / "measured.json"
BEGIN, END = "<!-- runs: made by python -m tests.stack.chart_page -->\n", "<!-- /runs -->\n"
HEAD = (
    "| experiment | verdict | promise | with the chart | limit | our `celery`, median |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)
# What a reader compares, whether it was kept or not.
TOLD = ("recovery.", "tasks.run_duration")
OURS = "celery"


def newest(reports: Path) -> list[Outcome]:
    """Of each experiment the newest run, by name."""
    found = map(Outcome.load, reports.glob("*/verdict.json"))
    return list({one.experiment: one for one in sorted(found, key=lambda one: one.run_id)}.values())


def table(outcomes: list[Outcome], known: Measured) -> str:
    return HEAD + "".join(row for one in outcomes for row in _rows(one, known))


def _rows(outcome: Outcome, known: Measured) -> Iterator[str]:
    ours = known.seen(outcome.experiment, OURS)
    told = [check for check in outcome.checks if check.measure is not None and _is_told(check)]
    for row, check in enumerate(told):
        name, verdict = (f"`{outcome.experiment}`", str(outcome.verdict)) if row == 0 else ("", "")
        own = ours.measures[check.name][0] if ours and check.name in ours.measures else None
        measured = _figure(check.measure, check.unit)
        cell = f"**{measured}**" if check.verdict is Verdict.FAIL else measured
        limit, beside = (_figure(number, check.unit) for number in (check.limit, own))
        yield f"| {name} | {verdict} | `{check.name}` | {cell} | {limit} | {beside} |\n"


def _is_told(check: Check) -> bool:
    return check.verdict is Verdict.FAIL or check.name.startswith(TOLD)


def _figure(number: float | None, unit: str) -> str:
    return "–" if number is None else f"{number:.3g} {unit}".removesuffix(" count").strip()


def publish(outcomes: list[Outcome], known: Measured) -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN, 1)
    files.write(PAGE, f"{head}{BEGIN}{table(outcomes, known)}{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    publish(newest(Settings.of().reports / "chart"), Measured.model_validate_json(KNOWN.read_text(encoding="utf-8")))
