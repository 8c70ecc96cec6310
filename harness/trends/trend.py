"""All runs so far, kept in columns beside them: their verdicts, and how the newest measures compare.

Every judged run leaves one Parquet file in `reports/trend/`, with a row for each check: nothing is ever appended, so
nothing is half written. Files of older versions lack some columns; those are then unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from harness.errors import StorageError, UsageError
from harness.files import beside
from harness.history import NS, History, Meta
from harness.outcome import Outcome, Verdict
from harness.settings import PLANTED_ON

FOLDER = "trend"
# The newest of n + 1 like runs is above all others with probability 1 / (n + 1): 5 % with 19.
ENOUGH = 19
COLUMNS = (
    "run_id VARCHAR, wall VARCHAR, machine VARCHAR, version VARCHAR, experiment VARCHAR, stack VARCHAR, "
    "verdict VARCHAR, seconds DOUBLE, name VARCHAR, judged VARCHAR, measure DOUBLE, "
    '"limit" DOUBLE, unit VARCHAR'
)
# The empty table adds any columns that all files lack.
ROWS = """
WITH rows AS (SELECT * FROM run UNION ALL BY NAME SELECT * FROM read_parquet($files, union_by_name = true))
"""
COMPARE = """,
numbered AS (
    SELECT *, row_number() OVER (PARTITION BY experiment, stack, name ORDER BY wall DESC, run_id DESC) AS age
    FROM rows WHERE measure IS NOT NULL
)
SELECT experiment, stack, name, any_value(unit),
    count(*) FILTER (age > 1), min(measure) FILTER (age > 1), median(measure) FILTER (age > 1),
    quantile_disc(measure, 0.95) FILTER (age > 1), max(measure) FILTER (age > 1), max(measure) FILTER (age = 1)
FROM numbered GROUP BY experiment, stack, name ORDER BY experiment, stack, name
"""
RUNS = """
SELECT run_id, any_value(wall), coalesce(any_value(machine), ''), coalesce(any_value(version), ''),
    any_value(experiment), any_value(stack), any_value(verdict), any_value(seconds),
    coalesce(list(name ORDER BY name) FILTER (judged = 'FAIL'), []),
    coalesce(list(name ORDER BY name) FILTER (judged = 'INVALID'), []),
    coalesce(list((name, measure)) FILTER (measure IS NOT NULL), [])
FROM rows GROUP BY run_id ORDER BY 2, 1
"""


@dataclass(frozen=True)
class Drift:
    """One measure: the newest run's and those of all `earlier` runs (None if there are none), in `unit`."""

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


@dataclass(frozen=True)
class Kept:
    """One run as it was kept. `machine` and `version` are empty and `seconds`, its length, is None where unknown.

    `failed` and `doubted` are the checks that were FAIL and INVALID.
    """

    run_id: str
    wall: str
    machine: str
    version: str
    experiment: str
    stack: str
    verdict: Verdict
    seconds: float | None
    failed: tuple[str, ...]
    doubted: tuple[str, ...]
    measures: Mapping[str, float]

    @property
    def planted(self) -> bool:
        """Whether a defect was planted on its stack."""
        return PLANTED_ON in self.stack


def keep(history: History, outcome: Outcome, reports: Path) -> None:
    """Add a run to the others; kept again, it replaces its earlier entry."""
    rows = _rows(history, outcome)
    path = reports / FOLDER / f"{Path(outcome.run_id).name}.parquet"
    with beside(path) as fresh, duckdb.connect() as database:
        path.parent.mkdir(parents=True, exist_ok=True)
        database.execute(f"CREATE TABLE run ({COLUMNS})")
        database.executemany(f"INSERT INTO run VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608
        try:
            database.table("run").write_parquet(str(fresh))
        except duckdb.IOException as cause:
            raise StorageError(f"{path}: {str(cause).splitlines()[0]}; make room, and judge the run again") from cause


def _rows(history: History, outcome: Outcome) -> list[tuple[Any, ...]]:
    """A row for each check, in the order of the columns; a run without checks has one row."""
    meta = history.meta or Meta(t=0, format=0, run_id="", experiment="", stack="", wall="")
    version = meta.versions.get("airflow-chaos", "")
    about = (outcome.run_id, meta.wall, meta.machine, version, outcome.experiment, outcome.stack, outcome.verdict.value)
    checks: list[tuple[Any, ...]] = [(c.name, c.verdict.value, c.measure, c.limit, c.unit) for c in outcome.checks]
    return [(*about, history.last_t / NS, *check) for check in checks or [(None,) * 5]]


def drifts(reports: Path) -> list[Drift]:
    """The newest run of each experiment and stack, measure by measure. Raises `UsageError` if none was kept."""
    if not (reports / FOLDER).is_dir():
        raise UsageError(f"{reports} has no judged run yet; run an experiment first")
    return [Drift(*row) for row in _asked(reports, COMPARE)]


def runs(reports: Path) -> list[Kept]:
    """All runs, oldest first. Raises `UsageError` if a file cannot be read."""
    return [_kept(*row) for row in _asked(reports, RUNS)]


def _kept(*row: Any) -> Kept:
    run_id, wall, machine, version, experiment, stack, verdict, seconds, failed, doubted, measures = row
    about = (run_id, wall, machine, version, experiment, stack)
    return Kept(*about, Verdict(verdict), seconds, tuple(failed), tuple(doubted), dict(measures))


def _asked(reports: Path, question: str) -> list[tuple[Any, ...]]:
    """The rows of the answer, none if no run was kept."""
    files = sorted(str(path) for path in (reports / FOLDER).glob("*.parquet"))
    if not files:
        return []
    try:
        with duckdb.connect() as database:
            database.execute(f"CREATE TABLE run ({COLUMNS})")
            return database.execute(ROWS + question, {"files": files}).fetchall()
    except duckdb.Error as cause:
        reason = str(cause).splitlines()[0]
        raise UsageError(f"{reports / FOLDER} cannot be read: {reason}; remove the file that it names") from cause
