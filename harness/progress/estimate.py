"""How long a run should take: as long as it did before, otherwise as long as its phases say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from statistics import median

from harness.errors import HarnessError
from harness.experiment import Plan
from harness.trends import counts, trend
from harness.trends.trend import Kept

LAST_RUNS = 10


class Estimate:
    """Seconds by experiment and stack. Earlier runs that cannot be read do not stop a new one."""

    def __init__(self, reports: Path, record: Path = counts.RECORD) -> None:
        runs: dict[str, Kept] = {}
        for source, read in ((record, counts.read), (reports, trend.runs)):
            with suppress(HarnessError, OSError):
                runs |= {run.run_id: run for run in read(source)}
        self._took: dict[tuple[str, str], list[float]] = {}
        for run in sorted(runs.values(), key=lambda one: one.wall):
            if run.seconds:
                self._took.setdefault((run.experiment, run.stack), []).append(run.seconds)

    def seconds(self, experiment: str, stack: str, plan: Plan) -> float:
        """The median of the last runs; without any, the phases of `plan`, with cooldown as long as it may be."""
        took = self._took.get((experiment, stack), [])[-LAST_RUNS:]
        return median(took) if took else plan.phases.baseline_s + plan.phases.recovery_s + plan.phases.cooldown_s
