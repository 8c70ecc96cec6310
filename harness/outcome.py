"""The result of judging: checks, and the verdict of a run. The judge makes them, the report draws them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import EXIT_FAIL, EXIT_INVALID, EXIT_PASS, UsageError
from harness.files import write

LEDGER: Final = "ledger"


class Verdict(StrEnum):
    """Ordered from good to bad: PASS < INVALID < FAIL."""

    PASS = "PASS"  # noqa: S105
    INVALID = "INVALID"
    FAIL = "FAIL"

    @property
    def rank(self) -> int:
        return (Verdict.PASS, Verdict.INVALID, Verdict.FAIL).index(self)

    @property
    def exit_code(self) -> int:
        return (EXIT_PASS, EXIT_INVALID, EXIT_FAIL)[self.rank]


class Window(BaseModel):
    """A stretch of the run that a check is about: half-open, nanoseconds since the run began."""

    model_config = ConfigDict(frozen=True)

    start: int
    end: int
    what: str


class Check(BaseModel):
    """One thing that was measured against one limit. `measure` and `limit` are None if there is none.

    `curve` is (setting, measure) if it rests on measures at several settings; otherwise it is left out. `needs` is what
    the target lacks and the check cannot be judged without; it is left out if there is nothing of the kind.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    verdict: Verdict
    measure: float | None
    limit: float | None
    unit: str
    origin: str
    windows: tuple[Window, ...] = ()
    because: str
    curve: tuple[tuple[float, float], ...] = Field(default=(), exclude_if=lambda curve: not curve)
    needs: Literal["", "ledger"] = Field(default="", exclude_if=lambda needs: not needs)


class Outcome(BaseModel):
    """The verdict of a run: the worst of its checks."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    experiment: str
    stack: str
    verdict: Verdict
    checks: tuple[Check, ...]

    @property
    def amiss(self) -> list[Check]:
        """The checks that did not pass, except those that cannot be judged on this target: `needing` counts them."""
        return [check for check in self.checks if check.verdict is not Verdict.PASS and not check.needs]

    @property
    def needing(self) -> str:
        """How many checks are INVALID for want of a ledger alone; "" if none is."""
        count = sum(check.needs == LEDGER for check in self.checks)
        checks = "1 check needs" if count == 1 else f"{count} checks need"
        return f"{checks} a ledger, which this target does not have" if count else ""

    def save(self, path: Path) -> None:
        text = self.model_dump_json(indent=2, ensure_ascii=True)
        write(path, text.replace("\x7f", "\\u007f") + "\n")  # the one control character that JSON leaves as it is

    @classmethod
    def load(cls, path: Path) -> Outcome:
        """Raises `UsageError` if the file is not a verdict."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as cause:
            raise UsageError(f"{path} is not a verdict that can be read; make it with harness report") from cause


def worst(checks: tuple[Check, ...]) -> Verdict:
    """The verdict of many checks. No check at all is INVALID: nothing was judged."""
    return worst_verdict(tuple(c.verdict for c in checks))


def worst_verdict(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The worst of many; of none, INVALID."""
    return max(verdicts, key=lambda v: v.rank, default=Verdict.INVALID)
