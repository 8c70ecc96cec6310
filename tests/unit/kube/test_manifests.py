"""Objects of our own, laid down and removed over the API: what the server says comes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.kube import Kube, KubeError
from harness.kube.manifests import Manifests
from tests.unit.kube.cluster import settings_for
from tests.unit.loopback import Reply, Request, Server, serving

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "namespace": "own"}, "data": {"a": "b"}}
PATH = "/api/v1/namespaces/own/configmaps"


@contextmanager
def there(folder: Path, answer: Callable[[Request], Reply]) -> Iterator[tuple[Manifests, Server]]:
    with serving(answer) as server:
        yield Kube(settings_for(folder, server.url, context="theirs")).manifests, server


def test_it_is_applied_as_it_is_and_by_our_name(tmp_path: Path) -> None:
    with there(tmp_path, lambda request: Reply(200, request.body)) as (manifests, server):
        manifests.apply(CONFIG)
    (asked,) = server.asked_for("PATCH", f"{PATH}/n")
    assert asked.body == CONFIG
    assert asked.query == {"fieldManager": ["airflow-chaos"], "force": ["true"]}
    assert asked.headers["Content-Type"] == "application/apply-patch+yaml"


def test_what_belongs_to_the_whole_cluster_has_no_namespace_in_its_path(tmp_path: Path) -> None:
    role = {"kind": "ClusterRole", "metadata": {"name": "r"}}
    with there(tmp_path, lambda request: Reply(200, {"items": []})) as (manifests, server):
        manifests.apply(role)
        manifests.everywhere("Role", "a=b")
    assert [one.path for one in server.asked] == [
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/r",
        "/apis/rbac.authorization.k8s.io/v1/roles",
    ]


def test_what_is_not_there_is_nothing_and_no_error(tmp_path: Path) -> None:
    with there(tmp_path, lambda request: Reply(404, {"message": "no"})) as (manifests, _):
        assert manifests.read("ConfigMap", "own", "n") is None
        assert manifests.delete("ConfigMap", "own", "n") is False
        assert manifests.log("own", "pod", 5) == []


def test_they_are_listed_oldest_first(tmp_path: Path) -> None:
    items = [{"metadata": {"name": name, "creationTimestamp": f"2026-01-0{day}"}} for name, day in (("b", 2), ("a", 1))]
    with there(tmp_path, lambda request: Reply(200, {"items": items})) as (manifests, server):
        assert [one["metadata"]["name"] for one in manifests.listed("ConfigMap", "own", "k=v")] == ["a", "b"]
    assert server.asked[0].query == {"labelSelector": ["k=v"]}


def test_a_log_is_lines_whatever_its_bytes(tmp_path: Path) -> None:
    with there(tmp_path, lambda request: Reply(200, raw=b"one\ntw\xffo\n")) as (manifests, server):
        assert manifests.log("own", "pod", 5) == ["one", "tw�o"]
    assert server.asked[0].query == {"tailLines": ["5"]}


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (422, KubeError, "422 .*: spec is immutable"),
        (403, UsageError, r"refused us \(403\): spec is immutable; give this user the right"),
        (401, UsageError, "does not know us"),
        (500, KubeError, "500"),
    ],
)
def test_what_the_server_says_comes_through(tmp_path: Path, status: int, error: type[Exception], said: str) -> None:
    with (
        there(tmp_path, lambda request: Reply(status, {"message": "spec is immutable"})) as (manifests, _),
        pytest.raises(error, match=said),
    ):
        manifests.apply(CONFIG)


def test_a_place_that_looks_like_production_is_refused_with_nothing_asked(tmp_path: Path) -> None:
    with there(tmp_path, lambda request: Reply(200, {})) as (manifests, server):
        for do in (
            lambda: manifests.apply({**CONFIG, "metadata": {"name": "n", "namespace": "prod-own"}}),
            lambda: manifests.delete("Job", "prod-own", "n"),
        ):
            with pytest.raises(UsageError, match="looks like production"):
                do()
    assert server.asked == []
