"""Are the newest runs of each experiment worse than earlier ones on the same machine, or is it chance?

By default only what an experiment is about is compared: the more comparisons, the less each can tell
(docs/false-alarms.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from harness.errors import UsageError
from harness.judge import regression
from harness.judge.regression import Compared, Finding
from harness.outcome import Verdict
from harness.report.matrix import main
from harness.slo import CATALOGUE
from harness.sources import SWEPT
from harness.trends.trend import Kept

NEWEST = 10
CONFIDENCE = 0.95
MOST_NEWEST = 100
LEAST_SURE, MOST_SURE = 0.5, 0.9999
# An orphan check that runs too rarely shows in nothing else.
BESIDE_MAIN = "recovery.orphans_handled"


@dataclass(frozen=True)
class Change:
    """How one comparison ended: the medians of newest and earlier runs, or their shares of a verdict.

    None if no run has it. `more` is how many more runs it takes before anything can be told; 0 if it can.
    """

    experiment: str
    stack: str
    compared: Compared
    unit: str
    newest: float | None
    earlier: float | None
    finding: Finding = Finding.UNKNOWN
    more: int = 0


def changes(
    kept: Sequence[Kept], newest: int, confidence: float, named: Sequence[str] = (), *, everything: bool = False
) -> list[Change]:
    """Every comparison of the experiments named, or of all; runs come oldest first.

    Raises `UsageError` if the request makes no sense.
    """
    if not 1 <= newest <= MOST_NEWEST:
        raise UsageError(f"--newest {newest}: it must be from 1 to {MOST_NEWEST} runs")
    if not LEAST_SURE <= confidence <= MOST_SURE:
        raise UsageError(f"--confidence {confidence}: it must be from {LEAST_SURE} to {MOST_SURE}, such as 0.95")
    if not kept:
        raise UsageError("there is no judged run yet; run an experiment first")
    found = [change for cell in _cells(kept, named) for change in _compared(cell, newest, everything=everything)]
    said = regression.findings([one.compared for one in found], confidence)
    needed = newest + regression.earlier_needed(newest, len(found), confidence)
    return [_told(change, finding, needed) for change, finding in zip(found, said, strict=True)]


def exit_code(found: Sequence[Change]) -> int:
    """1 on a regression, 2 if it cannot tell, otherwise 0."""
    return regression.exit_code([one.finding for one in found])


def _cells(kept: Sequence[Kept], named: Iterable[str]) -> list[list[Kept]]:
    """The runs of each experiment and stack, the oldest first; without planted defects, which are no change of a
    stack, and without sweeps, whose victims differ."""
    cells: dict[tuple[str, str], list[Kept]] = {}
    for run in kept:
        if not run.planted and run.experiment not in SWEPT:
            cells.setdefault((run.experiment, run.stack), []).append(run)
    there = sorted({experiment for experiment, _ in cells})
    wanted = {Path(name).stem for name in named} or set(there)
    if strange := sorted(wanted - set(there)):
        raise UsageError(f"there is no run of {strange[0]}; there are runs of: {', '.join(there) or 'none'}")
    return [cell for (experiment, _), cell in sorted(cells.items()) if experiment in wanted]


def _compared(cell: Sequence[Kept], newest: int, *, everything: bool) -> Iterator[Change]:
    here = [run for run in cell if run.machine == cell[-1].machine]
    fresh, old = here[-newest:], here[:-newest]
    for verdict in (Verdict.FAIL, Verdict.INVALID) if everything else (Verdict.FAIL,):
        yield _rate(verdict, fresh, old)
    judged = {name for run in cell for name in run.measures}
    primary = {main(judged), BESIDE_MAIN} & judged or {main(judged)}
    for name in CATALOGUE:
        if name in (judged if everything else primary):
            yield _measure(name, fresh, old)


def _rate(verdict: Verdict, fresh: Sequence[Kept], old: Sequence[Kept]) -> Change:
    newest, earlier = ([run.verdict is verdict for run in some] for some in (fresh, old))
    now, before = (100 * sum(some) / len(some) if some else None for some in (newest, earlier))
    compared = regression.rate(f"runs that are {verdict}", newest, earlier)
    return Change(fresh[0].experiment, fresh[0].stack, compared, "%", now, before)


def _measure(name: str, fresh: Sequence[Kept], old: Sequence[Kept]) -> Change:
    """The measures of an INVALID run are in doubt, and left out."""
    newest, earlier = (
        [run.measures[name] for run in some if name in run.measures and run.verdict is not Verdict.INVALID]
        for some in (fresh, old)
    )
    now, before = (median(some) if some else None for some in (newest, earlier))
    compared = regression.measure(name, newest, earlier, CATALOGUE[name].sense)
    return Change(fresh[0].experiment, fresh[0].stack, compared, CATALOGUE[name].unit, now, before)


def _told(change: Change, finding: Finding, needed: int) -> Change:
    here = change.compared.newest + change.compared.earlier
    more = max(1, needed - here) if finding is Finding.UNKNOWN else 0
    return replace(change, finding=finding, more=more)
