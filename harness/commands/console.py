"""What commands print: verdicts as tables that fit a terminal, and lines as they are.

A reader that goes away or knows fewer characters changes no verdict, and no text steers a terminal.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.commands.ending import Row
from harness.foreign import escaped, one_line, visible
from harness.judge.calibration import Calibration
from harness.judge.regression import Finding
from harness.judge.repeated import Repeated
from harness.outcome import Check, Verdict
from harness.report.matrix import Matrix
from harness.stack.steps import Look, Say, Step
from harness.swept import Sweep, headline
from harness.trends.counts import Count, percent, together
from harness.trends.gate import Change
from harness.trends.trend import Drift


class SafeConsole(Console):
    """Every printed text, table cells included, goes through `render_str`."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)

    def on_broken_pipe(self) -> None:
        """The reader has read enough: further output is dropped, and the command goes on to its verdict."""
        self.quiet = True
        _drop(self.file.fileno())


out = SafeConsole()
err = SafeConsole(stderr=True)
COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INVALID: "yellow"}
FINDINGS = {Finding.AS_BEFORE: "green", Finding.REGRESSION: "red", Finding.UNKNOWN: "yellow"}


class Progress:
    """Names the step, its expected time and its time. Plain lines, so that CI's log reads like a terminal."""

    def begin(self, step: Step, look: Look) -> Say:
        expected = step.warm if look.done or step.warm == step.cold else step.cold
        out.print(f"[bold]{step.name}[/bold]: {escaped(look.plan)} [dim](expected {expected} s)[/dim]", highlight=False)
        began = time.monotonic()
        return lambda text: out.print(
            f"  [dim]{time.monotonic() - began:6.1f} s[/dim] {escaped(text)}", highlight=False
        )

    def end(self, step: Step, seconds: float) -> None:
        out.print(f"  [green]✓[/green] {step.name} in {seconds:.1f} s", highlight=False)


