"""The commands that export runs to other systems: traces, metrics, and the summary that a CI system shows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness import recorded
from harness.commands import console, summary
from harness.commands.console import plainly
from harness.commands.offline import Folder
from harness.errors import StorageError, UsageError
from harness.settings import Settings

app = typer.Typer()
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


@app.command()
def trace(folder: Folder) -> None:
    """Write trace.json of a recorded run: its phases, faults, DAG runs and outages as spans, for OpenTelemetry."""
    plainly(str(recorded.traced(folder)))


@app.command()
def metrics(folder: Folder) -> None:
    """Write metrics.prom of a recorded run: its verdict and measures as OpenMetrics, for Prometheus."""
    plainly(str(recorded.measured(folder)))


@app.command("summary")
def summarize(
    form: Annotated[Literal["text", "md"], typer.Option("--format", help="md is Markdown")] = "text",
    step_summary: Annotated[
        bool, typer.Option("--step-summary", help=f"append it to the file that ${STEP_SUMMARY} names, in Markdown")
    ] = False,
) -> None:
    """Print the newest session: one row per run, and the checks that did not pass."""
    rows = summary.session(Settings.of().reports)
    if step_summary:
        _append(summary.page(rows))
    elif form == "md":
        plainly(summary.page(rows).rstrip())
    elif rows:
        console.show(rows)
    else:
        plainly("there is no judged run yet; run an experiment first")


def _append(text: str) -> None:
    where = os.environ.get(STEP_SUMMARY)
    if not where:
        raise UsageError(f"${STEP_SUMMARY} is not set: this is not a step of GitHub Actions; leave out --step-summary")
    try:
        with Path(where).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as cause:
        raise StorageError.of(cause, Path(where)) from cause
