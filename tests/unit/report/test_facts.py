"""The numbers in the report's tables."""

from __future__ import annotations

import pytest

from harness.history import Fault, Record
from harness.report import facts
from harness.slo import CATALOGUE
from tests.unit.builders import bad, healthy, meta, sample, series, verdict, whole


def test_the_noise_floor_is_counted_by_phase_and_series() -> None:
    rows = facts.floor_rows(whole(bad(healthy(), 25, 27)))
    assert {r.phase for r in rows} == {"baseline", "fault", "recovery", "cooldown"}
    found = {(r.phase, r.series): r for r in rows}
    recovery = found["recovery", "GET version, new connections"]
    assert (recovery.requests, recovery.bad) == (54, 4)
    assert found["baseline", "GET version, new connections"].bad == 0
    assert recovery.median == pytest.approx(20)


def test_latency_counts_from_when_a_request_was_due() -> None:
    records: list[Record] = [*healthy(), sample(3.25, target="slow", late=2, took=1)]
    (row,) = [r for r in facts.floor_rows(whole(records)) if "slow" in r.series]
    assert (row.median, row.p99, row.slowest) == (3000, 3000, 3000)


def test_the_measurement_error_is_one_probe_interval() -> None:
    (row,) = facts.intervals(whole(series("......", step=0.25)))
    assert row.milliseconds == 250
    assert facts.intervals(whole([sample(1)])) == []


def test_faults_are_told_with_their_evidence() -> None:
    rows = facts.fault_rows(whole(healthy()))
    assert [r.what.split(": ")[1] for r in rows] == [
        "begin",
        "injected",
        "injected",
        "proved",
        "proved",
        "ended",
        "rolled-back",
    ]
    proved = rows[3]
    assert proved.at == "+1.5 s"
    assert proved.target == "Pod airflow/scheduler-a"
    assert "uid uid-a" in proved.evidence
    assert "exit_code 137" in proved.evidence
    assert "process_gone at +0.5 s" in proved.evidence
    assert "true" not in proved.evidence
    assert rows[-1].evidence == (
        "expected: scheduler 2, api-server 2; ready: scheduler 2, api-server 2; leftovers none"
    )


def test_bounds_are_shown_even_when_malformed() -> None:
    (row,) = facts.bound_rows({"tasks.lost": {"limit": 3}}, {"tasks.lost": "2 count today"})
    assert (row.limit, row.origin, row.today) == ("3 ?", "?", "2 count today")
    assert facts.bound_rows(meta({}).slo, {}) == []


def test_whatever_is_judged_asks_a_question() -> None:
    assert {name.split(".")[0] for name in CATALOGUE} <= facts.QUESTIONS.keys()


def test_without_a_fault_times_are_those_of_the_run() -> None:
    assert facts.fault_time(whole([])) is None
    assert facts.moment(1_500_000_000, None) == "1.5 s"
    assert facts.moment(1_500_000_000, 2_000_000_000) == "-0.5 s"
    assert facts.moment(1_999_999_000, 2_000_000_000) == "0.0 s"


def test_what_was_not_seen_is_said() -> None:
    fault = Fault(t=1, id="f", action="kill", phase="proved", evidence={"uid_gone": False, "uid_gone_t": None})
    (row,) = facts.fault_rows(whole([fault]))
    assert row.evidence == "uid_gone false, uid_gone_t null"


def test_a_time_that_is_none_is_shown_as_it_stands() -> None:
    fault = Fault(t=1, id="f", action="kill", phase="proved", evidence={"uid_gone_t": 10**400})
    (row,) = facts.fault_rows(whole([fault]))
    assert row.evidence == f"uid_gone_t 1{'0' * 400}"


def test_checks_are_grouped_by_what_they_ask_and_counted() -> None:
    outcome = verdict(bad(healthy(), 25, 30))
    found = facts.groups(outcome)
    assert [c for g in found for c in g.checks] == list(outcome.checks)
    assert [g.name for g in found] == ["evidence", "availability", "tasks", "recovery", "rollback"]
    assert all(g.question for g in found)
    assert facts.tally(outcome) == f"{len(outcome.checks)} checks: {len(outcome.checks) - 2} PASS, 2 FAIL"
    assert facts.tally(outcome.model_copy(update={"checks": ()})) == "no check was made"
