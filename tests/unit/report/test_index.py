"""The page over all runs: each is there, the newest first, whatever state its folder is in."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from harness import recorded
from harness.errors import UsageError
from harness.history import Record
from harness.outcome import Outcome, Verdict
from harness.report import index
from harness.report.spark import HEIGHT, MOST, WIDTH, spark
from harness.trends import trend
from tests.unit.builders import bad, healthy, meta, named, verdict
from tests.unit.report.test_html import EVIL, said
from tests.unit.test_recorded import record


def kept(runs: Path, run_id: str, wall: str, records: list[Record]) -> Path:
    """A judged run in its folder."""
    folder = record(runs / run_id, [meta(run_id=run_id, wall=wall), *records[1:]])
    recorded.check(folder, save=True)
    return folder


def test_each_judged_run_writes_the_page_over_all(tmp_path: Path) -> None:
    kept(tmp_path, "first", "2026-01-01T00:00:00.000Z", healthy())
    kept(tmp_path, "second", "2026-01-02T00:00:00.000Z", bad(healthy(), 25, 30))
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.index('href="second/report.html">2026-01-02 00:00') < text.index('href="first/report.html">2026-01-01')
    page = said(text)
    assert "2 recorded: 1 PASS, 1 FAIL." in page
    assert "scheduler-kill on celery: FAIL 2 runs" in page
    for name in ("read outage", "process gone", "first heartbeat", "last delayed run", "rollback time"):
        assert name in page
    assert "first: 0 s" in page
    assert "second: 5 s" in page


def test_it_opens_with_the_newest_session_and_all_runs_are_folded_below(tmp_path: Path) -> None:
    kept(tmp_path, "old", "2026-01-01T00:00:00.000Z", bad(healthy(), 25, 30))
    kept(tmp_path, "before", "2026-01-02T00:00:00.000Z", bad(healthy(), 25, 30))
    kept(tmp_path, "last", "2026-01-02T00:30:00.000Z", healthy())
    top, below = (tmp_path / "index.html").read_text(encoding="utf-8").split("<details>")
    assert [name for name in ("last", "before", "old") if f'<a href="{name}/report.html">' in top] == ["last", "before"]
    assert top.index('<a href="last/') < top.index('<a href="before/')
    assert all(f'<a href="{name}/report.html">' in below for name in ("last", "before", "old"))
    page = said(top)
    assert "The newest session, 2026-01-02 00:00 to 2026-01-02 00:30 UTC: 1 PASS , 1 FAIL" in page
    assert "2026-01-02 00:30 scheduler-kill celery PASS first new task 10.5" in page
    assert "FAIL first new task 10.5 s of 20 s availability.read.outage , availability.read.errors" in page


def test_a_run_that_lies_elsewhere_writes_nothing_beside_its_folder(tmp_path: Path) -> None:
    recorded.check(record(tmp_path / "copy-of-a-run", healthy()), save=True)
    assert [path.name for path in tmp_path.iterdir()] == ["copy-of-a-run"]


def test_a_run_that_is_judged_again_is_kept_in_columns_as_it_is_judged_now(tmp_path: Path) -> None:
    folder = kept(tmp_path, "first", "2026-01-01T00:00:00.000Z", healthy())
    (tmp_path / "trend" / "first.parquet").unlink()
    recorded.report(folder)
    (found,) = trend.runs(tmp_path)
    assert (found.run_id, found.wall, found.verdict) == ("first", "2026-01-01T00:00:00.000Z", Verdict.PASS)
    assert found.measures["tasks.lost"] == 0


def test_a_page_of_another_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine", encoding="utf-8")
    kept(tmp_path, "first", "2026-01-01T00:00:00.000Z", healthy())
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "mine"
    with pytest.raises(UsageError, match="is left alone"):
        recorded.overview(tmp_path)


def test_it_can_be_written_anew_and_again_to_the_same(tmp_path: Path) -> None:
    kept(tmp_path, "first", "2026-01-01T00:00:00.000Z", healthy())
    before = (tmp_path / "index.html").read_bytes()
    assert recorded.overview(tmp_path).read_bytes() == before
    assert "No run is recorded here" in said(recorded.overview(tmp_path / "first").read_text(encoding="utf-8"))
    with pytest.raises(UsageError, match="not a folder"):
        recorded.overview(tmp_path / "none")


def test_what_was_not_judged_or_cannot_be_read_is_there_too(tmp_path: Path) -> None:
    record(tmp_path / "unjudged", healthy())
    broken = kept(tmp_path, "broken", "2026-01-01T00:00:00.000Z", healthy())
    (broken / "verdict.json").write_text("{", encoding="utf-8")
    for name in ("empty", "packed"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty" / "history.jsonl").write_bytes(b"")
    (tmp_path / "packed" / "history.jsonl.gz").write_bytes(
        gzip.compress(meta(wall="yesterday").model_dump_json().encode())[:40]
    )
    rows = index.rows(tmp_path)
    assert {row.folder for row in rows} == {"unjudged", "broken", "empty", "packed"}
    assert {row.word for row in rows} == {"not judged"}
    page = said(index.write(tmp_path).read_text(encoding="utf-8"))
    assert "4 recorded: 4 not judged." in page
    assert "empty – – not judged" in page


def test_all_text_is_escaped(tmp_path: Path) -> None:
    evil = meta(run_id="run", experiment=EVIL, stack=EVIL, wall=EVIL)
    folder = record(tmp_path / "a & b 'c' \"d\" <e>", [evil, *healthy()[1:]])
    recorded.check(folder, save=True)
    text = index.write(tmp_path).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<img" not in text
    assert text.count(EVIL) == 0
    assert said(text).count(EVIL) > 3
    assert "a%20%26%20b%20%27c%27%20%22d%22%20%3Ce%3E/report.html" in text


def test_it_loads_nothing_and_needs_no_script(tmp_path: Path) -> None:
    kept(tmp_path, "first", "2026-01-01T00:00:00.000Z", healthy())
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    for word in ("<script", "src=", "@import", "url(", "http"):
        assert word not in text


def test_measures_become_a_line_within_its_picture() -> None:
    outcomes = [verdict(healthy()), verdict(bad(healthy(), 25, 30))] * MOST
    name = "availability.read.outage"
    checks = [(f"run-{i}", named(outcome, name)) for i, outcome in enumerate(outcomes)]
    drawn = spark(name, checks)
    assert drawn is not None
    assert len(drawn.dots) == MOST
    assert drawn.newest.run == f"run-{len(outcomes) - 1}"
    assert (drawn.newest.verdict, drawn.median, drawn.limit) == (Verdict.FAIL, 2.5, 2)
    assert all(0 < dot.x < WIDTH and 0 < dot.y < HEIGHT for dot in drawn.dots)
    assert drawn.limit_y is not None
    assert drawn.newest.y < drawn.limit_y < drawn.dots[0].y


def test_a_limit_far_away_does_not_flatten_the_line() -> None:
    name = "recovery.process_gone"
    check = named(verdict(healthy()), name).model_copy(update={"limit": 60.0})
    drawn = spark(name, [("a", check)])
    assert drawn is not None
    assert drawn.limit_y is None
    assert spark(name, [("a", check.model_copy(update={"measure": None}))]) is None


def test_a_verdict_of_no_checks_is_a_run_like_any_other(tmp_path: Path) -> None:
    folder = kept(tmp_path, "first", "2026-01-01T00:00:00.000Z", healthy())
    Outcome(run_id="first", experiment="e", stack="s", verdict=Verdict.INVALID, checks=()).save(folder / "verdict.json")
    assert "e on s: INVALID 1 run," in said(index.write(tmp_path).read_text(encoding="utf-8"))
