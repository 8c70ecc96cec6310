"""Who reads a key of a Secret, in each way that there is; and another value, which no error repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import FaultError, UsageError
from harness.kube import Kube, KubeError
from tests.unit.kube.cluster import Json, deployment, listing, namespace, settings_for
from tests.unit.loopback import Reply, Request, serving

SECRET = "/api/v1/namespaces/airflow/secrets/s"
SIGNS = "AIRFLOW__API_AUTH__JWT_SECRET"
REF = {"secretKeyRef": {"name": "s", "key": "k"}}
Env = list[Json]


def variable(name: str, key: str = "k") -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": key}}}


def workload(kind: str, **spec: Any) -> Json:
    raw = deployment(kind.lower(), "api-server", ready=1, desired=1)
    raw["spec"]["template"]["spec"] = {"containers": [{"name": "main", **spec.pop("main", {})}], **spec}
    return raw


def kube(tmp_path: Path, *found: Json, kind: str = "Deployment") -> Any:
    def answer(request: Request) -> Reply:
        return Reply(200, listing(kind, list(found) if request.path.endswith(f"/{kind.lower()}s") else []))

    return serving(answer), lambda server: Kube(settings_for(tmp_path, server.url)).change.secrets


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_who_signs_with_it_reads_it(tmp_path: Path, kind: str) -> None:
    serves, secrets = kube(tmp_path, workload(kind, main={"env": [variable("X", "other"), variable(SIGNS)]}), kind=kind)
    with serves as server:
        (one,) = secrets(server).readers("airflow", "s", "k")
    assert (one.owner, one.container, one.variable) == (f"{kind}/{kind.lower()}", "main", SIGNS)


OTHER = {
    "another variable": ({"main": {"env": [variable("AIRFLOW__CORE__FERNET_KEY")]}}, "as AIRFLOW__CORE__FERNET_KEY"),
    "all of it": ({"main": {"envFrom": [{"secretRef": {"name": "s"}}]}}, "as all variables"),
    "before it starts": ({"initContainers": [{"name": "i", "env": [variable("DB")]}]}, "as DB"),
    "a volume": ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "as the volume v"),
    "a file": (
        {"volumes": [{"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "p"}]}}]},
        "as the volume v",
    ),
    "a part of a volume": ({"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]}, "as"),
}


@pytest.mark.parametrize(("spec", "said"), OTHER.values(), ids=OTHER)
def test_what_would_be_lost_is_refused(tmp_path: Path, spec: dict[str, Any], said: str) -> None:
    good = workload("Deployment", main={"env": [variable(SIGNS)]})
    serves, secrets = kube(tmp_path, good, workload("Deployment", **dict(spec)))
    with serves as server, pytest.raises(FaultError, match=f"reads s/k {said}.*which would be lost; nothing was"):
        secrets(server).readers("airflow", "s", "k")


def test_other_keys_and_secrets_are_nobodys_matter(tmp_path: Path) -> None:
    there = {
        "main": {"env": [variable(SIGNS), {"name": "PLAIN", "value": "x"}]},
        "volumes": [
            {"name": "v", "secret": {"secretName": "s", "items": [{"key": "passwords", "path": "p"}]}},
            {"name": "w", "secret": {"secretName": "another"}},
            {"name": "x", "emptyDir": {}},
        ],
    }
    serves, secrets = kube(tmp_path, workload("Deployment", **there))
    with serves as server:
        assert len(secrets(server).readers("airflow", "s", "k")) == 1


def test_the_value_goes_into_the_secret_and_its_version_comes_back(tmp_path: Path) -> None:
    about = {"kind": "Secret", "metadata": {"name": "s", "resourceVersion": "12"}}
    with serving(lambda _: Reply(200, about)) as server:
        secrets = Kube(settings_for(tmp_path, server.url)).change.secrets
        assert secrets.replace("airflow", "s", "k", "canary") == "12"
        (asked,) = server.asked_for("PATCH", SECRET)
    assert asked.body == {"stringData": {"k": "canary"}}


@pytest.mark.parametrize("reply", [Reply(200, raw=b'{"data": "canary'), Reply(500, raw=b"no")])
def test_an_answer_that_breaks_repeats_nothing(tmp_path: Path, reply: Reply) -> None:
    with serving(lambda _: reply) as server:
        secrets = Kube(settings_for(tmp_path, server.url)).change.secrets
        with pytest.raises(KubeError) as caught:
            secrets.replace("airflow", "s", "k", "canary")
    assert "canary" not in str(caught.value)


def test_a_namespace_that_allows_no_faults_is_left_alone(tmp_path: Path) -> None:
    with serving(lambda _: Reply(200, namespace())) as server:
        secrets = Kube(settings_for(tmp_path, server.url, context="theirs")).change.secrets
        for call in (lambda: secrets.readers("airflow", "s", "k"), lambda: secrets.replace("airflow", "s", "k", "v")):
            with pytest.raises(UsageError):
                call()
        assert {r.method for r in server.asked} <= {"GET"}
