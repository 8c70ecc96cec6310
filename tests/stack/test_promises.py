"""The default stack is what it says that it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from harness.airflow import Airflow
from harness.errors import UsageError
from harness.kube import Kube
from harness.settings import Settings
from harness.stack.access import INGRESS_NAMESPACE, Access
from harness.stack.kubectl import kubectl

pytestmark = pytest.mark.stack
OWN = ("airflow", INGRESS_NAMESPACE, "airflow-chaos-ledger")


@pytest.fixture
def door(access: Access) -> Iterator[Airflow]:
    door = access.airflow(10)
    yield door
    door.close()


def objects(settings: Settings, kind: str, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(kubectl(settings, "get", kind, "-n", namespace, "-o", "json"))["items"]
    return found


def test_every_component_has_all_its_replicas(settings: Settings, kube: Kube) -> None:
    found = kube.ready_replicas(settings.namespace)
    assert {name: r.ready for name, r in found.items()} == {
        "api-server": 2,
        "dag-processor": 1,
        "postgres": 1,
        "redis": 1,
        "scheduler": 2,
        "triggerer": 2,
        "worker": 2,
    }
    assert kube.ready_replicas(INGRESS_NAMESPACE)["ingress"] == (2, 2)


@pytest.mark.parametrize("component", ["api-server", "scheduler", "worker"])
def test_replicas_stand_on_different_nodes(settings: Settings, kube: Kube, component: str) -> None:
    pods = [p for p in kube.pods(settings.namespace, f"component={component}") if not p.deleting]
    assert len({p.node for p in pods}) == len(pods)


def test_no_container_of_ours_runs_as_root(settings: Settings) -> None:
    pods = [pod for namespace in OWN for pod in objects(settings, "pods", namespace)]
    assert pods
    for pod in pods:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_every_service_container_has_limits_and_probes(settings: Settings) -> None:
    for namespace in OWN:
        for deployment in objects(settings, "deployments", namespace):
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                assert container["resources"]["limits"]["memory"]
                assert container["resources"]["requests"]["cpu"]
                assert "livenessProbe" in container
                assert "readinessProbe" in container or "startupProbe" in container


def test_the_api_asks_for_a_login(access: Access) -> None:
    answer = requests.get(f"{access.base_url}/api/v2/dags", timeout=10)
    assert answer.status_code == 401


def test_a_wrong_password_is_refused(access: Access) -> None:
    stranger = Airflow(access.base_url, "admin", "not the password", 10)
    with pytest.raises(UsageError, match="refused the login"):
        stranger.login()
    stranger.close()


def test_there_is_no_short_cut_without_a_password(access: Access) -> None:
    answer = requests.get(f"{access.base_url}/auth/token", timeout=10)
    assert answer.status_code in (401, 403, 404, 405)


def test_the_same_trigger_twice_is_one_run(door: Airflow) -> None:
    run_id = f"twice-{pytest.__version__}-{id(door)}"
    assert door.trigger("chaos_noop", run_id).status in (200, 201)
    assert door.trigger("chaos_noop", run_id).status == 409
    assert len(door.runs("chaos_noop", run_id)) == 1


def test_loopback_leads_to_the_same_place(settings: Settings, door: Airflow) -> None:
    answer = requests.get(f"http://127.0.0.1:{settings.http_port}/api/v2/version", timeout=10)
    assert answer.json()["version"] == door.version()


@pytest.mark.parametrize("component", ["api-server", "scheduler", "worker"])
def test_only_one_replica_may_be_evicted(settings: Settings, component: str) -> None:
    budgets = {b["metadata"]["name"]: b for b in objects(settings, "pdb", settings.namespace)}
    assert budgets[component]["status"]["disruptionsAllowed"] == 1
    assert budgets[component]["status"]["desiredHealthy"] == 1


def test_both_schedulers_beat(door: Airflow, kube: Kube, settings: Settings) -> None:
    pods = {p.name for p in kube.pods(settings.namespace, "component=scheduler") if not p.deleting}
    beating = {job.hostname for job in door.scheduler_jobs() if job.state == "running"}
    assert pods <= beating
