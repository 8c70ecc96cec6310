"""The newest run beside all earlier ones, and no word on drift where there are too few of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.history import NS, End, History
from harness.outcome import Check, Outcome, Verdict
from harness.trends.trend import ENOUGH, Drift, Kept, drifts, keep, runs
from tests.unit.builders import meta


def run(reports: Path, number: int, measure: float | None, experiment: str = "e", name: str = "rollback.time") -> None:
    check = Check(name=name, verdict=Verdict.PASS, measure=measure, limit=9, unit="s", origin="", because="")
    run_id = f"{experiment}-{number}"
    outcome = Outcome(run_id=run_id, experiment=experiment, stack="s", verdict=Verdict.PASS, checks=(check,))
    wall = f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000Z"
    keep(History.of([meta(wall=wall, run_id=run_id)]), outcome, reports)


def kept(reports: Path, measures: list[float]) -> Drift:
    for number, measure in enumerate(measures):
        run(reports, number, measure)
    (found,) = drifts(reports)
    return found


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=25))
def test_the_newest_is_set_beside_the_earlier_ones(measures: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = kept(Path(folder), measures)
    *earlier, newest = measures
    assert (found.newest, found.earlier) == (newest, len(earlier))
    if earlier:
        assert (found.least, found.most) == (min(earlier), max(earlier))
        assert found.median == pytest.approx(median(earlier))
    if len(earlier) < ENOUGH:
        assert found.said == f"too few to tell (of {ENOUGH})"
    else:
        assert ("above" in found.said) == (newest > max(earlier))
        assert ("below" in found.said) == (newest < min(earlier))


def test_a_drift_is_told_once_there_are_enough_earlier_runs(tmp_path: Path) -> None:
    found = kept(tmp_path, [*map(float, range(1, ENOUGH + 1)), 50.0])
    assert found.said == "above all of them"


def test_a_run_that_is_judged_again_counts_once(tmp_path: Path) -> None:
    for measure in (5.0, 7.0):
        run(tmp_path, 1, measure)
    (found,) = drifts(tmp_path)
    assert (found.earlier, found.newest) == (0, 7.0)
    assert len(list((tmp_path / "trend").iterdir())) == 1


def test_experiments_and_measures_are_kept_apart_and_what_was_not_measured_is_not_there(tmp_path: Path) -> None:
    run(tmp_path, 1, 1.0)
    run(tmp_path, 1, 2.0, experiment="f")
    run(tmp_path, 2, None)
    assert [(d.experiment, d.newest, d.earlier) for d in drifts(tmp_path)] == [("e", 1.0, 0), ("f", 2.0, 0)]


def kept_before_there_was_more(reports: Path, run_id: str, verdict: str, measure: float) -> None:
    """As version 0.1.0 wrote it, before runs were counted."""
    path = reports / "trend" / f"{run_id}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute(
            "CREATE TABLE run (run_id VARCHAR, wall VARCHAR, experiment VARCHAR, stack VARCHAR, verdict VARCHAR, "
            'name VARCHAR, measure DOUBLE, "limit" DOUBLE, unit VARCHAR)'
        )
        row = (run_id, "2025-12-31T00:00:00.000Z", "e", "s", verdict, "rollback.time", measure, 9.0, "s")
        database.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        database.table("run").write_parquet(str(path))


@pytest.mark.parametrize("newer", [False, True])
def test_files_of_older_versions_are_read_and_what_they_lack_is_unknown(tmp_path: Path, newer: bool) -> None:
    kept_before_there_was_more(tmp_path, "old", "FAIL", 3.0)
    if newer:
        run(tmp_path, 1, 5.0)
    old = Kept("old", "2025-12-31T00:00:00.000Z", "", "", "e", "s", Verdict.FAIL, None, (), (), {"rollback.time": 3.0})
    assert runs(tmp_path)[0] == old
    (found,) = drifts(tmp_path)
    assert (found.newest, found.earlier) == ((5.0, 1) if newer else (3.0, 0))


def test_a_run_is_kept_with_machine_version_length_and_what_was_not_passed(tmp_path: Path) -> None:
    values = {"measure": None, "limit": None, "unit": "", "origin": "", "because": ""}
    checks = [
        Check(name=name, verdict=verdict, **values) for verdict in Verdict for name in (f"b.{verdict}", f"a.{verdict}")
    ]
    outcome = Outcome(run_id="r", experiment="e", stack="s-mutant-m", verdict=Verdict.FAIL, checks=tuple(checks))
    first = meta(run_id="r", machine="Z80, 1 cores, 0 GiB", versions={"airflow-chaos": "1.2+3"})
    keep(History.of([first, End(t=90 * NS, complete=True)]), outcome, tmp_path)
    (found,) = runs(tmp_path)
    assert (found.machine, found.version, found.seconds) == ("Z80, 1 cores, 0 GiB", "1.2+3", 90)
    assert (found.failed, found.doubted, found.measures) == (("a.FAIL", "b.FAIL"), ("a.INVALID", "b.INVALID"), {})
    assert found.planted
    assert drifts(tmp_path) == []


def test_a_run_of_which_nothing_is_known_is_one_all_the_same(tmp_path: Path) -> None:
    nothing = Outcome(run_id="r", experiment="", stack="", verdict=Verdict.INVALID, checks=())
    keep(History.of([]), nothing, tmp_path)
    assert runs(tmp_path) == [Kept("r", "", "", "", "", "", Verdict.INVALID, 0, (), (), {})]


def test_runs_come_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        run(tmp_path, number, float(number))
    assert [(one.run_id, one.measures) for one in runs(tmp_path)] == [
        (f"e-{number}", {"rollback.time": number}) for number in (1, 2, 3)
    ]
    assert not runs(tmp_path)[0].planted


def test_where_nothing_was_kept_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no judged run yet"):
        drifts(tmp_path)
    assert runs(tmp_path) == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run(tmp_path, 1, 1.0)
    (tmp_path / "trend" / "broken.parquet").write_bytes(b"no parquet")
    with pytest.raises(UsageError, match=r"broken\.parquet"):
        drifts(tmp_path)
