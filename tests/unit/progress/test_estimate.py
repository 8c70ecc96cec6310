"""A run should take as long as it did before."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from harness.experiment import check
from harness.history import End, History
from harness.outcome import Outcome, Verdict
from harness.progress.estimate import LAST_RUNS, Estimate
from harness.trends import counts
from harness.trends.trend import keep
from tests.unit.builders import at, meta
from tests.unit.plans import experiment

PLAN = check("small", experiment()).plan


def ran(reports: Path, number: int, seconds: float, name: str = "small") -> None:
    run_id = f"{name}-{number:03}"
    wall = f"2026-01-01T00:{number:02}:00.000Z"
    outcome = Outcome(run_id=run_id, experiment=name, stack="celery", verdict=Verdict.PASS, checks=())
    keep(History.of([meta(wall=wall, run_id=run_id), End(t=at(seconds), complete=True)]), outcome, reports)


def test_without_earlier_runs_it_is_what_its_phases_say(tmp_path: Path) -> None:
    ran(tmp_path, 1, 99, "other")
    assert Estimate(tmp_path, tmp_path / "none.csv").seconds("small", "celery", PLAN) == 15


def test_it_is_the_median_of_the_last_runs_here_and_of_the_record(tmp_path: Path) -> None:
    times = [float(10 * n) for n in range(1, LAST_RUNS + 3)]
    for number, seconds in enumerate(times):
        ran(tmp_path, number, seconds)
    record = tmp_path / "runs.csv"
    assert Estimate(tmp_path, record).seconds("small", "celery", PLAN) == pytest.approx(median(times[-LAST_RUNS:]))
    assert Estimate(tmp_path, record).seconds("small", "local", PLAN) == 15
    about = "r,2025-12-31T00:00:00.000Z,m,v,small,local,tuned,PASS,,,70.0"
    record.write_text(",".join(counts.FIELDS) + f"\n{about}\n", encoding="utf-8")
    assert Estimate(tmp_path, record).seconds("small", "local", PLAN) == 70


def test_what_cannot_be_read_is_no_reason_not_to_run(tmp_path: Path) -> None:
    (tmp_path / "trend").mkdir()
    (tmp_path / "trend" / "x.parquet").write_bytes(b"no parquet")
    (tmp_path / "runs.csv").write_text("odd\n", encoding="utf-8")
    assert Estimate(tmp_path, tmp_path / "runs.csv").seconds("small", "celery", PLAN) == 15
