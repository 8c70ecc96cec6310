"""The results of runs, a row each: the verdict, what the experiment is about, and the worst check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.outcome import Check, Outcome
from harness.report.matrix import FLOOR, LAST_RUNS, main
from harness.trends import trend

Floors = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Row:
    """One run. `floor` is the worst of its main measure with nothing broken, None if that is not known; `remark` is
    anything else to say about it."""

    outcome: Outcome
    folder: Path
    floor: float | None = None
    remark: str = ""

    @property
    def place(self) -> Path:
        """Its report, or if there is none its folder."""
        page = self.folder / "report.html"
        return page if page.is_file() else self.folder

    @property
    def about(self) -> Check | None:
        """The check that this experiment is about."""
        name = main({check.name for check in self.outcome.checks})
        return next((check for check in self.outcome.checks if check.name == name), None)

    @property
    def amiss(self) -> list[Check]:
        """The checks that did not pass, the worst first; among equals, those with a measure."""
        return sorted(self.outcome.amiss, key=lambda check: (-check.verdict.rank, check.measure is None))

    @property
    def worst(self) -> str:
        """The worst check by name, how many more did not pass, and whether a ledger is missing."""
        more = f", {len(self.amiss) - 1} more" if self.amiss[1:] else ""
        named = [f"{self.amiss[0].name}{more}"] if self.amiss else []
        return "; ".join([*named, *(["no ledger"] if self.outcome.needing else [])])


def row(outcome: Outcome, folder: Path, floors: Floors, remark: str = "") -> Row:
    """A run, with the noise floor of its stack."""
    plain = Row(outcome, folder, remark=remark)
    floor = floors.get((outcome.stack, plain.about.name)) if plain.about else None
    return Row(outcome, folder, floor, remark)


def floors(reports: Path) -> Floors:
    """(stack, measure) → its worst in the last runs with nothing broken; nothing if they cannot be read."""
    try:
        kept = trend.runs(reports)
    except HarnessError:
        return {}
    return worst_of_last(kept)


def worst_of_last(kept: Iterable[trend.Kept]) -> Floors:
    """Of runs, oldest first, those with nothing broken, by stack and measure."""
    nulls: dict[str, list[trend.Kept]] = {}
    for run in kept:
        if run.experiment == FLOOR:
            nulls.setdefault(run.stack, []).append(run)
    found: Floors = {}
    for stack, runs in nulls.items():
        for run in runs[-LAST_RUNS:]:
            for name, measure in run.measures.items():
                found[stack, name] = max(measure, found.get((stack, name), measure))
    return found
