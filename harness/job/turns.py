"""What a Job is to run, and what came of it: kept on its volume, so that another pod can resume if this one is evicted.

A run that was cut short is judged as far as it got, which is INVALID, and its experiment has another turn.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UsageError
from harness.files import write
from harness.outcome import Verdict, worst_verdict

FOLDER = "jobs"
TRIES = 2  # of a run that is cut short; each is kept


class Turn(BaseModel):
    """One run. It has no verdict while it is under way; `cut` if its pod was gone before it was over. `skipped` and
    `refused` say why there was none."""

    model_config = ConfigDict(frozen=True)

    experiment: str
    wall: str
    run_id: str = ""
    verdict: Verdict | None = None
    cut: bool = False
    skipped: str = ""
    refused: str = ""

    @property
    def open(self) -> bool:
        return self.verdict is None and not self.skipped

    def __str__(self) -> str:
        if self.skipped:
            return f"skipped {self.experiment}: {self.skipped}"
        why = f" ({self.refused})" if self.refused else " (its pod went before it was over)" if self.cut else ""
        return f"{self.verdict or 'under way'} {self.experiment}{why} {self.run_id}".rstrip()


class Turns(BaseModel):
    """One Job: the experiments asked for, in their order, and all turns so far."""

    model_config = ConfigDict(frozen=True)

    job: str
    asked: tuple[str, ...]
    turns: tuple[Turn, ...] = ()

    def of(self, name: str) -> tuple[Turn, ...]:
        return tuple(turn for turn in self.turns if turn.experiment == name)

    @property
    def owed(self) -> tuple[str, ...]:
        """The experiments not yet run to their end, and not cut too often to be tried again."""
        return tuple(name for name in self.asked if not any(_settles(t) for t in self.of(name)) and self._tries(name))

    def _tries(self, name: str) -> bool:
        return len(self.of(name)) < TRIES

    @property
    def verdict(self) -> Verdict:
        """The worst of all. A run that was cut counts only if none came after it, but a FAIL always does. Skipped
        experiments say nothing, but are no PASS either: if nothing at all was judged, it is INVALID."""
        found: list[Verdict] = []
        for name in self.asked:
            turns = self.of(name)
            if any(turn.skipped for turn in turns):
                continue
            judged = [turn.verdict or Verdict.INVALID for turn in turns]
            found += [Verdict.FAIL] if Verdict.FAIL in judged else judged[-1:] or [Verdict.INVALID]
        return worst_verdict(tuple(found)) if found else Verdict.INVALID

    def with_(self, turn: Turn) -> Turns:
        """With one more, or with the outcome of the last, if that is open."""
        before = self.turns[:-1] if self.turns and self.turns[-1].open else self.turns
        return self.model_copy(update={"turns": (*before, turn)})


def _settles(turn: Turn) -> bool:
    return bool(turn.skipped) or (turn.verdict is not None and not turn.cut)


def path(reports: Path, job: str) -> Path:
    """Where the turns of a Job are kept."""
    return reports / FOLDER / f"{job}.json"


def read(reports: Path, job: str, asked: tuple[str, ...]) -> Turns:
    """The turns so far; none if the Job has just begun. Raises `UsageError` if they are of other experiments."""
    there = path(reports, job)
    if not there.is_file():
        return Turns(job=job, asked=asked)
    try:
        found = Turns.model_validate_json(there.read_text(encoding="utf-8"))
    except ValidationError as cause:
        raise UsageError(f"{there} cannot be read as the turns of a Job; remove the Job, and begin again") from cause
    if found.asked != asked:
        raise UsageError(f"{there} is of other experiments ({', '.join(found.asked)}); remove the Job, and begin again")
    return found


def keep(reports: Path, turns: Turns) -> None:
    write(path(reports, turns.job), turns.model_dump_json(indent=2) + "\n")
