"""Each mutant against its experiment, with as many controls on the good stack; resumed where it stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from harness import ground, sources, standing
from harness.errors import EXIT_FAIL, EXIT_INVALID, CommandFailed, HarnessError, UsageError
from harness.files import write
from harness.history import wall_now
from harness.kills import Fate, Matrix, Trial, checks_of, table
from harness.mutant import SHARED, Mutant
from harness.outcome import Outcome, Verdict
from harness.process import run as run_program
from harness.report import kills as page
from harness.run import conduct
from harness.settings import ROOT, Settings
from harness.stack import steps
from harness.stack.steps import Display

NAME, PAGE = "kill-matrix.json", "kill-matrix.html"
DOCS = ROOT / "docs"
REST = "null"
# One mutant differs little from the next, so the good stack is restored once for all their controls.
AT_ONCE = 4
TRIES = 2  # for what could not be judged; each is kept
SUITE_SECONDS = 1800.0
Say = Callable[[str], None]


def run(
    mutants: list[Mutant], settings: Settings, display: Display, say: Say, *, controls: bool, again: bool = False
) -> Matrix:
    """Try what was not tried yet, or everything `again`, saving each trial as it comes.

    At the end the good stack is up, whatever happened.
    """
    matrix, here = read(settings.reports), settings
    try:
        for mutant in mutants:
            if matrix.tried(mutant.name, mutant.digest) and not again:
                say(f"{mutant.name}: already tried")
                continue
            if controls and _due(matrix, mutant):
                matrix = _kept(matrix, _controls(matrix, settings, display), settings.reports, say)
            here = settings.model_copy(update={"stack": mutant.stack})
            for _ in range(TRIES):
                matrix = _kept(matrix, _trials(mutant, here, display), settings.reports, say)
                if matrix.tried(mutant.name, mutant.digest):
                    break
        if controls:
            matrix = _kept(matrix, _controls(matrix, settings, display), settings.reports, say)
    finally:
        ground.ensure(here, display)
    return matrix


def read(reports: Path) -> Matrix:
    """What was tried so far. Raises `UsageError` if the file is not one of ours."""
    path = reports / NAME
    if not path.is_file():
        return Matrix()
    try:
        return Matrix.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as cause:
        raise UsageError(f"{path} is not a kill matrix that can be read; move it away and begin again") from cause


def publish(matrix: Matrix, known: list[Mutant]) -> None:
    """Write the matrix where readers find it; a campaign resumes from its JSON, copied to the reports."""
    left_out = [(one.name, one.title, one.because) for one in known if not one.counts]
    digests = {one.name: one.digest for one in known}  # one that was changed or removed since was another mutant
    matrix = Matrix(trials=tuple(t for t in matrix.trials if not t.mutant or digests.get(t.mutant) == t.digest))
    tried = {trial.mutant for trial in matrix.mutants}
    untried = [one.name for one in known if one.counts and one.name not in tried]
    write(DOCS / "kill-matrix.md", f"# Kill matrix\n\n{table(matrix, untried, left_out)}")
    write(DOCS / NAME, matrix.model_dump_json(indent=2) + "\n")


def _due(matrix: Matrix, mutant: Mutant) -> bool:
    """Whether to restore the good stack before this mutant: because it needs it, or controls are overdue."""
    owed = matrix.owed
    return bool(owed) and (len(owed) >= AT_ONCE or owed[0].stack != mutant.stack or mutant.of_the_suite)


def _kept(matrix: Matrix, trials: Iterable[Trial], reports: Path, say: Say) -> Matrix:
    for trial in trials:
        matrix = matrix.with_(trial)
        write(reports / NAME, matrix.model_dump_json(indent=2) + "\n")
        write(reports / PAGE, page.page(matrix))
        who = trial.mutant or f"control of {trial.experiment}"
        what = trial.verdict if trial.rest or not trial.mutant else trial.fate
        bad = ", ".join(trial.failed or trial.doubted) or "nothing red"
        say(f"{who}{' at rest' if trial.rest else ''}: {what} ({bad}) {trial.because}".rstrip())
    return matrix


def _trials(mutant: Mutant, settings: Settings, display: Display) -> Iterable[Trial]:
    """The run at rest comes first: a campaign that stops right after it tries both again."""
    if mutant.of_the_suite:
        yield _tried(_of(mutant), partial(_by_itself, mutant, settings, display))
        return
    planted = settings.model_copy(update={"mutant": mutant.name})
    trouble = _plant(planted, display)
    for trial in ([_of(mutant, rest=True)] if mutant.rest else []) + [_of(mutant)]:
        yield _tried(trial, partial(_conducted, trial, planted), trouble)


def _plant(planted: Settings, display: Display) -> str:
    """Deploy it and wait until it is as steady as it gets; returns what went wrong, which may be the defect itself."""
    try:
        steps.climb(planted, display, "airflow")
        steps.climb(planted, display, "steady")
    except HarnessError as cause:
        return f"{cause}; "
    return ""


def _controls(matrix: Matrix, settings: Settings, display: Display) -> Iterable[Trial]:
    """The same experiments on the good stack."""
    for trial in matrix.owed:
        here = settings.model_copy(update={"stack": trial.stack})
        ground.ensure(here, display)
        blank = {"mutant": "", "run_id": "", "because": "", "verdict": Verdict.INVALID, "failed": (), "doubted": ()}
        control = trial.model_copy(update={**blank, "wall": wall_now()})
        yield _tried(control, partial(_conducted, control, here))


def _conducted(trial: Trial, settings: Settings) -> Outcome:
    return conduct(sources.named(trial.experiment), settings).outcome


def _by_itself(mutant: Mutant, settings: Settings, display: Display) -> Outcome:
    """Run a harness with the defect in it, as a separate process, and keep its reports apart from good ones.

    Whatever it did not undo is repaired afterwards.
    """
    ground.ensure(settings, display)
    reports = settings.reports / "mutants" / mutant.name
    before = set(reports.glob("*/verdict.json"))
    command = (sys.executable, "-m", "harness", "run", str(sources.named(mutant.experiment)))
    env = {
        "PYTHONPATH": os.pathsep.join(map(str, (SHARED, mutant.folder))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW_CHAOS_REPORTS": str(reports),
        "AIRFLOW_CHAOS_CACHE": str(settings.cache),
    }
    try:
        run_program([*command, "--stack", mutant.stack], timeout=SUITE_SECONDS, env=env)
    except CommandFailed as cause:
        if cause.returncode not in (EXIT_FAIL, EXIT_INVALID):
            raise
    finally:
        standing.heal(settings)
    if not (made := set(reports.glob("*/verdict.json")) - before):
        raise HarnessError(f"{mutant.name} left no verdict in {reports}; run it by hand to see why")
    return Outcome.load(made.pop())


def _tried(trial: Trial, attempt: Callable[[], Outcome], trouble: str = "") -> Trial:
    """The trial with its result. A refused run is not judged: a defect that `up` catches was not caught by a check."""
    try:
        outcome = attempt()
    except HarnessError as cause:
        return trial.model_copy(update={"verdict": Verdict.INVALID, "because": f"{trouble}{cause}"[:300]})
    came = {
        "run_id": outcome.run_id,
        "verdict": outcome.verdict,
        "failed": checks_of(outcome, Verdict.FAIL),
        "doubted": checks_of(outcome, Verdict.INVALID),
    }
    done = trial.model_copy(update=came)
    why = next((c.because for c in outcome.checks if c.verdict is outcome.verdict), "")
    return done.model_copy(update={"because": why}) if done.fate in (Fate.OTHER, Fate.INVALID) else done


def _of(mutant: Mutant, *, rest: bool = False) -> Trial:
    return Trial(
        mutant=mutant.name,
        digest=mutant.digest,
        title=mutant.title,
        kind=mutant.kind,
        stack=mutant.stack,
        experiment=REST if rest else mutant.experiment,
        check=mutant.check,
        also=mutant.also,
        rest=rest,
        run_id="",
        wall=wall_now(),
        verdict=Verdict.INVALID,
        failed=(),
        doubted=(),
    )