def replace_unknown_characters() -> None:
    """Characters that the terminal's encoding lacks are shown as question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def flush() -> OSError | None:
    """Print what is still buffered, and say why if that fails: the interpreter would end with its own code.

    A reader that went away is not an error.
    """
    failed = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as cause:
            _drop(stream.fileno())
            failed = failed if isinstance(cause, BrokenPipeError) else cause
    return failed


def _drop(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def plainly(line: str) -> None:
    """A line as it is: neither wrapped nor coloured."""
    out.print(line, highlight=False, markup=False, soft_wrap=True)


def show(rows: Sequence[Row], verbose: bool = False, to: Console | None = None) -> None:
    """A table of runs, then each with its folder and the checks that did not pass; with `verbose`, every check."""
    to = to or out
    table = Table("verdict", "experiment", "on", "about", "measured", "limit", "no fault", "worst", box=None)
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for row in rows:
        table.add_row(*_cells(row))
    to.print(table)
    for row in rows:
        _show_checks(row, verbose, to)


def _cells(row: Row) -> list[str]:
    outcome, about = row.outcome, row.about
    told = [f"[{COLOURS[outcome.verdict]}]{outcome.verdict}[/]", _cell(outcome.experiment), _cell(outcome.stack)]
    told += [*_measured(about, row.floor)] if about else [""] * 4
    return [*told, _cell(row.worst)]


def _measured(check: Check, floor: float | None) -> Iterator[str]:
    """Name, measure, limit, and the same measure with nothing broken."""
    yield _cell(check.name.split(".", 1)[-1].replace(".", " ").replace("_", " "))
    for value in (check.measure, check.limit, floor):
        yield "" if value is None else _cell(f"{_number(value)} {check.unit}")


def _show_checks(row: Row, verbose: bool, to: Console) -> None:
    outcome = row.outcome
    lines = [_told(check) for check in (outcome.checks if verbose else row.amiss)]
    if outcome.needing and not verbose:
        lines.append(f"[{COLOURS[Verdict.INVALID]}]{Verdict.INVALID!s:8}[/] {_cell(outcome.needing)}")
    lines += [_cell(row.remark)] if row.remark else []
    what = _cell(f"{outcome.experiment} on {outcome.stack}: {row.place}")
    lines.append(f"[bold {COLOURS[outcome.verdict]}]{outcome.verdict}[/] {what}")
    for line in lines:
        to.print(line, highlight=False, soft_wrap=True)


def _told(check: Check) -> str:
    said = _cell(f"{check.name:28} {check.because}")
    return f"[{COLOURS[check.verdict]}]{check.verdict!s:8}[/] {said}"


def show_calibration(found: Calibration) -> None:
    """Measured minus true, by kind of outage."""
    table = Table("kind", "connections", "outages", "least", "median", "most", "not true", box=None)
    for row in found.rows:
        errors = (f"{value:+.1f} ms" for value in (row.least_ms, row.median_ms, row.most_ms))
        table.add_row(_cell(row.kind), _cell(row.conn), str(row.outages), *errors, str(row.unfounded))
    out.print(table)
    verdict = Verdict.PASS if found.holds else Verdict.INVALID
    end = "" if found.holds else "; every run here is INVALID until it holds: stop what else runs, and calibrate again"
    out.print(
        f"[bold {COLOURS[verdict]}]{verdict}[/] measured minus true is at most {found.worst.worst_ms:.1f} ms; "
        f"stated is {found.stated_ms:g} ms{end}",
        highlight=False,
        soft_wrap=True,
    )


def show_repeated(repeated: Repeated, folder: Path) -> None:
    """What the runs measured together, and the reason for the verdict over them."""
    table = Table("measure", "min", "median", "lies in", "p95", "limit", box=None)
    table.columns[0].no_wrap = True
    for m in repeated.measures:
        limit = "" if m.limit is None else _cell(f"{m.limit:g} {m.unit}")
        within = f"{_number(m.low)} to {_number(m.high)}" if m.low < m.high else _number(m.low)
        table.add_row(_cell(m.name), _number(m.least), _number(m.median), within, _number(m.p95), limit)
    out.print(table)
    for m in repeated.measures[:1]:
        plainly(
            f"With {m.runs} runs, the true median lies in this interval with {100 * m.sure:.0f} %, "
            f"and the largest run is above the true p95 with {100 * m.sure_p95:.0f} %."
        )
    what = _cell(f"{repeated.experiment} on {repeated.stack}: {repeated.because} {folder}")
    colour = COLOURS[repeated.verdict]
    out.print(f"[bold {colour}]{repeated.verdict}[/] {what}", highlight=False, soft_wrap=True)


def show_sweep(sweep: Sweep, chosen: int, verdict: Verdict, page: Path) -> None:
    """The verdict over all, and before it the verdict over the chosen ones, if these are not all."""
    if chosen < len(sweep.there):
        out.print(f"[bold {COLOURS[verdict]}]{verdict}[/] {chosen} of {len(sweep.there)}", highlight=False)
    word = sweep.verdict
    said = f"[bold {COLOURS[word]}]{word}[/] {_cell(headline(sweep))} {_cell(str(page))}"
    out.print(said, highlight=False, soft_wrap=True)


def show_drifts(drifts: list[Drift]) -> None:
    """Measure by measure, a table for each experiment."""
    for (experiment, stack), group in groupby(drifts, key=lambda d: (d.experiment, d.stack)):
        table = Table(
            "measure",
            "newest",
            "earlier runs",
            "median",
            "p95",
            "newest is",
            title=_cell(f"{experiment} on {stack}"),
            box=None,
        )
        table.columns[0].no_wrap = True
        for d in group:
            middle, high = ("" if v is None else _number(v) for v in (d.median, d.p95))
            table.add_row(_cell(d.name), _cell(f"{_number(d.newest)} {d.unit}"), str(d.earlier), middle, high, d.said)
        out.print(table)


def show_changes(changes: list[Change], confidence: float) -> None:
    """Comparison by comparison, a table for each experiment, and what they say together."""
    for (experiment, stack), group in groupby(changes, key=lambda c: (c.experiment, c.stack)):
        table = Table("compared", "newest", "earlier", "runs", "p", "finding", box=None)
        table.title = _cell(f"{experiment} on {stack}")
        table.columns[0].no_wrap = True
        for c in group:
            values = ("" if v is None else _cell(f"{_number(v)} {c.unit}") for v in (c.newest, c.earlier))
            runs = f"{c.compared.newest}, {c.compared.earlier}"
            more = f"; {c.more} more run{'s' * (c.more > 1)}" if c.more else ""
            finding = f"[{FINDINGS[c.finding]}]{c.finding}[/]{more}"
            table.add_row(_cell(c.compared.name), *values, runs, f"{c.compared.p:.2g}", finding)
        out.print(table)
    counts = Counter(c.finding for c in changes)
    told = ", ".join(f"[{FINDINGS[f]}]{counts[f]} {f}[/]" for f in Finding if counts[f])
    sure = f"the chance of any false alarm is at most {100 * (1 - confidence):.3g} %"
    out.print(f"{len(changes)} comparisons: {told}; {sure}.", highlight=False, soft_wrap=True)


def show_counts(counts: list[Count]) -> None:
    """A table for each stack, and what all runs say together."""
    for stack, group in groupby(sorted(counts, key=lambda c: c.stack), key=lambda c: c.stack):
        table = Table("experiment", title=_cell(stack), box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.columns[0].no_wrap = True
        for name in ("runs", *Verdict, "known", "FAIL ≤", "INVALID ≤", "p95"):
            table.add_column(name, justify="right", style=COLOURS[name] if isinstance(name, Verdict) else None)
        for one in group:
            numbers = (one.runs, one.passed, one.invalid, one.failed, one.explained)
            shares = (one.failing.most, one.doubtful.most, one.sure)
            table.add_row(_cell(one.experiment), *map(str, numbers), *map(percent, shares))
        out.print(table)
    whole = together(counts)
    plainly(
        f"Of {whole.runs} runs, {whole.failed} are unexplained FAILs and {whole.invalid} are INVALID; "
        f"with 95 %, the true shares are at most {percent(whole.failing.most)} and {percent(whole.doubtful.most)}."
    )


def show_matrix(found: Matrix) -> None:
    """A table for each stack: executor × fault would be wider than a terminal."""
    if not found.rows:
        plainly("there is no judged run yet; run an experiment first")
    figures = ("median", "worst", "limit", "floor")
    for number, stack in enumerate(found.stacks):
        table = Table("experiment", "measure", title=_cell(stack), box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.columns[0].no_wrap = True
        for name in (*Verdict, *figures):
            table.add_column(name, justify="right", style=COLOURS[name] if isinstance(name, Verdict) else None)
        for row in found.rows:
            if cell := row.cells[number]:
                counts = dict(cell.verdicts)
                shown = (counts.get(v, "") for v in Verdict)
                measured = ("" if f is None else f"{f:.3g}" for f in (cell.median, cell.worst, cell.limit, cell.floor))
                measure = f"{cell.name.split('.')[-1].replace('_', ' ')}, {cell.unit}"
                table.add_row(_cell(row.experiment), _cell(measure), *map(str, shown), *measured)
        out.print(table)


def _cell(text: str) -> str:
    """Foreign text within a line: not taken for markup, and unable to begin another line."""
    return escaped(one_line(text))


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
