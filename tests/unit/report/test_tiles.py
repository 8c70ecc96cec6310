"""What is shown first is what the experiment is about, and what went wrong is among it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.outcome import Check, Outcome, Verdict, worst
from harness.report.tiles import CAUGHT_UP, tiles
from harness.settings import ROOT, STACKS
from harness.slo import CATALOGUE, own
from tests.unit.builders import LIMITS, bad, healthy, verdict

RUN = verdict(healthy())
SLO = ROOT / "slo.yaml"
checks = st.builds(
    lambda name, verdict, measure: Check(
        name=name, verdict=verdict, measure=measure, limit=1, unit="s", origin="", because="."
    ),
    st.sampled_from([*CATALOGUE, "evidence.fault", "healthy.pods"]),
    st.sampled_from(list(Verdict)),
    st.none() | st.floats(0, 9),
)


def names(outcome: Outcome, own: frozenset[str]) -> list[str]:
    return [check.name for check in tiles(outcome, own)]


@given(st.lists(checks, unique_by=lambda check: check.name), st.frozensets(st.sampled_from(list(CATALOGUE))))
def test_whatever_decided_the_verdict_is_there_and_first(found: list[Check], own: frozenset[str]) -> None:
    outcome = RUN.model_copy(update={"checks": tuple(found), "verdict": worst(tuple(found))})
    shown = tiles(outcome, own)
    assert len({check.name for check in shown}) == len(shown)
    assert set(shown) <= set(found)
    if found and outcome.verdict is not Verdict.PASS:
        assert shown[0].verdict is outcome.verdict
    assert {c.name for c in found if c.name in own and not c.name.startswith("evidence.")} <= {c.name for c in shown}


def test_its_own_bounds_come_behind_the_measure_that_tells_its_runs_apart() -> None:
    own = frozenset({"tasks.run_duration", "evidence.samples", "tasks.duplicated"})
    assert names(RUN, own) == ["recovery.first_new_task", "tasks.run_duration", "tasks.duplicated"]
    of_workers = RUN.model_copy(update={"checks": tuple(c for c in RUN.checks if c.name in {*own, "tasks.lost"})})
    assert names(of_workers, own) == ["tasks.run_duration", "tasks.duplicated"]


def test_a_check_that_nobody_looked_for_is_there_once_it_decides() -> None:
    own = frozenset({"tasks.run_duration"})
    shown = tiles(verdict(bad(healthy(), 25, 30)), own)
    assert [(c.name, c.verdict) for c in shown[:1]] == [("availability.read.outage", Verdict.FAIL)]
    assert len(shown) == 3


def test_where_nobody_knows_the_experiment_outages_and_recovery_are_shown() -> None:
    shown = names(RUN, frozenset())
    assert {"availability.read.outage", *(n for n in LIMITS if n.startswith("recovery."))} <= set(shown)
    assert "tasks.lost" not in shown


def test_catching_up_is_shown_where_it_is_judged() -> None:
    caught = RUN.checks[0].model_copy(update={"name": CAUGHT_UP})
    assert CAUGHT_UP in names(RUN.model_copy(update={"checks": (*RUN.checks, caught)}), frozenset({"tasks.lost"}))


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.json")), ids=lambda path: path.stem)
def test_every_experiment_has_a_bound_of_its_own_to_show(path: Path) -> None:
    found = (own(SLO, stack, path.stem) for stack in STACKS)
    assert any(not bound.startswith("evidence.") for bounds in found for bound in bounds)


def test_a_profile_has_bounds_of_its_own_and_a_stranger_has_none() -> None:
    assert "tasks.run_duration" in own(SLO, "celery-defaults", "worker-kill")
    assert "tasks.duplicated" in own(SLO, "celery", "worker-kill") - own(SLO, "celery-defaults", "worker-kill")
    assert "tasks.lost" not in own(SLO, "celery", "worker-kill")
    assert own(SLO, "celery", "every") == own(SLO, "nowhere", "null") == frozenset()
