"""What is changed in a cluster: this very pod, marked so that it can be found and put back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FaultError, UsageError
from harness.kube import EVICTED, Changed, Kube, KubeError
from tests.unit.kube.cluster import deployment, listing, pod, settings_for
from tests.unit.kube.test_client import PODS, labelled, status
from tests.unit.loopback import Reply, Request, Server, serving

DEPLOYMENTS = "/apis/apps/v1/namespaces/airflow/deployments"
NODE = {"kind": "Node", "metadata": {"name": "n1"}}


def eviction(tmp_path: Path, code: int) -> tuple[int, Server]:
    def answer(request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, listing("Pod", [pod("s-1")]))
        return Reply(code, {"kind": "Status", "status": "Success"}) if code == EVICTED else status(code)

    with serving(answer) as server:
        kube = Kube(settings_for(tmp_path, server.url))
        return kube.change.evict(kube.pods("airflow")[0]), server


@pytest.mark.parametrize(("code", "said"), [(201, 201), (429, 429), (404, 404), (409, 404)])
def test_an_eviction_is_asked_for_once_and_of_this_very_pod(tmp_path: Path, code: int, said: int) -> None:
    found, server = eviction(tmp_path, code)
    assert found == said
    (asked,) = server.asked_for("POST", f"{PODS}/s-1/eviction")
    assert asked.body["deleteOptions"]["preconditions"] == {"uid": "uid-s-1"}


def test_an_eviction_that_breaks_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(KubeError):
        eviction(tmp_path, 500)


def patched(tmp_path: Path, replicas: int, annotations: dict[str, str], by: int) -> tuple[int, Any]:
    found = deployment("api", "api-server", ready=replicas, desired=replicas)
    found["metadata"]["annotations"] = annotations

    def answer(request: Request) -> Reply:
        return Reply(200, found if request.method == "PATCH" else listing("Deployment", [found]))

    with serving(answer) as server:
        wanted = Kube(settings_for(tmp_path, server.url)).change.scale("airflow", "api-server", by)
    (asked,) = server.asked_for("PATCH", f"{DEPLOYMENTS}/api")
    return wanted, asked.body


@pytest.mark.parametrize(("by", "wanted"), [(1, 3), (-1, 1), (-2, 0), (-5, 0)])
def test_a_change_of_scale_keeps_the_way_back_and_never_falls_below_none(tmp_path: Path, by: int, wanted: int) -> None:
    body = {"metadata": {"annotations": {"airflow-chaos/back": '{"replicas": 2}'}}, "spec": {"replicas": wanted}}
    assert patched(tmp_path, 2, {}, by) == (wanted, body)


def test_a_second_change_of_scale_keeps_the_way_back_to_the_first(tmp_path: Path) -> None:
    _, body = patched(tmp_path, 3, {"airflow-chaos/back": '{"replicas": 2}'}, -1)
    assert body["metadata"]["annotations"] == {"airflow-chaos/back": '{"replicas": 2}'}
    assert body["spec"] == {"replicas": 2}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_what_was_changed_is_found_and_put_back(tmp_path: Path, kind: str) -> None:
    path = f"/apis/apps/v1/namespaces/airflow/{kind.lower()}s"
    ours = deployment("api", "api-server", ready=3, desired=3)
    ours["metadata"]["annotations"] = {"airflow-chaos/back": '{"replicas": 2}'}
    other = deployment("worker", "worker", ready=1, desired=1)

    def answer(request: Request) -> Reply:
        there = [ours, other] if request.path == path else []
        return Reply(200, ours if request.method == "PATCH" else listing(kind, there))

    with serving(answer) as server:
        change = Kube(settings_for(tmp_path, server.url)).change
        found = change.changed("airflow")
        assert found == [Changed("airflow", "api", {"replicas": 2}, kind)]
        change.put_back(found[0])
    (asked,) = server.asked_for("PATCH", f"{path}/api")
    assert asked.body == {"metadata": {"annotations": {"airflow-chaos/back": None}}, "spec": {"replicas": 2}}


@pytest.mark.parametrize("text", ["many", "[]", "3", "null"])
def test_a_way_back_that_is_not_ours_is_named(tmp_path: Path, text: str) -> None:
    odd = deployment("odd", "odd", ready=1, desired=1)
    odd["metadata"]["annotations"] = {"airflow-chaos/back": text}
    with serving(lambda _: Reply(200, listing("Deployment", [odd]))) as server:
        change = Kube(settings_for(tmp_path, server.url)).change
        with pytest.raises(FaultError, match=r"airflow/odd has an annotation airflow-chaos/back that is not ours"):
            change.changed("airflow")


def with_variable(tmp_path: Path, annotations: dict[str, str], *entries: dict[str, str]) -> Any:
    found = deployment("scheduler", "scheduler", ready=1, desired=1)
    found["metadata"]["annotations"] = annotations
    found["spec"]["template"]["spec"]["containers"][0]["env"] = list(entries)

    def answer(request: Request) -> Reply:
        return Reply(200, found if request.method == "PATCH" else listing("Deployment", [found]))

    with serving(answer) as server:
        Kube(settings_for(tmp_path, server.url)).change.set_variable("airflow", "scheduler", "SLOTS", "2")
    (asked,) = server.asked_for("PATCH", f"{DEPLOYMENTS}/scheduler")
    return asked.body


def test_a_variable_is_set_and_the_way_back_takes_it_out(tmp_path: Path) -> None:
    body = with_variable(tmp_path, {}, {"name": "OTHER", "value": "1"})
    (container,) = body["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "main", "env": [{"name": "SLOTS", "value": "2"}]}
    (kept,) = json.loads(body["metadata"]["annotations"]["airflow-chaos/back"])["template"]["spec"]["containers"]
    assert kept == {"name": "main", "env": [{"name": "SLOTS", "$patch": "delete"}]}
    again = with_variable(tmp_path, body["metadata"]["annotations"], {"name": "SLOTS", "value": "1"})
    assert again == body


def test_a_variable_of_the_manifest_is_not_ours_to_change(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="scheduler in airflow has SLOTS from its manifest already"):
        with_variable(tmp_path, {}, {"name": "SLOTS", "value": "1"})


def test_a_roll_changes_the_template_alone(tmp_path: Path) -> None:
    found = deployment("api", "api-server", ready=2, desired=2)

    def answer(request: Request) -> Reply:
        return Reply(200, found if request.method == "PATCH" else listing("Deployment", [found]))

    with serving(answer) as server:
        Kube(settings_for(tmp_path, server.url)).change.renew("airflow", "api-server", "now")
    assert [r.query for r in server.asked_for("GET", DEPLOYMENTS)] == [{"labelSelector": ["component=api-server"]}]
    (asked,) = server.asked_for("PATCH", f"{DEPLOYMENTS}/api")
    template = {"metadata": {"annotations": {"airflow-chaos/restarted": "now"}}}
    assert asked.body == {"spec": {"template": template}}


@pytest.mark.parametrize("count", [0, 2])
def test_a_component_that_is_not_one_deployment_is_left_alone(tmp_path: Path, count: int) -> None:
    some = [deployment(f"d{n}", "worker", ready=1, desired=1) for n in range(count)]
    with serving(lambda _: Reply(200, listing("Deployment", some))) as server:
        change = Kube(settings_for(tmp_path, server.url)).change
        with pytest.raises(FaultError, match=f"airflow has {count} Deployments of component worker; nothing was"):
            change.scale("airflow", "worker", 1)
    assert {r.method for r in server.asked} == {"GET"}


def test_a_node_is_closed_with_our_mark_and_opened_again(tmp_path: Path) -> None:
    with serving(lambda _: Reply(200, NODE)) as server:
        change = Kube(settings_for(tmp_path, server.url)).change
        change.close("n1")
        change.reopen("n1")
    closed, opened = (r.body for r in server.asked_for("PATCH", "/api/v1/nodes/n1"))
    assert closed == {"metadata": {"annotations": {"airflow-chaos/closed": "true"}}, "spec": {"unschedulable": True}}
    assert opened == {"metadata": {"annotations": {"airflow-chaos/closed": None}}, "spec": {"unschedulable": None}}


def test_what_is_not_ours_is_not_changed(tmp_path: Path) -> None:
    with serving(lambda _: labelled(None)) as server:
        change = Kube(settings_for(tmp_path, server.url, context="staging")).change
        for call in (lambda: change.scale("airflow", "worker", 1), lambda: change.renew("airflow", "worker", "now")):
            with pytest.raises(UsageError, match="context staging"):
                call()
        with pytest.raises(UsageError, match="context staging"):
            change.close("n1")
    assert {r.method for r in server.asked} <= {"GET"}


def test_pods_that_failed_are_deleted_in_one_call(tmp_path: Path) -> None:
    with serving(lambda _: Reply(200, listing("Pod", []))) as server:
        Kube(settings_for(tmp_path, server.url)).change.delete_failed("airflow")
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("DELETE", PODS)
    assert asked.query == {"fieldSelector": ["status.phase=Failed"]}
