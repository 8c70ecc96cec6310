"""One page for people, complete in itself: no network, no second file, light, for screen, phone and paper."""

from __future__ import annotations

from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from harness.history import NS, History
from harness.outcome import Outcome, Verdict
from harness.report import facts, timeline

HERE = Path(__file__).parent
MEANINGS = {
    Verdict.PASS: "Every promise held, and the evidence for it is complete.",
    Verdict.FAIL: "A promise was broken.",
    Verdict.INVALID: "Nothing can be concluded: evidence is missing or in doubt.",
}


def write(history: History, outcome: Outcome, path: Path) -> None:
    """Render the report of one judged run to `path`, whatever state the history is in."""
    template = _environment().get_template("report.html.j2")
    page = template.render(
        outcome=outcome,
        meta=history.meta,
        problem=history.problem,
        meaning=MEANINGS[outcome.verdict],
        reasons=[c for c in outcome.checks if c.verdict is outcome.verdict and c.verdict is not Verdict.PASS],
        tally=facts.tally(outcome),
        groups=facts.groups(outcome),
        faults=facts.fault_rows(history),
        floor=facts.floor_rows(history),
        intervals=facts.intervals(history),
        bounds=facts.bound_rows(history.meta.slo if history.meta else {}),
        lasted=history.last_t / NS,
        script=Markup(get_plotlyjs()),  # noqa: S704 # plotly's own source, not data
        picture=Markup(timeline.draw(history, outcome)),  # noqa: S704 # plotly escapes what it embeds
    )
    path.write_text(page, encoding="utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["milliseconds"] = _milliseconds
    return environment


def _number(value: float | None) -> str:
    """At most three decimals, for display; nothing is ever judged by it."""
    return "–" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _milliseconds(value: float) -> str:
    """Three digits say enough of a time that was measured once."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
