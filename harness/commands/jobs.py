"""`harness job` and `harness collect`: runs inside the cluster, and their reports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from harness import recorded
from harness.campaigns import series
from harness.commands import ending
from harness.commands.console import err, out, plainly, show
from harness.errors import EXIT_INVALID, EXIT_PASS, UsageError
from harness.foreign import one_line
from harness.job import collect as fetching
from harness.job import install, objects
from harness.job import work as working
from harness.job.install import Seen
from harness.kube import Kube
from harness.progress.show import Showing
from harness.settings import Settings

app = typer.Typer()
group = typer.Typer(help="Runs inside the cluster, as a Job or, with --schedule, as a CronJob.")
app.add_typer(group, name="job")

LOOKS_S = 5.0
TOLD = 15
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="below experiments/, one after the other")]
Target = Annotated[str, typer.Option("--target", help="a file that `target discover` wrote: run it there")]


@group.command("run")
def start(  # noqa: PLR0913, PLR0917 - an argument is an option
    files: Files,
    stack: Annotated[str, typer.Option(help="whose bounds hold")] = "",
    profile: Annotated[str, typer.Option(help="tuned, or defaults: Airflow's own settings")] = "",
    target: Target = "",
    schedule: Annotated[str, typer.Option(help='when, in cron format, such as "0 3 * * *"; else now')] = "",
    node: Annotated[str, typer.Option(help="to run on; else with the control plane, away from Airflow's pods")] = "",
    image: Annotated[str, typer.Option(help="of the suite; else it is built and loaded into our own nodes")] = "",
    volume: Annotated[str, typer.Option(help="how large the volume for the reports is")] = objects.HISTORIES,
    seed: Annotated[int | None, typer.Option(help="of each run")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="stay until it is over, and end with its verdict")] = False,
) -> None:
    """Run experiments from a pod of the cluster; if that is lost, the next heals what it left broken and carries on."""
    settings = Settings.of(stack=stack, profile=profile, target=target)
    settings = settings if seed is None else settings.model_copy(update={"seed": seed})
    if wait and schedule:
        raise UsageError("a schedule has no end to wait for; leave out --wait, or --schedule")
    order = objects.Order(tuple(files), image, node, schedule, volume)
    series.planned(files, settings)
    for line in install.install(order, settings, plainly):
        plainly(f"will be skipped: {line}")
    plainly(f"{order.kind} {settings.job_namespace}/{objects.NAME}: see `harness job status`, then `harness collect`")
    if wait:
        raise typer.Exit(_followed(settings))


def _followed(settings: Settings) -> int:
    """Print what its pods say until it is over; returns what it ended with."""
    told: dict[str, int] = {}
    manifests = Kube(settings).manifests
    while True:
        seen = install.look(manifests, settings.job_namespace)
        for line in seen.lines[told.get(seen.pod, 0) :]:
            plainly(one_line(line))
        told[seen.pod] = len(seen.lines)
        if seen.state == "none":
            raise UsageError("the Job was removed meanwhile")
        if seen.state == "ended":
            return _code(seen)
        time.sleep(LOOKS_S)


def _code(seen: Seen) -> int:
    """A Job without a verdict did not pass."""
    if seen.because:
        plainly(one_line(seen.because))
    return EXIT_INVALID if seen.code is None else seen.code


@group.command("status")
def tell(target: Target = "") -> None:
    """Say what the Job is doing, and the last lines of its pod."""
    settings = Settings.of(target=target)
    seen = install.look(Kube(settings).manifests, settings.job_namespace)
    if seen.state == "none":
        plainly(f"there is no Job in {settings.job_namespace}; start one with `harness job run`")
        return
    where = f", pod {seen.pod} on {seen.node or 'no node yet'}" if seen.pod else ""
    code = f", it ended with {seen.code}" if seen.code is not None else ""
    plainly(f"{seen.kind} {settings.job_namespace}/{objects.NAME}: {seen.state}{where}{code}")
    if seen.because:
        plainly(f"  {one_line(seen.because)}")
    for line in seen.lines[-TOLD:]:
        plainly(f"  {one_line(line)}")


@group.command("remove")
def take_away(
    target: Target = "",
    volume: Annotated[bool, typer.Option("--volume", help="also the volume, with all reports on it")] = False,
) -> None:
    """Remove all that `job run` made; a run under way is undone first. The volume with the reports stays."""
    settings = Settings.of(target=target)
    removed = install.remove(settings, plainly, volume=volume)
    for line in removed or ["nothing was there"]:
        plainly(line)


@group.command("image")
def build() -> None:
    """Build the image of this suite and print its reference, to push to where another cluster pulls from."""
    plainly(install.image(Settings.of(), [], lambda said: err.print(said, highlight=False)))


@group.command("work", hidden=True)
def work(files: Files) -> None:
    """What the pod of a Job does."""
    settings = working.here(Settings.of())
    showing = Showing(err, series.planned(files, settings), settings.reports)
    raise typer.Exit(working.work(files, settings, showing, plainly))


@app.command()
def collect(
    target: Target = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="print every check")] = False,
) -> None:
    """Fetch to ./reports what Jobs left in the cluster: each run once, and only finished ones."""
    settings = Settings.of(target=target)
    folders = fetching.collect(settings, plainly)
    if not folders:
        plainly("nothing new")
        raise typer.Exit(EXIT_PASS)
    floors = ending.floors(settings.reports)
    show([ending.row(recorded.check(folder), folder, floors) for folder in folders], verbose, out)
