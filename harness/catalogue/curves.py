"""The main measure of an experiment in its last runs, drawn: a small picture with a row for each stack.

The colours show on white and on black, since a page may have either, and no verdict is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from harness.catalogue.measured import Figures
from harness.judge.checks import amount
from harness.outcome import Verdict
from harness.slo import Bound

WIDTH, ROW, LEFT, RIGHT = 360, 108, 34, 34
TOP, FLOOR = 54, 84  # where the largest measure and zero are drawn, within a row
NEAR = 1.6  # a limit further away than this many times the largest measure would flatten the curve
COLOURS = {Verdict.PASS: "#2a9d5c", Verdict.INVALID: "#c98a1b", Verdict.FAIL: "#e0533d"}
GREY = "#7d8590"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Row:
    """The last runs on one stack, oldest first, by one measure."""

    label: str
    bound: Bound
    runs: Sequence[Figures]


@dataclass(frozen=True)
class _Dot:
    x: float
    y: float
    worst_y: float
    shown: str
    run: Figures


def curve(experiment: str, rows: Sequence[Row]) -> str:
    """The picture, as SVG. The same runs make the same text."""
    height = ROW * len(rows) + 20
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" font-size="11">']
    lines += [f"<title>{escape(_title(experiment, rows))}</title>"]
    for number, row in enumerate(rows):
        lines += [f'<g transform="translate(0 {ROW * number})">', *_row(row), "</g>"]
    return "\n".join([*lines, *_legend(rows, height - 8), "</svg>"]) + "\n"


def _title(experiment: str, rows: Sequence[Row]) -> str:
    """For those who cannot see it."""
    told = [f"{row.bound.name} on {row.label} {', '.join(_shown(row))}" for row in rows]
    return f"{experiment}, last runs: {'; '.join(told)}"


def _shown(row: Row) -> list[str]:
    unit, name = row.bound.unit, row.bound.name
    return [amount(run.measures[name][0], unit) if name in run.measures else "not measured" for run in row.runs]


def _row(row: Row) -> list[str]:
    limit, name = row.bound.limit, row.bound.name
    largest = max((run.measures[name][1] for run in row.runs if name in run.measures), default=0.0)
    drawn = limit <= NEAR * largest
    top = max(largest, limit if drawn else 0.0) or 1.0

    def height(value: float) -> float:
        return round(FLOOR - (FLOOR - TOP) * value / top, 1)

    told = f"{row.bound.sense} {amount(limit, row.bound.unit)}" + ("" if drawn else " (above the picture)")
    lines = [_text(0, 14, row.label, bold=True), _text(0, 28, f"{name}, {told}", GREY)]
    lines.append(f'<path d="M{LEFT - 16} {FLOOR}H{WIDTH - RIGHT + 16}" stroke="{GREY}" stroke-opacity=".4"/>')
    if drawn:
        dashed = f'stroke="{COLOURS[Verdict.FAIL]}" stroke-dasharray="4 3"'
        lines.append(f'<path d="M{LEFT - 16} {height(limit):g}H{WIDTH - RIGHT + 16}" {dashed}/>')
    step = (WIDTH - LEFT - RIGHT) / max(1, len(row.runs) - 1)
    dots = []
    for place, (run, shown) in enumerate(zip(row.runs, _shown(row), strict=True)):
        x = round(LEFT + step * place, 1)
        lines.append(_text(x, FLOOR + 16, _day(run), GREY, middle=True))
        if name in run.measures:
            middle, worst = run.measures[name]
            dots.append(_Dot(x, height(middle), height(worst), shown, run))
    if len(dots) > 1:
        points = " ".join(f"{dot.x:g},{dot.y:g}" for dot in dots)
        lines.append(f'<polyline points="{points}" fill="none" stroke="{GREY}" stroke-width="1.5"/>')
    return [*lines, *(line for dot in dots for line in _dot(dot))]


def _dot(dot: _Dot) -> list[str]:
    """A run, or several summed up: at their median, with a stroke to the worst."""
    verdict = max(dot.run.verdicts, key=lambda one: one.rank)
    count = sum(dot.run.verdicts.values())
    lines = []
    if dot.worst_y != dot.y:
        lines.append(f'<path d="M{dot.x:g} {dot.y:g}V{dot.worst_y:g}" stroke="{COLOURS[verdict]}" stroke-width="2"/>')
    shown = f"{dot.shown} ({count})" if count > 1 else dot.shown
    return [*lines, _mark(dot.x, dot.y, verdict), _text(dot.x, min(dot.y, dot.worst_y) - 7, shown, middle=True)]


def _mark(x: float, y: float, verdict: Verdict) -> str:
    """Each verdict has a shape of its own."""
    colour = COLOURS[verdict]
    if verdict is Verdict.PASS:
        return f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{colour}"/>'
    if verdict is Verdict.INVALID:
        return f'<path d="M{x:g} {y - 5:g}l5 9h-10z" fill="{colour}"/>'
    return f'<path d="M{x - 4:g} {y - 4:g}l8 8m0 -8l-8 8" stroke="{colour}" stroke-width="2.5"/>'


def _legend(rows: Sequence[Row], y: float) -> list[str]:
    """What the shapes in this picture mean."""
    there = {max(run.verdicts, key=lambda one: one.rank) for row in rows for run in row.runs}
    lines, x = [], 6.0
    for verdict in Verdict:
        if verdict in there:
            lines += [_mark(x, y - 4, verdict), _text(x + 8, y, verdict.value, GREY)]
            x += 62
    if any(sum(run.verdicts.values()) > 1 for row in rows for run in row.runs):
        lines.append(_text(x, y, "(n) median of n runs, line to the worst", GREY))
    return lines


def _day(run: Figures) -> str:
    """The day of a run, from its id, which ends with date and time."""
    date = run.last_run.rsplit("-", 2)[-2]
    return f"{int(date[6:8])} {MONTHS[int(date[4:6]) - 1]}"


def _text(x: float, y: float, text: str, colour: str = GREY, *, bold: bool = False, middle: bool = False) -> str:
    more = (' font-weight="bold"' if bold else "") + (' text-anchor="middle"' if middle else "")
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}"{more}>{escape(text)}</text>'
