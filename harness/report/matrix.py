"""Executor × fault: each experiment on each stack, with its verdicts and the one measure that tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from harness.outcome import Check, Outcome, Verdict, worst_verdict
from harness.settings import STACKS
from harness.slo import CATALOGUE

LAST_RUNS = 5
FLOOR = "null"
# A backlog: when it is gone. Schedulers: when new tasks start again. Components that requests pass through, which
# writes are tried against: the outage. All others: how long a run takes.
MAIN = (
    ("scaling.backlog", "scaling.backlog"),
    ("recovery.first_new_task", "recovery.first_new_task"),
    ("availability.write.outage", "availability.read.outage"),
    ("tasks.run_duration", "tasks.run_duration"),
)


@dataclass(frozen=True)
class Cell:
    """The last runs of one experiment on one stack. `floor` is the worst of the same measure with nothing broken."""

    verdicts: tuple[tuple[Verdict, int], ...]
    name: str
    unit: str
    median: float | None
    worst: float | None
    limit: float | None
    floor: float | None

    @property
    def verdict(self) -> Verdict:
        return worst_verdict(tuple(verdict for verdict, _ in self.verdicts))

    @property
    def used(self) -> float:
        """How much of the limit the worst run took, from 0 to 1."""
        if self.worst is None or self.limit is None:
            return 0.0
        return min(1.0, self.worst / self.limit) if self.limit else float(self.worst > 0)


@dataclass(frozen=True)
class Row:
    """One experiment; a cell for each stack, or None where it did not run."""

    experiment: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Matrix:
    stacks: tuple[str, ...]
    rows: tuple[Row, ...]


def matrix(outcomes: Iterable[Outcome]) -> Matrix:
    """The last runs of each experiment on each stack, the newest by the time in their ids."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: o.run_id):
        found.setdefault((outcome.experiment, outcome.stack), []).append(outcome)
    last = {key: runs[-LAST_RUNS:] for key, runs in found.items()}
    there = {stack for _, stack in last}
    stacks = (*(s for s in STACKS if s in there), *sorted(there - set(STACKS)))
    rows = [
        Row(name, tuple(_cell(last[name, s], last.get((FLOOR, s), [])) if (name, s) in last else None for s in stacks))
        for name in sorted({experiment for experiment, _ in last})
    ]
    return Matrix(stacks, tuple(rows))


def _cell(runs: Sequence[Outcome], nulls: Sequence[Outcome]) -> Cell:
    name = main({check.name for check in runs[-1].checks})
    checks = _named(runs, name)
    measures, floor = _measures(checks), _measures(_named(nulls, name))
    counts = Counter(run.verdict for run in runs)
    return Cell(
        verdicts=tuple((verdict, counts[verdict]) for verdict in Verdict if counts[verdict]),
        name=name,
        unit=CATALOGUE[name].unit,
        median=median(measures) if measures else None,
        worst=max(measures, default=None),
        limit=checks[-1].limit if checks else None,
        floor=max(floor, default=None),
    )


def main(judged: Container[str]) -> str:
    """The one measure that tells runs of an experiment apart, given the names of its checks."""
    return next((name for sign, name in MAIN if sign in judged), MAIN[-1][1])


def _named(runs: Sequence[Outcome], name: str) -> list[Check]:
    return [check for run in runs for check in run.checks if check.name == name]


def _measures(checks: Sequence[Check]) -> list[float]:
    return [check.measure for check in checks if check.measure is not None]
