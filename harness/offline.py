"""The commands that need no stack: what recorded runs say, one by one and together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import allowed, console, experiment, recorded, rights, sources, trend
from harness import catalogue as catalogues
from harness import counts as counting
from harness import gate as gates
from harness.console import plainly, show
from harness.ending import floors, row
from harness.files import write
from harness.settings import ROOT, Settings

app = typer.Typer()

Folder = Annotated[Path, typer.Argument(help="a folder with a recorded run")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="every check, not only what was not passed")]


@app.command()
def check(folder: Folder, verbose: Verbose = False) -> None:
    """Judge a recorded run again, offline."""
    outcome = recorded.check(folder)
    show([row(outcome, folder, floors(Settings.of().reports))], verbose)
    raise typer.Exit(outcome.verdict.exit_code)


@app.command()
def report(folder: Folder) -> None:
    """Draw report.html and junit.xml of a recorded run."""
    plainly(str(recorded.report(folder)))


@app.command()
def index() -> None:
    """Draw index.html, the page over all runs; each run that is judged draws it too."""
    plainly(str(recorded.overview(Settings.of().reports)))


@app.command("trend")
def show_trend(
    counts: Annotated[
        bool, typer.Option("--counts", help="verdicts instead of measures: here and as recorded")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="add the runs here to docs/runs.csv, and write its page")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="write docs/false-alarms.md, the record's page")] = False,
) -> None:
    """The newest run of each experiment beside all earlier ones; or how many runs of each were which verdict."""
    reports = Settings.of().reports
    if not (counts or record or markdown):
        console.show_drifts(trend.drifts(reports))
        return
    recorded_runs = counting.read(counting.RECORD)
    every = counting.added(recorded_runs, trend.runs(reports), {path.stem for path in sources.files()})
    if record:
        counting.keep(every, counting.RECORD)
        plainly(f"{len(every) - len(recorded_runs)} runs added: {counting.RECORD}")
    if record or markdown:
        counting.publish(every if record else recorded_runs, counting.PAGE)
        plainly(str(counting.PAGE))
    if counts:
        console.show_counts(counting.counted(every))


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
    settings, docs = Settings.of(), ROOT / "docs"
    figures = catalogues.read(docs / "measured.json")
    if measured:
        names = [path.stem for path in sources.files()]
        figures = catalogues.collect(figures, settings.reports, names)
        catalogues.keep(figures, docs / "measured.json")
    page = catalogues.page(sources.FOLDER, settings.slo_file, figures)
    write(docs / "experiments.md", page)
    plainly(str(docs / "experiments.md"))


@app.command()
def rbac(
    experiments: Annotated[list[Path] | None, typer.Argument(help="files below experiments/; all by default")] = None,
    account: Annotated[str, typer.Option(help="the ServiceAccount that gets them, as namespace/name")] = "",
) -> None:
    """Print the Roles that the experiments need, and as little as must be a ClusterRole, to be applied with kubectl.

    What enters or switches nodes goes by docker, which no Role gives: it needs a kind cluster on this machine. The
    first line names such actions.
    """
    settings = Settings.of()
    chosen = [experiment.load(path) for path in experiments or sources.files()]
    for one in chosen:
        allowed.check(one, settings.allow_providers)
    roles = rights.manifests(rights.needed(chosen, settings), account or f"{settings.namespace}/{rights.NAME}")
    if beyond := rights.entering(chosen):
        plainly(f"# Not by any Role, but by docker on this machine: {', '.join(beyond)}.")
    plainly(roles.rstrip())
