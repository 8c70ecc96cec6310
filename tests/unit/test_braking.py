"""What the brake looks at: on a cluster of ours what is declared, on one of others always the users too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.braking import OF_OTHERS, gauges, in_force
from harness.chaos.blast import Reach, overdue
from harness.chaos.context import Context
from harness.errors import UsageError
from harness.experiment import Plan, check, load
from harness.history import Recorder
from harness.kube import Kube
from harness.observe.budget import Budget
from harness.observe.owner import Owner
from harness.safety import Blast, Brake
from harness.settings import ROOT
from tests.unit.kube.cluster import settings_for
from tests.unit.plans import experiment

DECLARED = {"errors_share": 0.1, "within_s": 30}


def plan(**block: Any) -> Plan:
    return check("x", experiment(**block)).plan


@pytest.fixture(params=["kind-airflow-chaos", "staging"])
def context(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Context]:
    settings = settings_for(tmp_path, "http://127.0.0.1:1", context=request.param)
    recorder = Recorder.create(tmp_path / "history.jsonl")
    yield Context(settings, Kube(settings), recorder, 0, {}, ("airflow",))
    recorder.close()


def test_users_count_by_default_on_clusters_of_others_only(context: Context) -> None:
    found = [type(gauge) for gauge in gauges(plan(), context)]
    assert (Budget in found) is not context.kube.ours
    assert Owner not in found


def test_what_is_declared_holds_everywhere(context: Context) -> None:
    assert Budget in [type(gauge) for gauge in gauges(plan(brake=DECLARED), context)]
    for ours in (True, False):
        assert in_force(plan(brake=DECLARED), ours=ours) == Brake(errors_share=0.1, within_s=30)
    assert in_force(plan(), ours=True) is None
    assert in_force(plan(), ours=False) is OF_OTHERS


def test_the_owners_query_is_one_where_it_is_set(context: Context) -> None:
    context.settings = context.settings.model_copy(
        update={"brake_url": "http://x", "brake_query": "q", "brake_limit": 1}
    )
    assert Owner in [type(gauge) for gauge in gauges(plan(), context)]


def test_time_is_up_from_the_first_fault_on() -> None:
    blast, reach = Blast(pods=1, share=1.0, seconds=60), Reach()
    assert overdue(blast, reach) is None
    reach.since = time.monotonic() - 30
    assert overdue(blast, reach) is None
    reach.since = time.monotonic() - 61
    assert overdue(blast, reach) == "the first fault was 61 s ago, and it may last 60 s at most"


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"errors_share": 0.1},
        DECLARED | {"errors_share": 0},
        DECLARED | {"errors_share": 1.1},
        DECLARED | {"within_s": 1},
    ],
)
def test_a_brake_that_cannot_be_meant_is_refused(declared: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"x\.json: extensions\.airflow-chaos\.brake\."):
        plan(brake=declared)


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.json")), ids=lambda path: path.stem)
def test_no_shipped_experiment_is_stopped_for_what_it_is_about(path: Path) -> None:
    """Ours show what a fault does to users; how long it may last is all that ends them."""
    assert in_force(load(path).plan, ours=True) is None
