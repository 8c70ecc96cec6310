"""As it was: read again, not assumed."""

from __future__ import annotations

from typing import Any

import pytest

from harness.history import Fault, History, Record
from harness.judge import rollback
from harness.judge.verdict import judge
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import changed, fault, healthy, meta, named, verdict, whole, without

WHOLE = {"scheduler": 2, "api-server": 2}


def rolled(**evidence: Any) -> list[Record]:
    return changed(
        healthy(), Fault, lambda f: f.phase == "rolled-back", lambda f: {"evidence": {**f.evidence, **evidence}}
    )


def back(records: list[Record]) -> Check:
    found = [c for c in verdict(records).checks if c.name.startswith("rollback")]
    assert len(found) == 1 or {c.name for c in found} == {"rollback", "rollback.time"}
    return found[0]


def test_back_in_time() -> None:
    check = back(healthy())
    assert (check.verdict, check.measure) == (Verdict.PASS, 19.5)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ({"ready": {"scheduler": 1}}, "1 of 2 scheduler pods are ready"),
        ({"ready": {}}, "0 of 2 scheduler pods are ready"),
        ({"ready": {"scheduler": 3}}, "3 of 2 scheduler pods are ready"),
        ({"expected": {"scheduler": 1}, "ready": {"scheduler": 1}}, "set to 1 replicas instead of 2"),
        ({"leftovers": ["networkpolicy/block"]}, "networkpolicy/block was left behind"),
    ],
)
def test_a_difference_is_a_failure(evidence: dict[str, Any], said: str) -> None:
    check = back(rolled(**evidence))
    assert check.verdict is Verdict.FAIL
    assert said in check.because


@pytest.mark.parametrize(
    "evidence", [{"expected": {}, "ready": {}}, {"expected": {"worker": 2}, "ready": {"worker": 2}}]
)
def test_a_component_that_was_not_looked_at_is_unknown(evidence: dict[str, Any]) -> None:
    assert back(rolled(**evidence)).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    "evidence", [{"ready": None}, {"expected": ["scheduler"]}, {"leftovers": None}, {"ready": {"scheduler": "2"}}]
)
def test_malformed_evidence_is_invalid(evidence: dict[str, Any]) -> None:
    assert back(rolled(**evidence)).verdict is Verdict.INVALID


def test_not_undone_is_a_failure_where_the_history_is_whole() -> None:
    never = without(healthy(), Fault, lambda f: f.phase == "rolled-back")
    assert back(never).verdict is Verdict.FAIL
    assert named(judge(History.of(never)), "rollback.time").verdict is Verdict.INVALID


def test_every_fault_must_be_undone() -> None:
    assert back([*healthy(), fault(30, "begin").model_copy(update={"id": "second"})]).verdict is Verdict.FAIL


def test_an_undo_that_ran_twice_counts_from_when_it_held() -> None:
    (clean,) = [r for r in healthy() if isinstance(r, Fault) and r.phase == "rolled-back"]
    broken = clean.model_copy(update={"evidence": {**clean.evidence, "ready": {"scheduler": 0}}})
    again = clean.model_copy(update={"t": clean.t + 5 * 10**9})
    assert back([*healthy(), again]).measure == 19.5
    late = [*without(healthy(), Fault, lambda f: f.phase == "rolled-back"), broken, again]
    assert back(late).measure == 24.5
    worse = broken.model_copy(update={"t": again.t})
    assert back([*healthy(), worse]).verdict is Verdict.FAIL


def test_a_component_of_which_nothing_should_be_there_is_as_it_was_when_nothing_is() -> None:
    def check(idle: int) -> Verdict:
        return back(rolled(expected={**WHOLE, "worker": idle}, ready=WHOLE)).verdict

    assert check(0) is Verdict.PASS
    assert check(1) is Verdict.FAIL


def test_replicas_that_nobody_recorded_are_not_compared() -> None:
    assert back([meta(replicas={}), *healthy()[1:]]).verdict is Verdict.PASS
    (found,) = rollback.check(whole(healthy()[1:]), {"rollback.time": Bound("rollback.time", 30.0, "s", "test")})
    assert found.verdict is Verdict.PASS


def test_without_a_fault_nothing_was_undone() -> None:
    assert back(without(healthy(), Fault)).verdict is Verdict.INVALID
