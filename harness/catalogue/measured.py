"""The figures of recorded runs, in `docs/measured.json`: the last runs of each experiment on each stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, RootModel

from harness.errors import UsageError
from harness.files import write
from harness.outcome import Outcome, Verdict
from harness.slo import CATALOGUE

LAST_RUNS = 5


class Figures(BaseModel):
    """The figures of one run, or of several summed up together; for each measure the median and the worst."""

    model_config = ConfigDict(frozen=True)

    last_run: str
    verdicts: dict[Verdict, int]
    measures: dict[str, tuple[float, float]]


class Measured(RootModel[dict[str, dict[str, tuple[Figures, ...]]]]):
    """Experiment → stack → figures of its last runs, oldest first."""

    def last(self, experiment: str, stack: str) -> tuple[Figures, ...]:
        """The last runs of one experiment on one stack, oldest first."""
        return self.root.get(experiment, {}).get(stack, ())

    def seen(self, experiment: str, stack: str) -> Figures | None:
        """The last runs of one experiment on one stack, summed up; earlier sums count with their median."""
        some = self.last(experiment, stack)
        return _together(some) if some else None


def added(known: Measured, outcomes: Iterable[Outcome]) -> Measured:
    """Add runs, each once, and keep the last of each experiment on each stack, by the time in their ids."""
    cells: dict[str, dict[str, dict[str, Figures]]] = {}
    for name, of in known.root.items():
        cells[name] = {stack: {one.last_run: one for one in some} for stack, some in of.items()}
    for outcome in outcomes:
        cell = cells.setdefault(outcome.experiment, {}).setdefault(outcome.stack, {})
        cell[outcome.run_id] = _figures(outcome)
    last = {name: {stack: _last(cell) for stack, cell in sorted(of.items())} for name, of in sorted(cells.items())}
    return Measured(last)


def _last(cell: dict[str, Figures]) -> tuple[Figures, ...]:
    return tuple(cell[run] for run in sorted(cell)[-LAST_RUNS:])


def _figures(run: Outcome) -> Figures:
    known = {c.name: round(c.measure, 3) for c in run.checks if c.measure is not None and c.name in CATALOGUE}
    measures = {name: (value, value) for name, value in sorted(known.items())}
    return Figures(last_run=run.run_id, verdicts={run.verdict: 1}, measures=measures)


def _together(some: Sequence[Figures]) -> Figures:
    middles: dict[str, list[float]] = {}
    worst: dict[str, float] = {}
    verdicts: Counter[Verdict] = Counter()
    for one in some:
        verdicts.update(one.verdicts)
        for name, (middle, most) in one.measures.items():
            middles.setdefault(name, []).extend([middle] * sum(one.verdicts.values()))
            pick = min if name in CATALOGUE and CATALOGUE[name].sense == "at least" else max
            worst[name] = pick(worst.get(name, most), most)
    measures = {name: (round(median(of), 3), worst[name]) for name, of in middles.items()}
    return Figures(last_run=some[-1].last_run, verdicts=verdicts, measures=measures)


def collect(known: Measured, reports: Path, names: Iterable[str]) -> Measured:
    """Add all judged runs of these experiments in a folder; those that cannot be read are skipped."""
    outcomes = []
    for path in sorted(reports.glob("*/verdict.json")):
        try:
            outcomes.append(Outcome.load(path))
        except UsageError:
            continue
    there = set(names)
    return added(known, (o for o in outcomes if o.experiment in there))


def read(path: Path) -> Measured:
    """The figures in the file. Raises `UsageError` if it is not valid."""
    try:
        return Measured.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise UsageError(f"{path.name} cannot be read: {cause}; make it with harness catalogue --measured") from cause


def keep(measured: Measured, path: Path) -> None:
    write(path, measured.model_dump_json(indent=1) + "\n")
