"""The commands that need no stack: what recorded runs say, one by one and together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import catalogue as catalogues
from harness import console, recorded, trend
from harness import gate as gates
from harness.console import plainly, show
from harness.files import write
from harness.settings import ROOT, Settings

app = typer.Typer()


@app.command()
def check(folder: Annotated[Path, typer.Argument(help="a folder with a recorded run")]) -> None:
    """Judge a recorded run again, offline."""
    outcome = recorded.check(folder)
    show(outcome, folder)
    raise typer.Exit(outcome.verdict.exit_code)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="a folder with a recorded run")]) -> None:
    """Draw report.html and junit.xml of a recorded run."""
    plainly(str(recorded.report(folder)))


@app.command()
def index() -> None:
    """Draw index.html, the page over all runs; each run that is judged draws it too."""
    plainly(str(recorded.overview(Settings.of().reports)))


@app.command("trend")
def show_trend() -> None:
    """The newest run of each experiment beside all earlier ones."""
    console.show_drifts(trend.drifts(Settings.of().reports))


@app.command()
def gate(
    experiments: Annotated[list[str] | None, typer.Argument(help="by name; all where none is named")] = None,
    newest: Annotated[int, typer.Option(help="so many runs are set beside those before")] = gates.NEWEST,
    confidence: Annotated[float, typer.Option(help="that there is no false alarm at all")] = gates.CONFIDENCE,
    everything: Annotated[bool, typer.Option("--all", help="every measure, not only what it is about")] = False,
) -> None:
    """Did the newest runs get worse than those before, on the same machine; ends with 1 if so, 2 if it cannot tell."""
    found = gates.changes(
        trend.runs(Settings.of().reports), newest, confidence, experiments or (), everything=everything
    )
    console.show_changes(found, confidence)
    raise typer.Exit(gates.exit_code(found))


@app.command()
def matrix() -> None:
    """Executor and fault: every experiment on every stack, with what its last runs measured."""
    console.show_matrix(recorded.matrix(Settings.of().reports))


@app.command()
def catalogue(
    measured: Annotated[bool, typer.Option("--measured", help="add the figures of the recorded runs first")] = False,
) -> None:
    """Write docs/experiments.md, the page of all experiments."""
    settings, docs, experiments = Settings.of(), ROOT / "docs", ROOT / "experiments"
    figures = catalogues.read(docs / "measured.json")
    if measured:
        names = [path.stem for path in experiments.glob("*.json")]
        figures = catalogues.collect(figures, settings.reports, names)
        catalogues.keep(figures, docs / "measured.json")
    page = catalogues.page(experiments, settings.slo_file, figures)
    write(docs / "experiments.md", page)
    plainly(str(docs / "experiments.md"))
