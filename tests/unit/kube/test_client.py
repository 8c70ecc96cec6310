"""The door to the cluster, against a loopback server that speaks for one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.kube import Kube, KubeError, Pod, Replicas, containers_by_node
from harness.settings import Settings
from tests.unit.kube.cluster import container, deployment, ended, listing, pod, settings_for
from tests.unit.loopback import Reply, Request, serving

PODS = "/api/v1/namespaces/airflow/pods"
NAMESPACE = "/api/v1/namespaces/airflow"


def status(code: int) -> Reply:
    return Reply(code, {"kind": "Status", "status": "Failure", "code": code, "reason": "R", "message": "why"})


def labelled(value: str | None) -> Reply:
    labels = {"airflow-chaos/allow": value} if value else {}
    return Reply(200, {"kind": "Namespace", "metadata": {"name": "airflow", "labels": labels}})


def only(tmp_path: Path, raw: dict[str, object]) -> Pod:
    with serving(lambda _: Reply(200, listing("Pod", [raw]))) as server:
        (found,) = Kube(settings_for(tmp_path, server.url)).pods("airflow")
    return found


def test_without_a_kubeconfig_the_stack_is_not_up(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run `harness up`"):
        Kube(Settings(cache=tmp_path))


@pytest.mark.parametrize("text", ["", "{}", "contexts: []", ": :", "- 1"])
def test_an_unreadable_kubeconfig_is_a_usage_error(tmp_path: Path, text: str) -> None:
    settings = Settings(cache=tmp_path)
    settings.kubeconfig.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="run `harness up`"):
        Kube(settings)


def test_a_cluster_that_does_not_answer_is_not_up(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        kube = Kube(settings_for(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}"))
        with pytest.raises(UsageError, match="the stack is not up"):
            kube.pods("airflow")


def test_our_cluster_needs_no_label_and_is_asked_at_once(tmp_path: Path) -> None:
    with serving(lambda _: Reply(200, listing("Pod", []))) as server:
        kube = Kube(settings_for(tmp_path, server.url))
        assert kube.ours
        kube.require_ours()
        assert kube.pods("airflow", "component=scheduler") == []
    assert [(r.path, r.query["labelSelector"]) for r in server.asked] == [(PODS, ["component=scheduler"])]


@pytest.mark.parametrize("value", [None, "false", "True"])
def test_a_cluster_of_others_is_refused_by_name_before_anything_is_read(tmp_path: Path, value: str | None) -> None:
    with serving(lambda _: labelled(value)) as server:
        kube = Kube(settings_for(tmp_path, server.url, context="staging"))
        with pytest.raises(UsageError, match=r"context staging .* namespace airflow is not labelled"):
            kube.pods("airflow")
        with pytest.raises(UsageError, match="context staging"):
            kube.require_ours()
    assert [r.path for r in server.asked] == [NAMESPACE]


def test_a_namespace_that_is_not_there_is_not_allowed(tmp_path: Path) -> None:
    with serving(lambda _: status(404)) as server:
        kube = Kube(settings_for(tmp_path, server.url, context="staging"))
        with pytest.raises(UsageError, match="not labelled"):
            kube.ready_replicas("airflow")


def test_a_labelled_namespace_of_others_is_open_and_asked_about_once(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        return labelled("true") if request.path == NAMESPACE else Reply(200, listing("Pod", []))

    with serving(answer) as server:
        kube = Kube(settings_for(tmp_path, server.url, context="staging"))
        kube.pods("airflow")
        kube.pods("airflow")
    assert [r.path for r in server.asked] == [NAMESPACE, PODS, PODS]


def test_our_name_on_a_far_server_is_not_ours(tmp_path: Path) -> None:
    assert not Kube(settings_for(tmp_path, "https://cluster.invalid:6443")).ours


def test_a_refused_call_says_so_and_is_made_once(tmp_path: Path) -> None:
    with serving(lambda _: status(500)) as server:
        with pytest.raises(KubeError, match="500") as caught:
            Kube(settings_for(tmp_path, server.url)).nodes()
        assert caught.value.status == 500
    assert len(server.asked) == 1


def test_a_broken_answer_is_not_retried(tmp_path: Path) -> None:
    with serving(lambda _: Reply(drop=True)) as server:
        kube = Kube(settings_for(tmp_path, server.url))
        with pytest.raises(KubeError, match="broke off"):
            kube.nodes()
    assert len(server.asked) == 1


def test_a_pod_is_read_in_full(tmp_path: Path) -> None:
    assert only(tmp_path, pod("s-1")) == Pod(
        namespace="airflow",
        name="s-1",
        uid="uid-s-1",
        node="worker",
        component="scheduler",
        phase="Running",
        ready=True,
        restarts=0,
        exit_code=None,
        deleting=False,
        container_ids=("ab" * 32,),
        ip="10.0.0.1",
        containers=("main",),
        main="main",
    )


def test_the_last_container_to_end_gives_the_exit_code_and_only_running_ones_their_ids(tmp_path: Path) -> None:
    containers = [
        container("a", {"running": {}}, ended(137, "2026-01-01T00:00:09Z"), restarts=2, number="a" * 64),
        container("b", ended(1, "2026-01-01T00:00:05Z"), restarts=1, number="b" * 64),
    ]
    found = only(tmp_path, pod("s-1", containers=containers, ready=False, deleting=True))
    assert (found.exit_code, found.restarts, found.container_ids) == (137, 3, ("a" * 64,))
    assert (found.ready, found.deleting) == (False, True)


def test_of_several_containers_the_first_of_the_spec_is_the_main_one_and_its_log_is_read(tmp_path: Path) -> None:
    raw = pod("s-1", containers=[container("groomer", {"running": {}}), container("main", {"running": {}})])
    raw["spec"] = {"containers": [{"name": "main"}, {"name": "groomer"}]}
    found = only(tmp_path, raw)
    assert (found.main, found.size, found.containers) == ("main", 2, ("groomer", "main"))
    with serving(lambda _: Reply(200, "2026-01-01T00:00:00Z one")) as server:
        kube = Kube(settings_for(tmp_path, server.url))
        assert kube.log(found, 5) == ["2026-01-01T00:00:00Z one"]
    assert server.asked[-1].query["container"] == ["main"]


def test_a_pod_that_was_only_just_made_is_read_too(tmp_path: Path) -> None:
    raw = pod("s-1", component="")
    raw["spec"] = {"containers": [{"name": "main"}]}
    raw["status"] = {"phase": "Pending"}
    found = only(tmp_path, raw)
    assert (found.node, found.component, found.ready, found.container_ids, found.ip) == ("", "", False, (), "")


@pytest.mark.parametrize(("code", "deleted"), [(200, True), (404, False), (409, False)])
def test_a_deletion_is_of_this_very_pod(tmp_path: Path, code: int, deleted: bool) -> None:
    def answer(request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, listing("Pod", [pod("s-1")]))
        return Reply(200, pod("s-1")) if code == 200 else status(code)

    with serving(answer) as server:
        kube = Kube(settings_for(tmp_path, server.url))
        assert kube.delete_pod(kube.pods("airflow")[0], grace_seconds=0) is deleted
    (asked,) = server.asked_for("DELETE", f"{PODS}/s-1")
    assert asked.body["preconditions"] == {"uid": "uid-s-1"}
    assert asked.body["gracePeriodSeconds"] == 0


def test_replicas_are_added_up_by_component(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        if request.path.endswith("/deployments"):
            some = [deployment("s", "scheduler", ready=1, desired=2), deployment("x", None, ready=1, desired=1)]
            return Reply(200, listing("Deployment", [*some, deployment("a", "worker", ready=None, desired=1)]))
        return Reply(200, listing("StatefulSet", [deployment("b", "worker", ready=2, desired=2)]))

    with serving(answer) as server:
        found = Kube(settings_for(tmp_path, server.url)).ready_replicas("airflow")
    assert found == {"scheduler": Replicas(1, 2), "worker": Replicas(2, 3)}


def test_nodes_say_whether_they_are_ready(tmp_path: Path) -> None:
    def node(name: str, ready: str) -> dict[str, object]:
        conditions = [{"type": "Ready", "status": ready}, {"type": "DiskPressure", "status": "False"}]
        return {"metadata": {"name": name, "uid": name}, "status": {"conditions": conditions}}

    every = [node("b", "True"), node("a", "Unknown")]
    with serving(lambda _: Reply(200, listing("Node", every))) as server:
        found = Kube(settings_for(tmp_path, server.url)).nodes()
    assert [(n.name, n.ready) for n in found] == [("a", False), ("b", True)]


def test_containers_are_grouped_by_node(tmp_path: Path) -> None:
    with serving(lambda _: Reply(200, listing("Pod", [pod("b"), pod("a"), pod("c", containers=[])]))) as server:
        found = Kube(settings_for(tmp_path, server.url)).pods("airflow")
    assert containers_by_node(found) == {"worker": ["ab" * 32, "ab" * 32]}
