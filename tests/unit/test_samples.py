"""Samples as columns are the samples that were recorded, and more than can be held is refused, not cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import history as histories
from harness import samples as columns
from harness.history import History, Recorder, Sample
from harness.samples import Samples, Series
from tests.unit.builders import at, column, meta, op, sample, series

FIRST = meta().model_dump_json()
LAST = '{"t":60000000000,"kind":"end","complete":true}'
GOOD = sample(1).model_dump_json()
recorded = st.lists(
    st.builds(
        Sample,
        t=st.integers(0, 2**62),
        target=st.sampled_from(["version", "pools"]),
        conn=st.sampled_from(["new", "reused"]),
        method=st.sampled_from(["GET", "POST"]),
        path=st.just("/x"),
        due=st.integers(0, 2**62),
        end=st.integers(0, 2**62),
        outcome=st.sampled_from(["ok", "fail", "info"]),
        status=st.none() | st.integers(0, 999),
        error=st.none() | st.text(max_size=5),
    ),
    max_size=30,
)


@given(recorded)
def test_what_goes_in_comes_out_in_the_order_in_which_it_was_due(given_: list[Sample]) -> None:
    held = Samples.of(given_)
    assert len(held) == len(given_)
    assert [s.due for s in held] == sorted(s.due for s in given_)
    key = lambda s: s.model_dump_json()  # noqa: E731
    assert sorted(held, key=key) == sorted(given_, key=key)
    assert held == Samples.of(list(held))


@given(recorded)
def test_each_series_is_a_column_by_itself(given_: list[Sample]) -> None:
    held = Samples.of(given_)
    assert list(held.columns) == sorted({Series(s.target, s.conn, s.method == "POST") for s in given_})
    for key, found in held.columns.items():
        assert {(s.target, s.conn) for s in map(found.at, range(len(found)))} == {(key.target, key.conn)}
        assert (np.diff(found.due) >= 0).all()
        assert found.bad.tolist() == [found.at(i).outcome != "ok" for i in range(len(found))]


@given(recorded, st.integers(0, 2**62))
def test_a_part_of_a_column_keeps_what_was_said_of_each(given_: list[Sample], limit: int) -> None:
    for found in Samples.of(given_).columns.values():
        part = found.where(found.end > limit)
        kept = [found.at(i) for i in range(len(found)) if found.at(i).end > limit]
        assert [part.at(i) for i in range(len(part))] == kept


def test_reads_of_several_paths_are_one_series_in_order() -> None:
    other = sample(2).model_copy(update={"path": "/elsewhere", "error": "x"})
    found = column([sample(3), other, sample(1)])
    assert found.due.tolist() == [at(1), at(2), at(3)]
    assert [found.at(i).error for i in range(3)] == [None, "x", None]


def problem(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return History.read(path).problem or ""


@pytest.mark.parametrize("field", ["t", "due", "end", "status"])
def test_a_number_that_no_column_holds_is_a_problem(tmp_path: Path, field: str) -> None:
    """And leaves nothing of its line behind, whatever the order of the others."""
    value = getattr(sample(1), field)
    line = GOOD.replace(f'"{field}":{value}', f'"{field}":{2**63}')
    assert line != GOOD
    path = tmp_path / "history.jsonl"
    assert "line 4 cannot be read" in problem(path, FIRST, sample(3).model_dump_json(), GOOD, line, LAST)
    assert list(History.read(path).samples) == [sample(1), sample(3)]


def test_kinds_of_requests_without_end_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_COLUMNS", 3)
    lines = [sample(1, target=f"t{i}").model_dump_json() for i in range(4)]
    path = tmp_path / "history.jsonl"
    assert problem(path, FIRST, *lines[:3], LAST) == ""
    assert "more than 3 kinds of requests" in problem(path, FIRST, *lines, LAST)


def test_records_without_end_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MOST_OTHERS", 3)
    line = op(1, "trigger", "invoke", "r").model_dump_json()
    path = tmp_path / "history.jsonl"
    assert problem(path, FIRST, line, LAST) == ""
    assert "more than 3 records" in problem(path, FIRST, line, line, line, LAST)


def test_a_line_without_end_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MOST_LINE", len(FIRST) + 10)
    path = tmp_path / "history.jsonl"
    assert problem(path, FIRST, GOOD, LAST) == ""
    assert "longer than" in problem(path, FIRST, GOOD.replace("version", "v" * len(FIRST)), LAST)


def test_of_many_errors_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_ERRORS", 2)
    found = column(series("xxx"))
    assert list(found.errors) == [0, 1]
    assert found.bad.all()


def test_a_vantage_point_is_a_series_of_its_own_and_comes_back_from_a_file(tmp_path: Path) -> None:
    here, there = sample(1), sample(2).model_copy(update={"vantage": "point-0"})
    recorder = Recorder.create(tmp_path / "history.jsonl")
    recorder.write(here, there)
    recorder.close()
    assert b"vantage" not in (tmp_path / "history.jsonl").read_bytes().splitlines()[0]
    found = History.read(tmp_path / "history.jsonl").samples
    assert [str(series) for series in found.columns] == [
        "version over new connections",
        "version over new connections from point-0",
    ]
    assert list(found) == [here, there]
