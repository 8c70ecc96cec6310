"""One self-contained page for people: no network, no second file; light and dark, for screen, phone and paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from harness import files
from harness.history import NS, History
from harness.outcome import Check, Outcome, Verdict
from harness.report import curve, facts, milestones, pages, tiles, timeline

MEANINGS = {
    Verdict.PASS: "Every promise held, and the evidence for it is complete.",
    Verdict.FAIL: "A promise was broken.",
    Verdict.INVALID: "Nothing can be concluded: evidence is missing or in doubt.",
}
AROUND_S = 10


def write(
    history: History,
    outcome: Outcome,
    path: Path,
    changed: Mapping[str, str] | None = None,
    own: frozenset[str] = frozenset(),
) -> None:
    """Render the report of one judged run to `path`, whatever state the history is in.

    `changed` gives today's value of bounds that have changed since the run; `own` are the bounds that are
    this experiment's own.
    """
    page = pages.render(
        "report.html.j2",
        outcome=outcome,
        meta=history.meta,
        problem=history.problem,
        meaning=MEANINGS[outcome.verdict],
        reasons=[c for c in _amiss(outcome) if not c.needs],
        needing=sum(bool(c.needs) for c in outcome.checks),
        tally=facts.tally(outcome),
        tiles=tiles.tiles(outcome, own),
        groups=facts.groups(outcome),
        faults=facts.fault_rows(history),
        floor=facts.floor_rows(history),
        intervals=facts.intervals(history),
        curves=curve.curves(outcome),
        frame=curve,
        bounds=facts.bound_rows(history.meta.slo if history.meta else {}, changed or {}),
        lasted=history.last_t / NS,
        views=_views(history, outcome),
        script=Markup(get_plotlyjs()),  # noqa: S704 # plotly's own source, not data
        figure=timeline.draw_run(history, outcome),
    )
    files.write(path, page)


def _amiss(outcome: Outcome) -> list[Check]:
    """Why the verdict is no better."""
    return [c for c in outcome.checks if c.verdict is outcome.verdict and c.verdict is not Verdict.PASS]


def _views(history: History, outcome: Outcome) -> dict[str, list[float]]:
    """Stretches worth looking at: from, to, in seconds since the run began."""
    last = max(1.0, history.last_t / NS)
    views: dict[str, Any] = {"Whole run": [0, last]}
    fault = facts.fault_time(history)
    if fault is not None:
        ends = [w.end for c in outcome.checks if c.name.startswith(milestones.PHASES) for w in c.windows]
        begin, end = fault / NS, max([fault, *ends]) / NS
        views["Fault to recovery"] = [max(0.0, begin - AROUND_S / 2), min(last, end + AROUND_S / 2)]
        views["At the fault"] = [max(0.0, begin - 1), min(last, begin + AROUND_S / 2)]
    return views
