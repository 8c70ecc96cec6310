"""Each mutant against its experiment, and a control after it on the stack as it should be; resumed where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from harness import gate
from harness.errors import HarnessError, UsageError
from harness.files import write
from harness.history import wall_now
from harness.judge.kills import Fate, Matrix, Trial, checks_of
from harness.mutant import Mutant
from harness.outcome import Verdict
from harness.run import conduct
from harness.settings import ROOT, Settings
from harness.stack import steps
from harness.stack.steps import Display

NAME = "kill-matrix.json"
Say = Callable[[str], None]


def run(mutants: list[Mutant], settings: Settings, display: Display, say: Say, *, controls: bool) -> Matrix:
    """Try what was not tried yet, keeping each trial as it comes. In the end the good stack stands, whatever was."""
    matrix, here = read(settings.reports), settings
    try:
        for mutant in mutants:
            if matrix.tried(mutant.name, mutant.digest):
                say(f"{mutant.name}: tried already")
                continue
            here = settings.model_copy(update={"stack": mutant.stack})
            matrix = _keep(matrix.with_(_trial(mutant, here, display)), settings.reports, say)
            if controls:
                gate.ensure(here, display)
                matrix = _keep(matrix.with_(_control(mutant, here)), settings.reports, say)
    finally:
        gate.ensure(here, display)
    return matrix


def read(reports: Path) -> Matrix:
    """What was tried so far. Raises `UsageError` where the file is none of ours."""
    path = reports / NAME
    if not path.is_file():
        return Matrix()
    try:
        return Matrix.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as cause:
        raise UsageError(f"{path} is not a kill matrix that can be read; move it away and begin again") from cause


def _keep(matrix: Matrix, reports: Path, say: Say) -> Matrix:
    write(reports / NAME, matrix.model_dump_json(indent=2) + "\n")
    last = matrix.trials[-1]
    what = f"{last.mutant}: {last.fate}" if last.mutant else f"control of {last.experiment}: {last.verdict}"
    say(f"{what} ({', '.join(last.failed or last.doubted) or 'nothing red'}) {last.because}".rstrip())
    return matrix


def _trial(mutant: Mutant, settings: Settings, display: Display) -> Trial:
    """A stack that does not come up with its defect was caught by `up`, and that is no experiment's doing."""
    planted = settings.model_copy(update={"mutant": mutant.name})
    try:
        steps.climb(planted, display, "airflow")
        steps.climb(planted, display, "steady")
        return _judged(mutant, planted, mutant.name)
    except HarnessError as cause:
        return _of(mutant, mutant.name).model_copy(update={"because": str(cause)[:300]})


def _control(mutant: Mutant, settings: Settings) -> Trial:
    try:
        return _judged(mutant, settings, "")
    except HarnessError as cause:
        return _of(mutant, "").model_copy(update={"because": str(cause)[:300]})


def _judged(mutant: Mutant, settings: Settings, name: str) -> Trial:
    outcome = conduct(ROOT / "experiments" / f"{mutant.experiment}.json", settings).outcome
    came = {
        "run_id": outcome.run_id,
        "verdict": outcome.verdict,
        "failed": checks_of(outcome, Verdict.FAIL),
        "doubted": checks_of(outcome, Verdict.INVALID),
    }
    trial = _of(mutant, name).model_copy(update=came)
    why = next((c.because for c in outcome.checks if c.verdict is outcome.verdict), "")
    return trial.model_copy(update={"because": why}) if trial.fate in (Fate.OTHER, Fate.INVALID) else trial


def _of(mutant: Mutant, name: str) -> Trial:
    return Trial(
        mutant=name,
        digest=mutant.digest,
        title=mutant.title,
        kind=mutant.kind,
        stack=mutant.stack,
        experiment=mutant.experiment,
        check=mutant.check,
        run_id="",
        wall=wall_now(),
        verdict=Verdict.INVALID,
        failed=(),
        doubted=(),
    )
