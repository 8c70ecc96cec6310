"""What was measured in all runs so far, kept in columns beside them, and how the newest of each compares.

Every judged run leaves one Parquet file in `reports/trend/`: nothing is ever appended, so nothing is half written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from harness.errors import StorageError, UsageError
from harness.files import beside
from harness.history import History
from harness.outcome import Outcome

FOLDER = "trend"
# The newest of n + 1 like runs is above all others with probability 1 / (n + 1): 5 % with 19.
ENOUGH = 19
COLUMNS = (
    "run_id VARCHAR, wall VARCHAR, experiment VARCHAR, stack VARCHAR, verdict VARCHAR, name VARCHAR, measure DOUBLE, "
    '"limit" DOUBLE, unit VARCHAR'
)
COMPARE = """
WITH numbered AS (
    SELECT *, row_number() OVER (PARTITION BY experiment, stack, name ORDER BY wall DESC, run_id DESC) AS age
    FROM read_parquet($files)
)
SELECT experiment, stack, name, any_value(unit),
    count(*) FILTER (age > 1), min(measure) FILTER (age > 1), median(measure) FILTER (age > 1),
    quantile_disc(measure, 0.95) FILTER (age > 1), max(measure) FILTER (age > 1), max(measure) FILTER (age = 1)
FROM numbered GROUP BY experiment, stack, name ORDER BY experiment, stack, name
"""


@dataclass(frozen=True)
class Drift:
    """One measure: the newest run's beside those of all `earlier` runs (None where there are none), in `unit`."""

    experiment: str
    stack: str
    name: str
    unit: str
    earlier: int
    least: float | None
    median: float | None
    p95: float | None
    most: float | None
    newest: float

    @property
    def said(self) -> str:
        """What can be said of the newest run; with too few earlier ones, that nothing can."""
        if self.earlier < ENOUGH or self.least is None or self.most is None:
            return f"too few to tell (of {ENOUGH})"
        if self.newest > self.most:
            return "above all of them"
        if self.newest < self.least:
            return "below all of them"
        return "as before"


def keep(history: History, outcome: Outcome, reports: Path) -> None:
    """Put a run's measures beside those of the others; kept again, it takes the place of what was there."""
    wall = history.meta.wall if history.meta else ""
    rows = [
        (
            outcome.run_id,
            wall,
            outcome.experiment,
            outcome.stack,
            outcome.verdict.value,
            c.name,
            c.measure,
            c.limit,
            c.unit,
        )
        for c in outcome.checks
        if c.measure is not None
    ]
    if not rows:
        return
    path = reports / FOLDER / f"{Path(outcome.run_id).name}.parquet"
    with beside(path) as fresh, duckdb.connect() as database:
        path.parent.mkdir(parents=True, exist_ok=True)
        database.execute(f"CREATE TABLE run ({COLUMNS})")
        database.executemany("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        try:
            database.table("run").write_parquet(str(fresh))
        except duckdb.IOException as cause:
            raise StorageError(f"{path}: {str(cause).splitlines()[0]}; make room, and judge the run again") from cause


def drifts(reports: Path) -> list[Drift]:
    """The newest run of each experiment and stack, measure by measure. Raises `UsageError` where none was kept."""
    files = sorted(str(path) for path in (reports / FOLDER).glob("*.parquet"))
    if not files:
        raise UsageError(f"{reports} holds no judged run yet; run an experiment first")
    try:
        with duckdb.connect() as database:
            found = database.execute(COMPARE, {"files": files}).fetchall()
    except duckdb.Error as cause:
        reason = str(cause).splitlines()[0]
        raise UsageError(f"{reports / FOLDER} cannot be read: {reason}; remove the file that it names") from cause
    return [Drift(*row) for row in found]
