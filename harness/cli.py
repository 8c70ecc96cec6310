"""The command line: every command is one call into the layers below; every error becomes one line and an exit code."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from harness import calibrate as calibrating
from harness import kills, mutant, pace
from harness.campaigns import campaign, series
from harness.campaigns import repeat as repeating
from harness.campaigns import sweep as sweeping
from harness.commands import auditing, console, deploying, ending, exports, jobs, offline, targeting, upkeep, writing
from harness.commands.console import Progress, err, out, plainly, show, show_repeated
from harness.commands.dryrun import dry_run
from harness.commands.upkeep import Profile, Providers, Stack, ours
from harness.errors import (
    EXIT_FAIL,
    EXIT_INTERNAL,
    EXIT_INVALID,
    EXIT_PASS,
    EXIT_USAGE,
    STORAGE,
    HarnessError,
    StorageError,
)
from harness.foreign import escaped
from harness.progress.show import Showing
from harness.settings import Settings, publishing
from harness.swept import What

app = typer.Typer(pretty_exceptions_enable=False, help=__doc__)
app.add_typer(offline.app)
app.add_typer(auditing.app)
app.add_typer(deploying.app)
app.add_typer(exports.app)
app.add_typer(jobs.app)
app.add_typer(targeting.app)
app.add_typer(upkeep.app)
app.add_typer(writing.app)
INTERRUPTED = 130  # as shells count Ctrl-C
UNREAD = 141  # as shells report a program whose reader went away; only where there is no verdict to end with
Target = Annotated[str, typer.Option("--target", help="a file that `target discover` wrote: run it there")]
Publish = Annotated[bool, typer.Option("--publish", help="write its page in docs/, and its .json", callback=publishing)]


@app.command()
def calibrate(seed: Annotated[int | None, typer.Option(help="of the script")] = None) -> None:
    """Measure the prober against a server with scripted failures; ends with 2 if its error exceeds the stated one."""
    out.print(f"calibrating (expected {calibrating.SECONDS} s)", highlight=False)
    found = calibrating.calibrate(Settings.of(), seed)
    console.show_calibration(found)
    raise typer.Exit(EXIT_PASS if found.holds else EXIT_INVALID)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - an argument is an option
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="below experiments/, one after the other")],
    stack: Stack = "",
    profile: Profile = "",
    target: Target = "",
    repeat: Annotated[int, typer.Option(help="run it this many times, for one verdict over all")] = 1,
    seed: Annotated[int | None, typer.Option(help="of the first run; one more for each that follows")] = None,
    vantage: Annotated[int, typer.Option(min=0, help="this many pods of the cluster make requests too")] = 0,
    allow_providers: Providers = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="say what would be hit, by name, and touch nothing")] = False,
    loud: Annotated[
        bool | None, typer.Option("--verbose/--quiet", "-v/-q", help="print every check; or nothing before the verdict")
    ] = None,
) -> None:
    """Run experiments on the standing stack and judge them; ends with the worst verdict."""
    providers = ",".join(allow_providers or ())
    settings = Settings.of(stack=stack, profile=profile, target=target, allow_providers=providers)
    settings = settings if seed is None else settings.model_copy(update={"seed": seed})
    settings = settings.model_copy(update={"vantage": vantage}) if vantage else settings
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
    names: Annotated[list[str] | None, typer.Argument(help="in deploy/mutants/; by default all")] = None,
    part: Annotated[str, typer.Option(help="K/N: every N-th from the K-th on")] = "1/1",
    quick: Annotated[bool, typer.Option("--quick", help="only the few quickest")] = False,
    controls: Annotated[bool, typer.Option(help="run as many experiments on the good stack in between")] = True,
    again: Annotated[bool, typer.Option("--again", help="retry what was tried, after survivors were fixed")] = False,
    publish: Publish = False,
) -> None:
    """Plant each defect, run the experiment that must catch it, and write the kill matrix; resumes where it stopped."""
    settings = ours(Settings.of())
    named = [one for one in mutant.every(names) if (one.counts or names) and (one.quick or not quick)]
    chosen = mutant.share(named, part)
    if settings.skip_slow and (slow := pace.too_slow()):
        plainly(f"skipped: {slow}")
        return
    matrix = campaign.run(chosen, settings, Progress(), plainly, controls=controls, again=again)
    tried = {trial.mutant: trial for trial in matrix.mutants}
    if publish:
        campaign.publish(matrix, mutant.every())
    plainly(f"{kills.headline(matrix)} {settings.reports / campaign.PAGE}")
    fine = all(one.name in tried and tried[one.name].fate is kills.Fate.NAMED for one in chosen) and not matrix.red
    if not fine and settings.skip_slow and (slow := pace.too_slow()):
        plainly(f"says nothing: {slow}")
        return
    raise typer.Exit(EXIT_PASS if fine else EXIT_FAIL)


@app.command()
def sweep(
    what: Annotated[What, typer.Argument(metavar="pods|nodes", help="each pod of the stack, or each worker node")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="VICTIM", help="only these, by name or component, tried or not"),
    ] = None,
    stack: Stack = "",
    part: Annotated[str, typer.Option(help="K/N: every N-th from the K-th on")] = "1/1",
    again: Annotated[bool, typer.Option("--again", help="start over instead of resuming")] = False,
    publish: Publish = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress, only a line for each run")] = False,
) -> None:
    """Hit each in turn and judge all by the same bounds; resumes where it stopped. Ends with the verdict over all, or
    over the chosen ones."""
    settings = Settings.of(stack=stack)
    one = sweeping.begin(what, settings, again=again)
    chosen = sweeping.chosen(one, names or (), part)
    turns = chosen if names else sweeping.owed(one, chosen)
    showing = Showing(None if quiet else err, sweeping.planned(turns, what, settings), settings.reports)
    one = sweeping.run(one, turns, settings, showing, Progress(), plainly)
    if publish:
        sweeping.publish(one)
    verdict = one.verdict if len(chosen) == len(one.there) else one.verdict_over(chosen)
    console.show_sweep(one, len(chosen), verdict, sweeping.page(one, settings))
    raise typer.Exit(verdict.exit_code)


def main() -> None:
    """Entry point: turn every error into one line and its exit code. SIGTERM ends a command as Ctrl-C does."""
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
    """Run the command; returns the exit code."""
    try:
        code = app(words, standalone_mode=False, prog_name=_name())
    except HarnessError as cause:
        return _refused(cause)
    except (KeyboardInterrupt, typer.Abort):  # the latter is Ctrl-C, or no answer, at a question
        code = INTERRUPTED
    except typer.Exit as cause:
        code = cause.exit_code
    except BrokenPipeError:
        return UNREAD
    except SystemExit as cause:  # from shell completion; and from help without a reader, with 1, which would be FAIL
        return UNREAD if cause.code else EXIT_PASS
    except OSError as cause:
        return _refused(StorageError.of(cause)) if cause.errno in STORAGE else _unforeseen(cause)
    except Exception as cause:
        return _unforeseen(cause)
    if code == INTERRUPTED:
        err.print("interrupted")
    return code if isinstance(code, int) else EXIT_PASS


def _name() -> str:
    """The name that we were called by: shells complete each of our two names separately."""
    called = Path(sys.argv[0]).name
    return called if called == "airflow-chaos" else "harness"


def _refused(cause: HarnessError) -> int:
    err.print(f"[red]error:[/red] {escaped(str(cause))}", highlight=False, soft_wrap=True)
    return cause.exit_code


def _unforeseen(cause: Exception) -> int:
    """Click's own usage errors are the user's; anything else is our defect, shown with its traceback."""
    shown = getattr(cause, "format_message", None)
    if shown is not None:
        err.print(f"[red]error:[/red] {escaped(shown())}", highlight=False, soft_wrap=True)
        return EXIT_USAGE
    err.print(traceback.format_exc(), highlight=False, markup=False)
    asked = "this is a defect of the harness; please report it with the lines above"
    err.print(f"[red]internal error:[/red] {asked}", soft_wrap=True)
    return EXIT_INTERNAL
