"""The command line: every command is one call into the layers below, and every error one line and an exit code."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from harness import auditing, campaign, console, ending, exports, kills, mutant, offline, series, standing, writing
from harness import calibrate as calibrating
from harness import repeat as repeating
from harness.console import err, out, plainly, show, show_repeated
from harness.dryrun import dry_run
from harness.errors import (
    EXIT_FAIL,
    EXIT_INTERNAL,
    EXIT_INVALID,
    EXIT_PASS,
    EXIT_USAGE,
    STORAGE,
    HarnessError,
    StorageError,
    UsageError,
)
from harness.progress.show import Showing
from harness.settings import Settings
from harness.stack import deploy, engine, steps, teardown
from harness.stack.steps import Look, Say, Step

app = typer.Typer(pretty_exceptions_enable=False, help=__doc__)
app.add_typer(offline.app)
app.add_typer(auditing.app)
app.add_typer(exports.app)
app.add_typer(writing.app)
INTERRUPTED = 130  # as shells count Ctrl-C
UNREAD = 141  # as shells count a program whose reader went away, where there is no verdict to end with
Only = Annotated[str | None, typer.Option("--step", help="take this step alone")]
Images = Annotated[str, typer.Option("--images", help="auto, pull or build")]
Stack = Annotated[str, typer.Option("--stack", help="one of deploy/overlays/", autocompletion=deploy.stacks)]
Profile = Annotated[str, typer.Option("--profile", help="tuned, or defaults: Airflow's own settings")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="install what is missing without asking")]


class Progress:
    """Names the step, its expected time and its time. Plain lines, so that CI's log reads like a terminal."""

    def begin(self, step: Step, look: Look) -> Say:
        expected = step.warm if look.done or step.warm == step.cold else step.cold
        out.print(f"[bold]{step.name}[/bold]: {escape(look.plan)} [dim](expected {expected} s)[/dim]", highlight=False)
        began = time.monotonic()
        return lambda text: out.print(f"  [dim]{time.monotonic() - began:6.1f} s[/dim] {escape(text)}", highlight=False)

    def end(self, step: Step, seconds: float) -> None:
        out.print(f"  [green]✓[/green] {step.name} in {seconds:.1f} s", highlight=False)


@app.command()
def up(step: Only = None, stack: Stack = "", profile: Profile = "", images: Images = "", yes: Yes = False) -> None:
    """Come from a bare machine to a steady stack; skips what is already true, and takes another stack away."""
    settings = Settings.of(images=images, stack=stack, profile=profile)
    if step is not None and step not in {s.name for s in steps.STEPS}:
        raise UsageError(f"no step is called {step!r}; there are: {', '.join(s.name for s in steps.STEPS)}")
    deploy.overlay_of(settings)  # before anybody is asked whether an engine may be installed
    _ask_for_engine(settings, yes)
    seconds = steps.climb(settings, Progress(), step)
    out.print(f"[bold green]up[/bold green] in {seconds:.0f} s")
    if step is None and calibrating.known(settings) is None:
        out.print(f"calibrating the prober, once on a machine (expected {calibrating.SECONDS} s)", highlight=False)
        console.show_calibration(calibrating.calibrate(settings))


@app.command()
def down() -> None:
    """Remove all that `up` made, except cached images and programs."""
    began = time.monotonic()
    removed = teardown.down(Settings.of())
    out.print(f"{'removed' if removed else 'nothing to remove'} in {time.monotonic() - began:.1f} s")


@app.command()
def status() -> None:
    """The stack at a glance."""
    out.print(standing.status(Settings.of()))


@app.command()
def doctor() -> None:
    """What is missing, and what each step of `up` will do; changes nothing."""
    settings = Settings.of()
    table = Table("step", "now", "what `up` will do", box=None)
    for step in steps.STEPS:
        look = step.look(settings)
        table.add_row(step.name, "[green]✓[/green]" if look.done else "·", escape(look.plan))
    known = calibrating.known(settings)
    plan = escape(f"done {known.wall}") if known else "the prober is measured against a server that fails by a script"
    table.add_row("calibration", "[green]✓[/green]" if known else "·", plan)
    out.print(table)
    steps.refuse_small_machine(settings)


@app.command()
def images(step: Images = "", yes: Yes = False) -> None:
    """Pull or build every image, without starting anything else."""
    settings = Settings.of(images=step)
    _ask_for_engine(settings, yes)
    for name in ("engine", "images"):
        steps.climb(settings, Progress(), name)


@app.command()
def calibrate(seed: Annotated[int | None, typer.Option(help="of the script")] = None) -> None:
    """Measure the prober against a server that fails by a script; ends with 2 where the error is beyond the stated."""
    out.print(f"calibrating (expected {calibrating.SECONDS} s)", highlight=False)
    found = calibrating.calibrate(Settings.of(), seed)
    console.show_calibration(found)
    raise typer.Exit(EXIT_PASS if found.holds else EXIT_INVALID)


