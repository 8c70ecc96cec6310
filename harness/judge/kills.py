"""The kill matrix: which mutant was caught by which check, and whether the controls stayed green."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from harness.outcome import Outcome, Verdict


class Fate(StrEnum):
    """What became of a mutant."""

    NAMED = "killed by the named check"
    OTHER = "killed by another"
    SURVIVED = "survived"
    INVALID = "invalid"


class Trial(BaseModel):
    """One run of a mutant, or of a control where `mutant` is empty. `failed` are the checks that were FAIL, `doubted`
    those that were INVALID."""

    model_config = ConfigDict(frozen=True)

    mutant: str
    digest: str
    title: str
    kind: str
    stack: str
    experiment: str
    check: str
    run_id: str
    wall: str
    verdict: Verdict
    failed: tuple[str, ...]
    doubted: tuple[str, ...]
    because: str = ""

    @property
    def fate(self) -> Fate:
        """A run that is not judged catches nothing, and neither does one that was red for want of evidence."""
        if self.check in self.failed:
            return Fate.NAMED
        if self.failed:
            return Fate.OTHER
        return Fate.SURVIVED if self.verdict is Verdict.PASS else Fate.INVALID


class Matrix(BaseModel):
    """All trials of a campaign, oldest first."""

    model_config = ConfigDict(frozen=True)

    trials: tuple[Trial, ...] = ()

    @property
    def mutants(self) -> tuple[Trial, ...]:
        """The newest trial of each mutant, by class and name."""
        newest = {trial.mutant: trial for trial in self.trials if trial.mutant}
        return tuple(sorted(newest.values(), key=lambda trial: (trial.kind, trial.mutant)))

    @property
    def controls(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if not trial.mutant)

    def tried(self, mutant: str, digest: str) -> bool:
        """Whether this very mutant was tried, and the run could be judged."""
        mine = [trial for trial in self.mutants if (trial.mutant, trial.digest) == (mutant, digest)]
        return bool(mine) and mine[0].fate is not Fate.INVALID

    def count(self, fate: Fate) -> int:
        return sum(trial.fate is fate for trial in self.mutants)

    @property
    def red(self) -> tuple[Trial, ...]:
        """Controls that failed: alarms without a cause."""
        return tuple(trial for trial in self.controls if trial.verdict is Verdict.FAIL)

    def with_(self, trial: Trial) -> Matrix:
        return Matrix(trials=(*self.trials, trial))


def checks_of(outcome: Outcome, verdict: Verdict) -> tuple[str, ...]:
    """The names of the checks that came to this."""
    return tuple(check.name for check in outcome.checks if check.verdict is verdict)


def table(matrix: Matrix) -> str:
    """The matrix in Markdown."""
    found = matrix.mutants
    named, other = matrix.count(Fate.NAMED), matrix.count(Fate.OTHER)
    head = (
        f"{len(found)} mutants: {named} killed by the named check, {other} by another, "
        f"{matrix.count(Fate.SURVIVED)} survived, {matrix.count(Fate.INVALID)} could not be judged. "
        f"Controls: {len(matrix.controls)}, of which {len(matrix.red)} were red."
    )
    rows = [
        f"| {t.kind} | `{t.mutant}`: {t.title} | {t.experiment} | `{t.check}` | {t.fate} | "
        f"{', '.join(f'`{name}`' for name in t.failed or t.doubted)} | {t.because} |"
        for t in found
    ]
    columns = "| class | mutant | experiment | named check | fate | checks that were FAIL, or else INVALID | why |"
    return "\n".join([head, "", columns, "| --- | --- | --- | --- | --- | --- | --- |", *rows, ""])
