"""A recorded run is judged again without a cluster, packed or not, and always to the same verdict."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness import recorded
from harness.errors import HistoryError, UsageError
from harness.history import End, Record, Recorder
from harness.outcome import Outcome, Verdict
from harness.settings import ROOT
from tests.unit.builders import END, at, bad, healthy, meta, verdict


def record(folder: Path, records: Iterable[Record], complete: bool = True) -> Path:
    """A folder with a history of these records."""
    recorder = Recorder.create(folder / "history.jsonl")
    recorder.write(*records, End(t=at(END), complete=complete))
    recorder.close()
    return folder


def pack(folder: Path) -> None:
    path = folder / "history.jsonl"
    (folder / "history.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


BROKEN = bad(healthy(), 25, 40)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("records", "says"), [(healthy(), Verdict.PASS), (BROKEN, Verdict.FAIL)])
def test_a_history_on_disk_gets_the_verdict_that_it_gets_in_memory(
    tmp_path: Path, records: list[Record], says: Verdict, packed: bool
) -> None:
    folder = record(tmp_path / "run", records)
    if packed:
        pack(folder)
    outcome = recorded.check(folder)
    assert outcome == verdict(records)
    assert outcome.verdict is says
    assert [path.name for path in folder.iterdir()] == ["history.jsonl.gz" if packed else "history.jsonl"]


def test_a_run_that_was_cut_short_is_invalid(tmp_path: Path) -> None:
    assert recorded.check(record(tmp_path / "run", healthy(), complete=False)).verdict is Verdict.INVALID
    path = tmp_path / "run" / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert recorded.check(tmp_path / "run").verdict is Verdict.INVALID


@pytest.mark.parametrize("name_the_file", [False, True])
def test_a_report_writes_verdict_page_and_junit_beside_the_history(tmp_path: Path, name_the_file: bool) -> None:
    folder = record(tmp_path / "run", healthy())
    page = recorded.report(folder / "history.jsonl" if name_the_file else folder)
    assert page == folder / "report.html"
    assert {path.name for path in folder.iterdir()} == {"history.jsonl", "verdict.json", "report.html", "junit.xml"}
    assert Outcome.load(folder / "verdict.json") == recorded.check(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    recorded.report(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_where_nothing_was_recorded_there_is_nothing_to_judge(tmp_path: Path) -> None:
    for nothing in (tmp_path, tmp_path / "no such folder"):
        with pytest.raises(UsageError, match=r"has no history\.jsonl"):
            recorded.check(nothing)


def test_a_format_of_the_future_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="format 2"):
        recorded.check(record(tmp_path / "run", [meta(format=2), *healthy()[1:]]))


@pytest.mark.parametrize("folder", sorted((ROOT / "examples" / "runs").iterdir()), ids=lambda folder: folder.name)
def test_a_shipped_run_is_judged_as_it_was(folder: Path) -> None:
    assert recorded.check(folder) == Outcome.load(folder / "verdict.json")


def test_a_report_says_which_bounds_are_others_today(tmp_path: Path) -> None:
    then = {"rollback.time": {"limit": 1.5, "unit": "s", "origin": "test"}}
    page = recorded.report(record(tmp_path / "run", [meta(then), *healthy()[1:]])).read_text(encoding="utf-8")
    assert "1.5 s (75 s today)" in page
