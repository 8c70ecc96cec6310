"""What is found of a deployment, whoever made it, and what is said to be missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.audit.deployment import Deployment
from harness.commands.discover import DOORS, Found, discover
from harness.kube.inventory import PLACES
from harness.target import read
from tests.unit.audit.objects import deployment
from tests.unit.kube.cluster import settings_for
from tests.unit.loopback import Reply, Request, serving
from tests.unit.test_cli import Call, call

__all__ = ["call"]
Json = dict[str, Any]
SERVICE: Json = {
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "airflow"},
    "spec": {"selector": {"component": "api-server"}, "ports": [{"port": 8080}]},
}
INGRESS: Json = {
    "kind": "Ingress",
    "metadata": {"name": "way-in", "namespace": "airflow"},
    "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}]},
    "status": {"loadBalancer": {"ingress": [{"ip": "10.9.8.7"}]}},
}


def found(*more: Json, without: str = "") -> Found:
    objects = [one for name, one in deployment().items() if not (without and name.endswith(without))]
    return discover(Deployment([*objects, *more]), "mine", "airflow")


def missing(one: Found) -> set[str]:
    return {said.partition(":")[0] for said in one.missing}


def balanced(ports: list[int], **address: str) -> Json:
    spec = {**SERVICE["spec"], "ports": [{"port": port} for port in ports]}
    return {**SERVICE, "spec": spec, "status": {"loadBalancer": {"ingress": [address]}}}


def test_every_part_is_found_by_what_it_runs() -> None:
    target = found(SERVICE, INGRESS).target
    assert {role: [(p.kind, p.replicas) for p in parts] for role, parts in target.components.items()} == {
        **{role: [("Deployment", 2)] for role in ("api-server", "scheduler", "worker", "triggerer", "dag-processor")},
        "database": [("StatefulSet", 2)],
        "broker": [("StatefulSet", 2)],
    }
    assert target.components["scheduler"][0].selector == "component=scheduler,release=airflow"
    assert (target.release, target.airflow, target.executor) == ("airflow", "3.3.2", "CeleryExecutor")
    assert target.secrets["AIRFLOW__API_AUTH__JWT_SECRET"] == "my-jwt-secret/jwt-secret"
    assert (target.login, target.ledger, target.nodes) == (None, None, "closed")


def test_what_is_not_there_is_said() -> None:
    assert missing(found(SERVICE, INGRESS)) == {"chart", "login"}
    assert "components.triggerer" in missing(found(without="triggerer"))
    assert "url" in missing(found(SERVICE))
    assert "its Services: web" in next(one for one in found(SERVICE).missing if one.startswith("url"))


def test_pods_that_are_labelled_otherwise_are_named() -> None:
    objects = deployment()
    odd = objects["Deployment worker"]["spec"]
    for labels in (odd["selector"]["matchLabels"], odd["template"]["metadata"]["labels"]):
        labels["component"] = "mill"
    said = discover(Deployment(objects.values()), "mine", "airflow").missing
    assert "components: Deployment worker runs a worker, and its pods are not labelled component=worker" in said


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ((SERVICE,), ""),
        ((SERVICE, INGRESS), "http://10.9.8.7"),
        ((INGRESS,), ""),
        ((balanced([80], ip="10.0.0.1"),), "http://10.0.0.1"),
        ((balanced([8080], hostname="flow.example"),), "http://flow.example:8080"),
    ],
)
def test_the_way_in_is_an_ingress_or_an_address_of_the_api_servers_service(more: tuple[Json, ...], url: str) -> None:
    assert found(*more).target.url == url


def test_a_way_in_with_tls_is_none_yet() -> None:
    rule = {**INGRESS["spec"]["rules"][0], "host": "flow.example"}
    plain = {**INGRESS, "spec": {"rules": [rule]}}
    secured = {**INGRESS, "spec": {"rules": [rule], "tls": [{"hosts": ["flow.example"]}]}}
    assert found(SERVICE, plain).target.url == "http://flow.example"
    assert found(SERVICE, secured).target.url == ""


def test_of_several_ways_in_the_first_is_taken_and_all_are_said() -> None:
    one = found(balanced([80], ip="10.0.0.1"), INGRESS)
    assert one.target.url == "http://10.9.8.7"
    assert any("http://10.9.8.7, http://10.0.0.1" in said for said in one.missing)


def test_the_command_writes_what_it_finds_and_never_over_it(call: Call, tmp_path: Path) -> None:
    every = [*deployment().values(), SERVICE, INGRESS]

    def answer(request: Request) -> Reply:
        kinds = [kind for kind, place in (PLACES | DOORS).items() if place.format("airflow") == request.path]
        if kinds == ["Node"]:
            return Reply(403, {"kind": "Status", "code": 403, "message": "no"})
        return Reply(200, {"items": [one for one in every if one["kind"] in kinds]})

    with serving(answer) as server:
        settings = settings_for(tmp_path, server.url, context="mine")
        words = ("target", "discover", "--context", "mine", "--namespace", "airflow", "--output", tmp_path / "t.yaml")
        code, said, _ = call(*words, "--kubeconfig", settings.kubeconfig)
        assert code == 0
        assert "scheduler: Deployment scheduler, 2" in said
        assert "not found: Nodes may not be listed: 403 Forbidden" in said
        assert {r.method for r in server.asked} == {"GET"}
        target = read(tmp_path / "t.yaml")
        assert (target.context, target.url) == ("mine", "http://10.9.8.7")
        text = (tmp_path / "t.yaml").read_text(encoding="utf-8")
        assert "# not found: login: " in text
        code, _, err = call(*words, "--kubeconfig", settings.kubeconfig)
        assert code == 64
        assert "--force overwrites it" in err


def test_nothing_of_airflow_is_refused(call: Call, tmp_path: Path) -> None:
    with serving(lambda _: Reply(200, {"items": []})) as server:
        settings = settings_for(tmp_path, server.url, context="mine")
        where = ("--kubeconfig", settings.kubeconfig, "--output", tmp_path / "t.yaml")
        code, _, err = call("target", "discover", "--context", "mine", "--namespace", "flow", *where)
    assert code == 64
    assert "there is no Airflow in namespace flow" in err
    assert not (tmp_path / "t.yaml").exists()
