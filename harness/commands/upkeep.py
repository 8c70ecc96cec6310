"""The commands that bring the stack up, look after it, and take it down."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from rich.table import Table

from harness import calibrate as calibrating
from harness import standing
from harness.commands import console
from harness.commands.console import Progress, out, plainly
from harness.errors import UsageError
from harness.foreign import escaped
from harness.settings import Settings
from harness.stack import deploy, engine, steps, teardown

app = typer.Typer()

Only = Annotated[str | None, typer.Option("--step", help="do this step alone")]
Images = Annotated[str, typer.Option("--images", help="auto, pull or build")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="install what is missing without asking")]
Stack = Annotated[str, typer.Option("--stack", help="a folder in deploy/overlays/", autocompletion=deploy.stacks)]
Profile = Annotated[str, typer.Option("--profile", help="tuned, or defaults: Airflow's own settings")]
Providers = Annotated[list[str] | None, typer.Option(help="allow this too: process, http, or a module by its name")]


@app.command()
def up(step: Only = None, stack: Stack = "", profile: Profile = "", images: Images = "", yes: Yes = False) -> None:
    """Bring a bare machine to a steady stack; skips what is done, and takes down another stack."""
    settings = ours(Settings.of(images=images, stack=stack, profile=profile))
    if step is not None and step not in {s.name for s in steps.STEPS}:
        raise UsageError(f"no step is called {step!r}; there are: {', '.join(s.name for s in steps.STEPS)}")
    deploy.overlay_of(settings)  # refuses a wrong name before the question whether an engine may be installed
    _ask_for_engine(settings, yes)
    seconds = steps.climb(settings, Progress(), step)
    out.print(f"[bold green]up[/bold green] in {seconds:.0f} s")
    if step is None and calibrating.known(settings) is None:
        out.print(f"calibrating the prober, once per machine (expected {calibrating.SECONDS} s)", highlight=False)
        console.show_calibration(calibrating.calibrate(settings))


@app.command()
def down() -> None:
    """Remove everything that `up` made, except cached images and programs."""
    began = time.monotonic()
    removed = teardown.down(ours(Settings.of()))
    out.print(f"{'removed' if removed else 'nothing to remove'} in {time.monotonic() - began:.1f} s")


@app.command()
def status() -> None:
    """Show the stack at a glance."""
    out.print(standing.status(Settings.of()))


@app.command()
def doctor() -> None:
    """Say what is missing, and what each step of `up` will do; changes nothing."""
    settings = Settings.of()
    table = Table("step", "now", "what `up` will do", box=None)
    for step in steps.STEPS:
        look = step.look(settings)
        table.add_row(step.name, "[green]✓[/green]" if look.done else "·", escaped(look.plan))
    known = calibrating.known(settings)
    plan = escaped(f"done {known.wall}") if known else "the prober is measured against a server with scripted failures"
    table.add_row("calibration", "[green]✓[/green]" if known else "·", plan)
    out.print(table)
    steps.refuse_small_machine(settings)


@app.command()
def images(step: Images = "", yes: Yes = False) -> None:
    """Pull or build every image, and start nothing."""
    settings = Settings.of(images=step)
    _ask_for_engine(settings, yes)
    for name in ("engine", "images"):
        steps.climb(settings, Progress(), name)


@app.command()
def heal() -> None:
    """Repair what a killed harness left behind."""
    for line in standing.heal(Settings.of()) or ["nothing was left"]:
        plainly(line)


def ours(settings: Settings) -> Settings:
    """Raises `UsageError` if a target is given: nothing is made, taken down or planted in what is not ours."""
    if settings.target:
        raise UsageError("this is about the cluster that `harness up` makes; unset AIRFLOW_CHAOS_TARGET")
    return settings


def _ask_for_engine(settings: Settings, yes: bool) -> None:
    """Announce an installation, and let a person, --yes or CI answer."""
    found = engine.look(settings)
    if found.running or found.installed or not found.installable:
        return
    out.print(f"Docker engine {found.plan()}")
    if yes or engine.unattended():
        return
    if not sys.stdin.isatty() or not typer.confirm("Install it?"):
        raise UsageError("no Docker engine is installed, and you did not allow one; install it, or pass --yes")
