"""The end is a row for each run: what it came to, what it is about, and what is worst."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.commands import console
from harness.commands.console import SafeConsole
from harness.commands.ending import Row, floors, row, worst_of_last
from harness.outcome import Check, Outcome, Verdict, worst
from harness.report.matrix import LAST_RUNS
from harness.trends.trend import Kept
from tests.unit.trends.test_trend import run


def check(name: str, verdict: Verdict, measure: float | None = 1.0) -> Check:
    return Check(name=name, verdict=verdict, measure=measure, limit=2, unit="s", origin="", because=f"so it is: {name}")


def outcome(*checks: Check, experiment: str = "worker-kill") -> Outcome:
    return Outcome(run_id="r", experiment=experiment, stack="celery", verdict=worst(checks), checks=checks)


def shown(*rows: Row, verbose: bool = False) -> list[str]:
    text = io.StringIO()
    console.show(rows, verbose, SafeConsole(file=text, width=160))
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


GOOD = outcome(check("tasks.run_duration", Verdict.PASS, 28.25), check("tasks.lost", Verdict.PASS, 0))
BAD = outcome(
    check("tasks.run_duration", Verdict.PASS, 30),
    check("evidence.fault", Verdict.INVALID, None),
    check("tasks.lost", Verdict.FAIL, None),
    check("rollback.time", Verdict.FAIL, 99),
)


def test_a_run_that_passed_is_a_row_and_where_it_is() -> None:
    assert shown(row(GOOD, Path("reports/r"), {("celery", "tasks.run_duration"): 22.5})) == [
        "verdict experiment on about measured limit no fault worst",
        "PASS worker-kill celery run duration 28.25 s 2 s 22.5 s",
        "PASS worker-kill on celery: reports/r",
    ]


def test_a_report_is_named_where_there_is_one(tmp_path: Path) -> None:
    assert Row(GOOD, tmp_path).place == tmp_path
    (tmp_path / "report.html").touch()
    assert Row(GOOD, tmp_path).place == tmp_path / "report.html"


def test_what_was_not_passed_is_told_the_worst_first() -> None:
    said = shown(row(GOOD, Path("a"), {}), row(BAD, Path("b"), {}, "known: told elsewhere"))
    assert said[2] == "FAIL worker-kill celery run duration 30 s 2 s rollback.time, 2 more"
    assert said[3:] == [
        "PASS worker-kill on celery: a",
        "FAIL rollback.time so it is: rollback.time",
        "FAIL tasks.lost so it is: tasks.lost",
        "INVALID evidence.fault so it is: evidence.fault",
        "known: told elsewhere",
        "FAIL worker-kill on celery: b",
    ]


def test_every_check_is_told_where_it_is_asked_for() -> None:
    said = shown(row(BAD, Path("b"), {}), verbose=True)
    assert [line.split()[1] for line in said[2:-1]] == [c.name for c in BAD.checks]


def test_of_a_run_that_was_not_judged_nothing_is_made_up() -> None:
    assert shown(Row(outcome(), Path("b")))[1:] == ["INVALID worker-kill celery", "INVALID worker-kill on celery: b"]


def kept(number: int, measure: float, experiment: str, stack: str) -> Kept:
    about = (f"{experiment}-{number}", f"2026-01-01T00:00:{number:02}Z", "", "", experiment, stack)
    return Kept(*about, Verdict.PASS, 1.0, (), (), {"tasks.run_duration": measure})


@given(st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(["null", "other"]), st.sampled_from("ab")), max_size=20))
def test_the_floor_is_the_worst_of_the_last_runs_with_nothing_broken(runs: list[tuple[float, str, str]]) -> None:
    found = worst_of_last(kept(number, *one) for number, one in enumerate(runs))
    for stack in "ab":
        measures = [measure for measure, name, on in runs if (name, on) == ("null", stack)]
        assert found.get((stack, "tasks.run_duration")) == max(measures[-LAST_RUNS:], default=None)


def test_the_floor_is_read_from_the_reports(tmp_path: Path) -> None:
    assert floors(tmp_path) == {}
    run(tmp_path, 1, 2.5, experiment="null", name="tasks.run_duration")
    assert floors(tmp_path) == {("s", "tasks.run_duration"): 2.5}
    (tmp_path / "trend" / "x.parquet").write_bytes(b"no parquet")
    assert floors(tmp_path) == {}


@pytest.mark.parametrize("text", ["[red]x[/red]", "a\x1b[2Jb\nc"])
def test_no_text_of_others_steers_the_terminal(text: str) -> None:
    said = shown(Row(outcome(check(text, Verdict.FAIL), experiment=text), Path("b"), remark=text))
    assert not any("\x1b" in line for line in said)
    assert said[-1].startswith("FAIL ")


def test_what_nobody_can_judge_without_a_ledger_is_told_in_one_line() -> None:
    lacking = [
        check(name, Verdict.INVALID, None).model_copy(update={"needs": "ledger"})
        for name in ("tasks.duplicated", "tasks.overlapping")
    ]
    whole = row(outcome(*GOOD.checks, *lacking), Path("a"), {})
    assert shown(whole)[1].endswith("2 s no ledger")
    assert shown(whole)[2:] == [
        "INVALID 2 checks need a ledger, which this target does not have",
        "INVALID worker-kill on celery: a",
    ]
    broken = shown(row(outcome(*BAD.checks, lacking[0]), Path("b"), {}))
    assert broken[1].endswith("rollback.time, 2 more; no ledger")
    assert "INVALID 1 check needs a ledger, which this target does not have" in broken
    told = shown(whole, verbose=True)
    assert sum("so it is: tasks." in line for line in told) == 4
    assert not [line for line in told if "need a ledger" in line]
