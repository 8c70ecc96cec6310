"""What must be true before an experiment may begin: the first thing that is not is named, and nothing is broken."""

from __future__ import annotations

from typing import Any

import pytest

from harness import calibrate, preflight
from harness.errors import UsageError
from harness.experiment import Experiment, check
from harness.judge.calibration import Calibration
from harness.kube import Kube
from harness.preflight import check_ground, describe
from harness.settings import Settings
from harness.slo import Bound
from harness.stack.access import INGRESS_NAMESPACE
from tests.unit.plans import experiment

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """How busy this machine is, is not what is tested."""
    monkeypatch.setattr(preflight, "wait_quiet", lambda say: None)


def plan(**block: Any) -> Experiment:
    return check("scheduler-kill", experiment(**block))


def in_namespace(name: str) -> Experiment:
    raw = experiment()
    raw["method"][0]["provider"]["arguments"]["namespace"] = name
    return check("scheduler-kill", raw)


def test_the_first_line_says_all_that_judging_needs(settings: Settings, kube: Kube) -> None:
    found = plan(seed=5)
    ground = check_ground(found, settings, kube)
    meta = describe(found, settings, ground, {"rollback.time": Bound("rollback.time", 60.0, "s", "why")}, "run-1", {})
    assert (meta.run_id, meta.experiment, meta.stack, meta.seed) == ("run-1", "scheduler-kill", settings.stack, 5)
    assert meta.slo == {"rollback.time": {"limit": 60.0, "unit": "s", "origin": "why"}}
    there = {**kube.ready_replicas(INGRESS_NAMESPACE), **kube.ready_replicas(settings.namespace)}
    assert meta.replicas == {name: r.desired for name, r in there.items()}
    version = {"rate_hz": 5.0, "conn": ["new", "reused"], "url": ground.access.base_url}
    assert meta.probe["targets"] == {"version": version}
    assert Calibration.model_validate(meta.probe["calibration"]) == calibrate.known(settings)
    assert {"airflow", "kubernetes", "python", "chaostoolkit", "airflow-chaos"} <= meta.versions.keys()
    assert (meta.t, meta.format) == (0, 1)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (plan(selector="component=nobody"), "the selector 'component=nobody' matches no running pod in airflow"),
        (in_namespace("airflow-chaos-ledger"), "matches no running pod in airflow-chaos-ledger"),
        (plan(writer={"dag": "chaos_lost", "every_s": 1, "accept_within_s": 5}), "no DAG chaos_lost; deploy the DAGs"),
    ],
    ids=["nobody", "elsewhere", "no-dag"],
)
def test_what_the_stack_does_not_have_is_refused(settings: Settings, kube: Kube, found: Experiment, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_ground(found, settings, kube)


def test_a_namespace_where_nothing_is_deployed_is_refused(settings: Settings, kube: Kube) -> None:
    elsewhere = settings.model_copy(update={"namespace": "airflow-chaos-nowhere"})
    with pytest.raises(UsageError, match="airflow-chaos-nowhere"):
        check_ground(plan(), elsewhere, kube)


def test_a_prober_that_was_never_calibrated_is_refused(
    settings: Settings, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "machine", lambda: "another machine")
    with pytest.raises(UsageError, match="run harness calibrate"):
        check_ground(plan(), settings, kube)
