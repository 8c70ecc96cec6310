"""A deployment as a pod sees it: reached by addresses, with nothing that only this machine has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import UsageError
from harness.kube import Kube
from harness.kube.permit import place_of
from harness.settings import Settings
from harness.target import Target, inside
from tests.unit.kube.cluster import namespace
from tests.unit.loopback import Reply, Request, serving

THEIRS: dict[str, Any] = {
    "name": "mine",
    "context": "theirs",
    "namespace": "flow",
    "url": "http://10.1.2.3:8080",
    "login": {"secret": "logins", "key": "password"},
    "ledger": {"host": "10.1.2.4", "port": 6379},
    "nodes": "docker",
    "machine": "here",
}


def test_ours_is_reached_through_the_load_balancer_and_its_nodes_are_closed() -> None:
    found = inside.of_ours("airflow", "172.18.255.1", "airflow-chaos-ledger")
    assert found.lacks() == []
    assert (found.url, found.nodes, found.machine) == ("http://172.18.255.1", "closed", "unseen")
    assert found.namespaces == ("airflow", "ingress")
    assert Settings(target=found, namespace="airflow").deployment == "celery-at-inside"


def test_that_of_others_keeps_what_is_true_in_a_pod_too() -> None:
    found = inside.of_others(Target.model_validate(THEIRS))
    assert (found.name, found.context, found.kubeconfig) == ("mine-inside", inside.CONTEXT, inside.KUBECONFIG)
    assert (found.nodes, found.machine) == ("closed", "unseen")
    assert (found.url, found.namespace, found.ledger) == (THEIRS["url"], "flow", Target.model_validate(THEIRS).ledger)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"login": {"env": "PASSWORD"}}, "login: no pod has the environment variable PASSWORD"),
        ({"ledger": {"host": "10.1.2.4", "port": 6379, "env": "L"}}, "ledger: no pod has"),
        ({"url": "http://127.0.0.1:18080"}, "url: in a pod, 127.0.0.1 is that pod"),
        ({"url": "http://localhost"}, "url: in a pod, localhost is"),
        ({"url": "http://[::1]:80"}, "url: in a pod, ::1 is"),
        ({"ledger": {"host": "127.0.0.1", "port": 16379}}, "ledger: in a pod, 127.0.0.1 is"),
    ],
)
def test_what_only_this_machine_has_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        inside.of_others(Target.model_validate(THEIRS | change))


def test_the_ledger_is_reached_by_its_address() -> None:
    """A fault that takes the name servers away must not take our eyes."""
    named = Target.model_validate(THEIRS | {"ledger": {"host": "localhost", "port": 6379}})
    ledger = inside.by_address(named).ledger
    assert ledger
    assert ledger.host in ("127.0.0.1", "::1")
    lost = Target.model_validate(THEIRS | {"ledger": {"host": "nowhere.invalid", "port": 6379}})
    with pytest.raises(UsageError, match=r"the ledger's name nowhere\.invalid has no address"):
        inside.by_address(lost)
    verified = Target.model_validate(THEIRS | {"ledger": {"host": "nowhere.invalid", "port": 6379, "tls": True}})
    assert inside.by_address(verified) == verified


def test_a_pod_has_no_file_of_this_machine() -> None:
    signed = Target.model_validate(THEIRS | {"ledger": THEIRS["ledger"] | {"tls": True, "ca": "ca.pem"}})
    with pytest.raises(UsageError, match=r"mine: ledger: no pod has the file ca\.pem"):
        inside.of_others(signed)


def test_a_pods_kubeconfig_is_one_that_every_call_can_use(tmp_path: Path) -> None:
    """The token is that of the file, and the server that of the environment."""

    def cluster(request: Request) -> Reply:
        allowed = request.headers.get("authorization", request.headers.get("Authorization")) == "Bearer of-the-pod"
        return Reply(200, namespace("flow", allow="true")) if allowed else Reply(401, {})

    (tmp_path / "token").write_text("of-the-pod", encoding="utf-8")
    (tmp_path / "ca.crt").write_text("", encoding="utf-8")
    with serving(cluster) as server:
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
        text = inside.kubeconfig(environment, tmp_path)
        assert yaml.safe_load(text)["clusters"][0]["cluster"]["server"] == f"https://127.0.0.1:{server.port}"
        (tmp_path / "kubeconfig").write_text(text.replace("https://", "http://"), encoding="utf-8")
        target = inside.of_others(Target.model_validate(THEIRS)).model_copy(
            update={"kubeconfig": str(tmp_path / "kubeconfig")}
        )
        settings = Settings(target=target, namespace="flow")
        assert place_of(settings).context == inside.CONTEXT
        kube = Kube(settings)
        assert not kube.ours
        kube.confirm("flow")


@pytest.mark.parametrize("environment", [{}, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}])
def test_no_pod_no_kubeconfig(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="this is not a pod of a cluster"):
        inside.kubeconfig(environment)


def test_an_address_of_version_6_is_written_as_one() -> None:
    text = inside.kubeconfig({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"})
    assert yaml.safe_load(text)["clusters"][0]["cluster"]["server"] == "https://[fd00::1]:443"
