"""The summary is one Markdown table of the newest session, in which no text of others is markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.ending import Row
from harness.commands.summary import COLUMNS, page, session
from harness.history import Record
from harness.outcome import Verdict
from harness.recorded import check
from tests.unit.builders import bad, healthy, meta
from tests.unit.commands.test_ending import BAD, GOOD, outcome
from tests.unit.commands.test_ending import check as a_check
from tests.unit.test_recorded import record


def test_a_row_for_each_run_and_what_was_not_passed() -> None:
    said = page([Row(GOOD, Path("a"), 22.5), Row(BAD, Path("reports/b"))]).splitlines()
    assert said[0] == "### airflow-chaos: 1 PASS, 1 FAIL"
    assert said[2] == "| verdict | experiment | stack | about | measured | limit | no fault | worst |"
    assert said[3].count("|") == said[2].count("|")
    assert said[4] == "| ✅ PASS | worker-kill | celery | tasks.run\\_duration | 28.25 s | 2 s | 22.5 s |  |"
    assert said[5].startswith(
        "| ❌ FAIL | worker-kill | celery | tasks.run\\_duration | 30 s | 2 s |  | rollback.time, 2 "
    )
    assert said[7] == "**FAIL** worker-kill: reports/b"
    assert said[9] == "- FAIL rollback.time: so it is: rollback.time"
    assert len(said) == 12


def test_without_a_run_it_says_so() -> None:
    assert page([]) == "No run is judged yet.\n"


@given(st.text(), st.text())
def test_no_text_ends_a_row_or_is_markup(name: str, because: str) -> None:
    one = outcome(a_check("x" + name, Verdict.FAIL).model_copy(update={"because": because}), experiment=name)
    lines = page([Row(one, Path("b"))]).splitlines()
    assert len(lines) == 9
    bare = lines[4].replace("\\\\", "").replace("\\|", "")
    assert bare.count("|") == len(COLUMNS) + 1
    assert "<" not in lines[8].replace("\\\\", "").replace("\\<", "")


def ran(reports: Path, name: str, wall: str, records: list[Record]) -> None:
    _, *rest = records
    check(record(reports / name, [meta(run_id=name, wall=wall), *rest]), save=True)


def test_the_newest_session_is_shown_the_first_run_first(tmp_path: Path) -> None:
    assert session(tmp_path / "none") == []
    ran(tmp_path, "old", "2026-01-01T00:00:00Z", healthy())
    ran(tmp_path, "one", "2026-01-02T00:00:00Z", bad(healthy(), 25, 40))
    ran(tmp_path, "two", "2026-01-02T00:10:00Z", healthy())
    found = session(tmp_path)
    assert [row.folder.name for row in found] == ["one", "two"]
    assert [row.outcome.verdict for row in found] == [Verdict.FAIL, Verdict.PASS]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_sign(verdict: Verdict) -> None:
    one = GOOD.model_copy(update={"verdict": verdict})
    assert f" {verdict} |" in page([Row(one, Path("a"))])


def test_what_nobody_can_judge_without_a_ledger_is_one_line() -> None:
    lacking = [a_check(f"tasks.{n}", Verdict.INVALID, None).model_copy(update={"needs": "ledger"}) for n in range(3)]
    lines = page([Row(outcome(*GOOD.checks, *lacking), Path("a"))]).splitlines()
    assert lines[4].endswith("| no ledger |")
    assert lines[6:] == [
        "**INVALID** worker-kill: a",
        "",
        "- INVALID 3 checks need a ledger, which this target does not have",
    ]
