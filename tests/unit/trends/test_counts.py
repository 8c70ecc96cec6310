"""Every run is counted once, what is known apart, and the record says tomorrow what it says today."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.outcome import Verdict
from harness.settings import ROOT
from harness.trends import counts
from harness.trends.counts import MEASURED, PAGE, RECORD, added, counted, keep, page, publish, read, together
from harness.trends.trend import Kept
from tests.unit.trends.test_gate import kept

PASS, INVALID, FAIL = Verdict
KNOWN = """\
e:
  celery:
    checks: [tasks.duplicated]
    issue: https://github.com/apache/airflow/issues/1
    because: it is so
"""
names = st.lists(st.sampled_from(["tasks.lost", "tasks.duplicated", "evidence.machine"]), max_size=2, unique=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)
runs = st.builds(
    Kept,
    run_id=st.integers(0, 40).map("e-{:03}".format),
    wall=st.sampled_from(["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"]),
    machine=texts,
    version=texts,
    experiment=st.sampled_from(["e", "f"]),
    stack=st.sampled_from(["celery", "celery-defaults", "local"]),
    verdict=st.sampled_from(Verdict),
    seconds=st.none() | st.integers(0, 9999).map(lambda tenths: tenths / 10),
    failed=names.map(tuple),
    doubted=names.map(tuple),
    measures=st.just({}),
)
many = st.lists(runs, max_size=12, unique_by=lambda run: run.run_id)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("known") / "known.yaml"
    path.write_text(KNOWN, encoding="utf-8")
    return path


@given(many)
def test_counts_add_up(known: Path, every: list[Kept]) -> None:
    found = counted(every, known)
    whole = together(found)
    verdicts = Counter(run.verdict for run in every)
    assert whole.runs == len(every)
    assert (whole.passed, whole.invalid) == (verdicts[PASS], verdicts[INVALID])
    assert whole.failed + whole.explained == verdicts[FAIL]
    assert [(one.experiment, one.stack) for one in found] == sorted({(run.experiment, run.stack) for run in every})
    assert all(
        (one.failing.bad, one.doubtful.bad, one.failing.runs) == (one.failed, one.invalid, one.runs) for one in found
    )


@pytest.mark.parametrize(
    ("changes", "explained"),
    [
        ({}, 1),
        ({"stack": "local"}, 0),
        ({"experiment": "f"}, 0),
        ({"doubted": ("evidence.machine",)}, 0),
        ({"failed": ("tasks.duplicated", "tasks.lost")}, 0),
        ({"failed": ()}, 0),  # kept by a version that did not tell which
    ],
)
def test_what_is_known_counts_apart(known: Path, changes: dict[str, Any], explained: int) -> None:
    run = replace(kept(1, verdict=FAIL), failed=("tasks.duplicated",))
    (found,) = counted([replace(run, **changes)], known)
    assert (found.explained, found.failed) == (explained, 1 - explained)


def test_a_run_with_a_planted_defect_neither_counts_nor_is_recorded(known: Path) -> None:
    planted = kept(2, verdict=FAIL, stack="celery-mutant-no-liveness")
    (found,) = counted([kept(1), planted], known)
    assert (found.runs, found.failed) == (1, 0)
    assert added([], [planted], ["e"]) == []


@given(many, many)
def test_a_run_is_recorded_once_and_stays_as_it_was(record: list[Kept], fresh: list[Kept]) -> None:
    found = added(record, fresh, ["e"])
    assert {run.run_id for run in found} == {run.run_id for run in record + [r for r in fresh if r.experiment == "e"]}
    assert set(map(id, record)) <= set(map(id, found))
    assert found == sorted(found, key=lambda run: (run.wall, run.run_id))
    assert added(found, fresh, ["e"]) == found


@given(many)
def test_what_was_recorded_is_read_again(tmp_path_factory: pytest.TempPathFactory, record: list[Kept]) -> None:
    path = tmp_path_factory.getbasetemp() / "runs.csv"
    keep(record, path)
    assert read(path) == record
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + len(record)


def test_without_a_record_there_is_no_run(tmp_path: Path) -> None:
    assert read(tmp_path / "runs.csv") == []


GOOD = "e-1,2026-01-01T00:00:00.000Z,m,1,e,celery,tuned,PASS,,,60.0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run,wall\n", "runs.csv:1: its columns are run, wall, not run_id"),
        ("", "runs.csv:0: its columns are"),
        (GOOD.replace("PASS", "GOOD"), "runs.csv:3: 'GOOD' is not a valid Verdict"),
        (GOOD.replace("tuned", "fast"), "runs.csv:3: no profile is called 'fast'"),
        (GOOD.replace("60.0", "long"), "runs.csv:3: could not convert string to float"),
        (GOOD + ",more", "runs.csv:3: 12 fields, not 11"),
        ('"' + GOOD, "runs.csv:3: unexpected end of data"),
        ("<<<<<<< HEAD", "runs.csv:3: 1 fields, not 11"),
    ],
)
def test_a_record_that_is_damaged_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "runs.csv"
    head = "" if "runs.csv:3" not in said else f"{','.join(counts.FIELDS)}\n{GOOD}\n"
    path.write_text(head + text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read(path)


def test_the_page_tells_shares_confidence_and_machines(known: Path) -> None:
    record = [kept(number, machine="Z80, 1 cores, 0 GiB") for number in range(59)]
    record += [kept(60, verdict=INVALID, stack="local"), replace(kept(61, verdict=FAIL), failed=("tasks.duplicated",))]
    lines = page(record, known).splitlines()
    assert "| e | celery | 60 | 59 | 0 | 1 | 0 | 4.9 % | 0.0 to 6.0 % | 4.9 % | 0.0 to 6.0 % | 95.4 % |" in lines
    assert "| e | local | 1 | 0 | 1 | 0 | 0 | 95.0 % | 0.0 to 97.5 % | 100.0 % | 2.5 to 100.0 % | 5.0 % |" in lines
    assert "| all |  | 61 | 59 | 1 | 1 | 0 | 4.8 % | 0.0 to 5.9 % | 7.5 % | 0.0 to 8.8 % |  |" in lines
    assert "| Z80, 1 cores, 0 GiB | 1 | 59 | 2026-01-01 | 2026-01-01 |" in lines
    assert "No run is recorded yet." in page([], known)


def test_what_stands_beside_the_counts_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    publish([], path)
    assert path.read_text(encoding="utf-8") == page([])
    path.write_text(f"old{MEASURED}Power\n\n## More\n", encoding="utf-8")
    publish([kept(1)], path)
    assert path.read_text(encoding="utf-8") == page([kept(1)]) + f"{MEASURED}Power\n\n## More\n"


def test_the_page_in_the_documents_is_that_of_the_record() -> None:
    fresh = page(read(RECORD))
    text = PAGE.read_text(encoding="utf-8")
    assert text == fresh or text.startswith(fresh + MEASURED), "run: harness trend --markdown"


def test_recorded_runs_are_of_experiments_that_were_run_as_they_should_be() -> None:
    record = read(RECORD)
    assert len({run.run_id for run in record}) == len(record)
    assert record == added([], record, {path.stem for path in (ROOT / "experiments").glob("*.json")})