@app.command()
def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="below experiments/, one after the other")],
    stack: Stack = "",
    profile: Profile = "",
    repeat: Annotated[int, typer.Option(help="so many times, and one verdict over all")] = 1,
    seed: Annotated[int | None, typer.Option(help="of the first run; one more for each that follows")] = None,
    allow_providers: Annotated[
        list[str] | None, typer.Option(help="let it run this too: process, http, or modules of this name")
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="say what would be hit, by name, and touch nothing")] = False,
    loud: Annotated[
        bool | None, typer.Option("--verbose/--quiet", "-v/-q", help="tell every check; or nothing before the verdict")
    ] = None,
) -> None:
    """Run experiments on the standing stack and judge them; ends with the worst verdict."""
    settings = Settings.of(stack=stack, profile=profile)
    settings = settings if seed is None else settings.model_copy(update={"seed": seed})
    if allow_providers:
        settings = settings.model_copy(update={"allow_providers": tuple(allow_providers)})
    if dry:
        for path in files:
            plainly("\n".join(dry_run(path, settings)))
        return
    repeating.refuse(repeat, len(files))
    showing = Showing(None if loud is False else err, series.planned(files, settings, repeat), settings.reports)
    if repeat != 1:
        folder, repeated = repeating.repeat(files[0], settings, repeat, plainly, showing.watching)
        show_repeated(repeated, folder)
        raise typer.Exit(repeated.verdict.exit_code)
    results = series.run(files, settings, showing, Progress(), plainly)
    floors = ending.floors(settings.reports)
    show([ending.row(result.outcome, result.folder, floors) for result in results], loud is True)
    raise typer.Exit(series.verdict(results, len(files)).exit_code)


@app.command()
def mutants(
    names: Annotated[list[str] | None, typer.Argument(help="below deploy/mutants/; all where none is named")] = None,
    part: Annotated[str, typer.Option(help="K/N: every N-th from the K-th on")] = "1/1",
    quick: Annotated[bool, typer.Option("--quick", help="the few that are quickest")] = False,
    controls: Annotated[bool, typer.Option(help="run as many experiments on the good stack in between")] = True,
    again: Annotated[bool, typer.Option("--again", help="also what was tried: what survived was mended since")] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="write docs/kill-matrix.md, and .json to resume from")
    ] = False,
) -> None:
    """Plant each defect, run the experiment that must catch it, and write the kill matrix; resumes where it stopped."""
    settings = Settings.of()
    named = [one for one in mutant.every(names) if (one.counts or names) and (one.quick or not quick)]
    chosen = mutant.share(named, part)
    matrix = campaign.run(chosen, settings, Progress(), plainly, controls=controls, again=again)
    tried = {trial.mutant: trial for trial in matrix.mutants}
    if publish:
        campaign.publish(matrix, mutant.every())
    plainly(f"{kills.headline(matrix)} {settings.reports / campaign.PAGE}")
    fine = all(one.name in tried and tried[one.name].fate is kills.Fate.NAMED for one in chosen) and not matrix.red
    raise typer.Exit(EXIT_PASS if fine else EXIT_FAIL)


@app.command()
def heal() -> None:
    """Undo what a killed harness left behind."""
    for line in standing.heal(Settings.of()) or ["nothing was left"]:
        plainly(line)


def _ask_for_engine(settings: Settings, yes: bool) -> None:
    """Installing an engine is said first, and answered by a person, by --yes or by CI."""
    found = engine.look(settings)
    if found.running or found.installed or not found.installable:
        return
    out.print(f"Docker engine {found.plan()}")
    if yes or engine.unattended():
        return
    if not sys.stdin.isatty() or not typer.confirm("Install it?"):
        raise UsageError("no Docker engine is installed and none may be; install one, or say --yes")


def main() -> None:
    """Entry: turn every error into one line and its exit code. SIGTERM ends a command as Ctrl-C does."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(sign) is not signal.SIG_IGN:
            signal.signal(sign, signal.default_int_handler)
    console.replace_unknown_characters()
    code = _answered(sys.argv[1:] or ["--help"])
    if unwritten := console.flush():
        code = _refused(StorageError.of(unwritten, Path("the output")))
        console.flush()
    sys.exit(code)


def _answered(words: list[str]) -> int:
    """Do what the words say; returns the exit code."""
    try:
        code = app(words, standalone_mode=False, prog_name="harness")
    except HarnessError as cause:
        return _refused(cause)
    except (KeyboardInterrupt, typer.Abort):  # the latter is Ctrl-C, or no answer, where a question was asked
        code = INTERRUPTED
    except typer.Exit as cause:
        code = cause.exit_code
    except BrokenPipeError:
        return UNREAD
    except SystemExit as cause:  # of the shell's completion; and of the help without a reader, with 1, which is FAIL
        return UNREAD if cause.code else EXIT_PASS
    except OSError as cause:
        return _refused(StorageError.of(cause)) if cause.errno in STORAGE else _unforeseen(cause)
    except Exception as cause:
        return _unforeseen(cause)
    if code == INTERRUPTED:
        err.print("interrupted")
    return code if isinstance(code, int) else EXIT_PASS


def _refused(cause: HarnessError) -> int:
    err.print(f"[red]error:[/red] {escape(str(cause))}", highlight=False, soft_wrap=True)
    return cause.exit_code


def _unforeseen(cause: Exception) -> int:
    """Click's own usage errors are the user's; anything else is a defect of ours and shows where."""
    shown = getattr(cause, "format_message", None)
    if shown is not None:
        err.print(f"[red]error:[/red] {escape(shown())}", highlight=False, soft_wrap=True)
        return EXIT_USAGE
    err.print(traceback.format_exc(), highlight=False, markup=False)
    err.print("[red]internal error:[/red] this is a defect of the harness; please report it with the lines above")
    return EXIT_INTERNAL
