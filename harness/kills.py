"""The kill matrix: which check caught which mutant, and whether the controls stayed green."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import groupby

from pydantic import BaseModel, ConfigDict

from harness.foreign import markdown
from harness.outcome import Outcome, Verdict

EVIDENCE = "evidence."
SUITE = "suite"  # the class of defects in the suite itself
COLUMNS = "| mutant | experiment | named check | fate | also FAIL, or else INVALID |"
MOST_CHECKS = 4  # in a cell; the JSON has all


class Fate(StrEnum):
    """What became of a mutant."""

    NAMED = "killed by the named check"
    OTHER = "killed by another"
    SURVIVED = "survived"
    INVALID = "invalid"


class Trial(BaseModel):
    """One run of a mutant, or of a control if `mutant` is empty. `failed` are the checks that were FAIL, `doubted`
    those that were INVALID.

    `check` was named beforehand; `also` are others that would do. `rest` marks a run that should show nothing: the
    mutant at rest, with nothing broken.
    """

    model_config = ConfigDict(frozen=True)

    mutant: str
    digest: str
    title: str
    kind: str
    stack: str
    experiment: str
    check: str
    also: tuple[str, ...] = ()
    rest: bool = False
    run_id: str
    wall: str
    verdict: Verdict
    failed: tuple[str, ...]
    doubted: tuple[str, ...]
    because: str = ""

    @property
    def fate(self) -> Fate:
        """A run that was not judged catches nothing, nor does one that was red for want of evidence.

        Unless want of evidence is the very defect: an evidence check that was named beforehand and is INVALID turns a
        night as red as it can be. If the suite itself is broken, that goes for every check: what it did not see must
        not be held against the stack.
        """
        red = {*self.failed, *(name for name in self.doubted if name.startswith(EVIDENCE) or self.kind == SUITE)}
        if red & {self.check, *self.also}:
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
        newest = {trial.mutant: trial for trial in self.trials if trial.mutant and not trial.rest}
        return tuple(sorted(newest.values(), key=lambda trial: (trial.kind, trial.mutant)))

    @property
    def controls(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if not trial.mutant)

    @property
    def owed(self) -> tuple[Trial, ...]:
        """The trials of mutants that have no control yet, oldest first: each needs one."""
        return tuple(trial for trial in self.trials if trial.mutant and not trial.rest)[len(self.controls) :]

    def before(self, newest: Trial) -> tuple[Fate, ...]:
        """The fates of this very mutant in earlier runs that could be judged."""
        mine = (newest.mutant, newest.digest)
        same = [one.fate for one in self.trials if not one.rest and (one.mutant, one.digest) == mine]
        return tuple(fate for fate in same[:-1] if fate is not Fate.INVALID)

    def at_rest(self, mutant: str) -> Trial | None:
        """The newest run of a mutant with nothing broken."""
        found = [trial for trial in self.trials if trial.rest and trial.mutant == mutant]
        return found[-1] if found else None

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
    """The names of the checks with this verdict."""
    return tuple(check.name for check in outcome.checks if check.verdict is verdict)


def headline(matrix: Matrix) -> str:
    """The matrix in a sentence."""
    return (
        f"{len(matrix.mutants)} mutants: {matrix.count(Fate.NAMED)} killed by the named check, "
        f"{matrix.count(Fate.OTHER)} by another, {matrix.count(Fate.SURVIVED)} survived, "
        f"{matrix.count(Fate.INVALID)} could not be judged. "
        f"Controls: {len(matrix.controls)}, of which {len(matrix.red)} were red."
    )


def table(matrix: Matrix, untried: Sequence[str] = (), left_out: Sequence[tuple[str, str, str]] = ()) -> str:
    """The matrix in Markdown, a table for each class; below it the names not tried yet, and (name, title, why) of those
    that do not count."""
    lines = [headline(matrix)]
    for kind, trials in groupby(matrix.mutants, key=lambda trial: trial.kind):
        lines += ["", f"## {kind.capitalize()}", "", COLUMNS, "| --- | --- | --- | --- | --- |"]
        lines += [_row(trial, matrix.at_rest(trial.mutant), matrix.before(trial)) for trial in trials]
    if untried:
        lines += ["", "## Not tried yet", "", f"{len(untried)}: {', '.join(f'`{name}`' for name in untried)}."]
    if left_out:
        lines += ["", "## Not counted", "", "They cannot matter here:", ""]
        lines += [f"- `{name}`: {title}. {because}" for name, title, because in left_out]
    return "\n".join([*lines, ""])


def _row(trial: Trial, rest: Trial | None, before: Sequence[Fate]) -> str:
    named = (trial.check, *trial.also)
    cells = (
        f"`{trial.mutant}`: {trial.title}",
        trial.experiment,
        " or ".join(f"`{name}`" for name in named),
        _fate(trial, rest, before),
        _few([name for name in trial.failed or trial.doubted if name not in named]),
    )
    return f"| {' | '.join(cells)} |"


def _fate(trial: Trial, rest: Trial | None, before: Sequence[Fate]) -> str:
    """With what it was before, what was seen at rest, and why, if the named check did not catch it."""
    said = f"{trial.fate} (before: {', '.join(before)})" if set(before) - {trial.fate} else str(trial.fate)
    if rest is not None:
        said += f"; at rest {rest.verdict} {', '.join(rest.failed or rest.doubted)}".rstrip()
    return said if trial.fate is Fate.NAMED or not trial.because else f"{said}: {markdown(trial.because)}"


def _few(checks: Sequence[str]) -> str:
    more = len(checks) - MOST_CHECKS
    said = ", ".join(f"`{name}`" for name in checks[:MOST_CHECKS])
    return f"{said} and {more} more" if more > 0 else said
