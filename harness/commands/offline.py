"""The commands that need no stack: they work on recorded runs, one by one and together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import allowed, experiment, recorded, rights, sources
from harness.catalogue import measured as figures
from harness.catalogue import pages
from harness.commands import console
from harness.commands.console import plainly, show
from harness.commands.ending import floors, row
from harness.errors import UsageError
from harness.settings import ROOT, Settings, publishing, resolved
from harness.trends import counts as counting
from harness.trends import gate as gates
from harness.trends import trend

app = typer.Typer()

Folder = Annotated[Path, typer.Argument(help="a folder with a recorded run")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="print every check, not only those that did not pass")]


@app.command()
def check(folder: Folder, verbose: Verbose = False) -> None:
    """Judge a recorded run again, offline."""
    folder = resolved(folder)
    outcome = recorded.check(folder)
    show([row(outcome, folder, floors(Settings.of().reports))], verbose)
    raise typer.Exit(outcome.verdict.exit_code)


@app.command()
def report(folder: Folder) -> None:
    """Judge a recorded run again, and redraw its report.html and junit.xml."""
    plainly(str(recorded.report(folder)))


@app.command()
def index() -> None:
    """Draw index.html, the page over all runs; each judged run does this too."""
    plainly(str(recorded.overview(Settings.of().reports)))


@app.command("trend")
def show_trend(
    counts: Annotated[
        bool, typer.Option("--counts", help="count verdicts instead: of the runs here and of the record")
    ] = False,
    record: Annotated[
        bool,
        typer.Option("--record", help="add the runs here to docs/runs.csv, and write its page", callback=publishing),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="write docs/false-alarms.md, the record's page", callback=publishing)
    ] = False,
) -> None:
    """Compare the newest run of each experiment with all earlier ones; or count the verdicts of each."""
    reports = Settings.of().reports
    if not (counts or record or markdown):
        console.show_drifts(trend.drifts(reports))
        return
    recorded_runs = counting.read(counting.RECORD)
    names = {path.stem for path in sources.files()} - set(sources.SWEPT)  # a sweep says how the stack is, red or not
    every = counting.added(recorded_runs, trend.runs(reports), names)
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
    experiments: Annotated[list[str] | None, typer.Argument(help="by name; by default all")] = None,
    newest: Annotated[int, typer.Option(help="how many runs to compare with the earlier ones")] = gates.NEWEST,
    confidence: Annotated[float, typer.Option(help="that there is no false alarm at all")] = gates.CONFIDENCE,
    everything: Annotated[
        bool, typer.Option("--all", help="compare every measure, not only what an experiment is about")
    ] = False,
) -> None:
    """Ask whether the newest runs are worse than earlier ones on the same machine; ends with 1 if so, 2 if unsure."""
    found = gates.changes(
        trend.runs(Settings.of().reports), newest, confidence, experiments or (), everything=everything
    )
    console.show_changes(found, confidence)
    raise typer.Exit(gates.exit_code(found))


@app.command()
def matrix() -> None:
    """Show executor × fault: every experiment on every stack, with what its last runs measured."""
    console.show_matrix(recorded.matrix(Settings.of().reports))


@app.command()
def catalogue(
    measured: Annotated[bool, typer.Option("--measured", help="add the figures of the recorded runs first")] = False,
) -> None:
    """Write docs/experiments/: a page for each target, and a curve of each experiment's last runs."""
    publishing()
    settings, docs = Settings.of(), ROOT / "docs"
    known = figures.read(docs / "measured.json")
    if measured:
        known = figures.collect(known, settings.reports, [path.stem for path in sources.files()])
        figures.keep(known, docs / "measured.json")
    pages.publish(pages.files(sources.FOLDER, settings.slo_file, known), docs / "experiments")
    plainly(str(docs / "experiments" / "index.md"))


@app.command()
def rbac(
    experiments: Annotated[list[Path] | None, typer.Argument(help="files in experiments/; by default all")] = None,
    account: Annotated[str, typer.Option(help="the ServiceAccount that gets them, as namespace/name")] = "",
    audit: Annotated[bool, typer.Option("--audit", help="what `harness audit` lists, without Secrets")] = False,
    namespace: Annotated[str, typer.Option(help="of Airflow")] = "",
) -> None:
    """Print the Roles that the experiments need, and the smallest possible ClusterRole, for kubectl apply.

    Actions that enter or switch nodes use docker, which no Role can grant: they need a kind cluster on this machine.
    The first line names these actions. On a target that allows agents, what these need is in the Roles.
    """
    settings = Settings.of(namespace=namespace)
    if audit and experiments:
        raise UsageError("an audit needs no experiment's rights; leave out the files, or --audit")
    chosen = [] if audit else [experiment.load(path) for path in experiments or sources.files()]
    for one in chosen:
        allowed.check(one, settings.allow_providers)
    needed = rights.auditing(settings.namespace) if audit else rights.needed(chosen, settings)
    roles = rights.manifests(needed, account or f"{settings.namespace}/{rights.NAME}")
    if settings.aim.nodes == "docker" and (beyond := rights.beyond(chosen)):
        plainly(f"# Not by any Role, but by docker on this machine: {', '.join(beyond)}.")
    plainly(roles.rstrip())
