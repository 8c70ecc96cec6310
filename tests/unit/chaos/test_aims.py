"""What would be hit is said by name before anything is: the same pods that the actions themselves choose."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import experiment as experiments
from harness.chaos import actions, machines
from harness.chaos.aims import HARMLESS, Aim, Aims, faults, least
from harness.chaos.strike import chosen
from harness.errors import FaultError, UsageError
from harness.experiment import Experiment, check
from harness.kube import Kube
from harness.settings import ROOT, Settings
from tests.unit.kube.cluster import Json, deployment, listing, namespace, pod, settings_for
from tests.unit.loopback import Reply, Request, Server, serving
from tests.unit.plans import BLAST, activity, experiment

ACTIONS = "harness.chaos.actions"
SHIPPED = sorted((ROOT / "experiments").glob("*.json"))
CONTROL = ("postgres", "redis", "kube-apiserver")
ALONE = ("dag-processor", *CONTROL)
SEVERAL = {"patroni": 3, "broker": 3, "sentinel": 3, "pgbouncer": 3, "kube-dns": 4}  # on a node of their own
EVERY = (*ALONE, *SEVERAL, "scheduler", "api-server", "worker", "triggerer", "ingress", "x")
READERS = ("dag-processor", "scheduler", "api-server", "worker", "triggerer")
NODES = {"control": True, "worker": False, "worker2": False}


def node(name: str, data: bool) -> Json:
    return {"kind": "Node", "metadata": {"name": name, "labels": {"airflow-chaos/data": "true"} if data else {}}}


def standing(component: str) -> list[Json]:
    """Its pods: two on two nodes, one of what the stack has one of, nobody of `nobody`."""
    count = SEVERAL.get(component, 0 if component == "nobody" else 1 if component in ALONE else 2)
    found = [pod(f"{component}-{n}", component=component) for n in range(1, count + 1)]
    where = (
        ("worker3",) * 3 if component in SEVERAL else ("control",) if component in CONTROL else ("worker", "worker2")
    )
    for one in found:
        owner = {"kind": "ReplicaSet", "name": f"{component}-h", "uid": "u", "apiVersion": "v1", "controller": True}
        one["metadata"]["ownerReferences"] = [owner]
        one["metadata"]["labels"]["pod-template-hash"] = "h"
    for one, name in zip(found, where, strict=False):
        one["spec"]["nodeName"] = name
    return found


def workloads() -> list[Json]:
    """Of two of each, those that read the secret and run Airflow."""
    found = [deployment(one, one, ready=2, desired=2) for one in READERS]
    for one in found:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = "docker.io/apache/airflow:3.2.2"
        ref = {"secretKeyRef": {"name": "airflow-secrets", "key": "jwt-secret"}}
        env = [{"name": "AIRFLOW__API_AUTH__JWT_SECRET", "valueFrom": ref}]
        one["spec"]["template"]["spec"]["containers"][0]["env"] = env
    return found


def migration() -> Json:
    one = deployment("migrate", "migrate", ready=None, desired=1)
    return one | {"kind": "Job", "apiVersion": "batch/v1", "spec": {"template": one["spec"]["template"]}}


def cluster(request: Request) -> Reply:
    """What stands of the component that is asked for, or all that stands."""
    if request.path == "/api/v1/nodes":
        return Reply(200, listing("Node", [node(name, data) for name, data in NODES.items()]))
    if request.path.startswith("/apis/apps/"):
        return Reply(200, listing("Any", workloads() if request.path.endswith("/deployments") else []))
    if request.path.startswith("/apis/batch/"):
        return Reply(200, listing("Job", [migration()]))
    if not request.path.endswith("/pods"):
        return Reply(200, namespace(request.path.split("/")[4]))
    asked = re.findall(r"(?:component|k8s-app)=([a-z-]+)", request.query.get("labelSelector", [""])[0])
    return Reply(200, listing("Pod", [one for component in asked or EVERY for one in standing(component)]))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Settings]]:
    def unknown(*_: object) -> str:
        raise FaultError("no node says so")

    monkeypatch.setattr(machines, "announcer", unknown)
    with serving(cluster) as server:
        yield server, settings_for(tmp_path, server.url)


def acting(func: str, **arguments: Any) -> Experiment:
    return check("x", experiment() | {"method": [activity("action", ACTIONS, func, **arguments)]})


def aims(settings: Settings, one: Experiment) -> list[Aim]:
    return Aims(one, Kube(settings), settings, ("airflow",)).now()


@pytest.mark.parametrize(
    ("func", "arguments", "said"),
    [
        ("kill_pods", {"pick": "all"}, "kill_pods: airflow/x-1, airflow/x-2"),
        ("kill_pods", {"pick": "one", "name": "x-2"}, "kill_pods: airflow/x-2"),
        ("kill_pods", {"away_s": 9}, "kill_pods: airflow/x-1, airflow/x-2; node worker; node worker2"),
        ("renew_pods", {}, "renew_pods: airflow/x-1, airflow/x-2"),
        (
            "delete_pods",
            {"pick": "one-at-work"},
            "delete_pods: 1 of airflow/x-1, airflow/x-2, whichever holds a task then",
        ),
        ("kill_child", {}, "kill_child: 1 of airflow/x-1, airflow/x-2, whichever holds a task then"),
        ("scale_pods", {"by": -1}, "scale_pods: 1 of airflow/x-1, airflow/x-2, as the cluster chooses"),
        ("scale_pods", {"by": 1}, "scale_pods: nothing"),
        ("close_nodes", {"hold_s": 9}, "close_nodes: node worker; node worker2, and each new pod that finds no node"),
        (
            "cut_off",
            {"peers": "component=redis", "pick": "all", "hold_s": 9},
            "cut_off: airflow/x-1, airflow/x-2, cut off from airflow/redis-1",
        ),
        (
            "cut_off",
            {"peers": "component=x", "hold_s": 9, "also": "component=kube-apiserver", "also_in": "kube-system"},
            "cut_off: airflow/x-2, cut off from airflow/x-1, airflow/kube-apiserver-1",
        ),
        (
            "switch_over",
            {"within_s": 9},
            "switch_over: 1 of airflow/x-1, airflow/x-2, whichever is the primary then",
        ),
        (
            "lose_and_restore",
            {"watch_s": 9, "hold_s": 9, "within_s": 9},
            "lose_and_restore: airflow/x-1, airflow/x-2",
        ),
    ],
)
def test_every_kind_of_fault_is_said_by_name(
    here: tuple[Server, Settings], func: str, arguments: dict[str, Any], said: str
) -> None:
    server, settings = here
    (aim,) = aims(settings, acting(func, selector="component=x", **arguments))
    assert str(aim) == said
    assert {r.method for r in server.asked} == {"GET"}


def test_a_secret_hits_whatever_reads_it(here: tuple[Server, Settings]) -> None:
    (aim,) = aims(here[1], acting("rotate_secret", secret="airflow-secrets", key="jwt-secret", within_s=9))
    assert {pod.component for pod in aim.blow.pods} == set(READERS)
    assert len(aim.blow.pods) == 9
    with pytest.raises(UsageError, match="x: nothing in airflow reads the key fernet-key of the Secret airflow-secr"):
        aims(here[1], acting("rotate_secret", secret="airflow-secrets", key="fernet-key", within_s=9))


@pytest.mark.parametrize(("pick", "said"), [("primary", "is the primary"), ("standby", "is a standby")])
def test_who_is_the_primary_is_decided_then(here: tuple[Server, Settings], pick: str, said: str) -> None:
    (aim,) = aims(here[1], acting("kill_pods", selector="component=patroni", pick=pick))
    names = ", ".join(f"airflow/patroni-{number}" for number in (1, 2, 3))
    assert str(aim) == f"kill_pods: 1 of {names}, whichever {said} then"
    (aim,) = aims(here[1], acting("kill_pods", selector="component=patroni", pick=pick, away_s=9))
    assert len(aim.blow.nodes) == 1
    assert str(aim).endswith(f"whichever {said} then, and the node that it is on")


def test_the_pods_of_tasks_come_with_the_load(here: tuple[Server, Settings]) -> None:
    for func, said in (("kill_pods", "the pod of a task"), ("stop_node", "the node of the pod of a task")):
        more = {"hold_s": 9} if func == "stop_node" else {}
        (aim,) = aims(here[1], acting(func, selector="kubernetes_executor=True", pick="one-at-work", **more))
        assert str(aim) == f"{func}: {said}, once there is one"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("pick", ["one", "all", "all-but-one"])
def test_the_very_pods_that_an_action_chooses_from_the_same_seed(
    here: tuple[Server, Settings], seed: int, pick: str
) -> None:
    _, settings = here
    one = acting("kill_pods", selector="component=x", pick=pick).seeded(seed)
    (aim,) = aims(settings, one)
    context = SimpleNamespace(kube=Kube(settings), seed=seed, at_work=dict)
    assert list(aim.blow.pods) == chosen(context, "airflow", "component=x", pick)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_a_node_is_that_of_the_chosen_pod_with_all_that_is_on_it(here: tuple[Server, Settings], seed: int) -> None:
    _, settings = here
    one, node_off = (
        aims(settings, acting(func, selector="component=x", pick="one", **more).seeded(seed))[0]
        for func, more in (("kill_pods", {}), ("stop_node", {"hold_s": 9}))
    )
    assert node_off.blow.nodes == [one.blow.pods[0].node]
    assert {p.node for p in node_off.blow.pods} == set(node_off.blow.nodes)
    assert set(one.blow.pods) < set(node_off.blow.pods)


def test_a_node_that_is_named_is_the_one(here: tuple[Server, Settings]) -> None:
    for name in ("worker", "worker2"):
        (aim,) = aims(here[1], acting("stop_node", selector="component=x", pick="one", hold_s=9, node=name))
        assert aim.blow.nodes == [name]
    with pytest.raises(UsageError, match="'component=x' and node control matches no running pod"):
        aims(here[1], acting("stop_node", selector="component=x", hold_s=9, node="control"))


def test_a_selector_that_finds_nothing_is_refused(here: tuple[Server, Settings]) -> None:
    for selector, more in (("component=nobody", {}), ("component=x", {"peers": "component=nobody", "hold_s": 9})):
        func = "cut_off" if more else "kill_pods"
        with pytest.raises(UsageError, match="'component=nobody' matches no running pod in airflow that may be hit"):
            aims(here[1], acting(func, selector=selector, **more))


def test_what_would_reach_too_far_is_refused_before_anything_is_done(here: tuple[Server, Settings]) -> None:
    raw = experiment(pick="all", blast=BLAST | {"pods": 1})
    with pytest.raises(
        UsageError, match=r"x: kill_pods would hit 2 pods, and at most 1 may be hit \(`blast`\); nothing"
    ):
        aims(here[1], check("x", raw))


def test_a_namespace_without_anybody_in_it_is_refused(here: tuple[Server, Settings]) -> None:
    one = acting("cut_off", selector="component=x", peers="component=redis", hold_s=9, also_in="kube-system")
    with pytest.raises(UsageError, match="`also_in` says where, and no `also` whom; nothing was done"):
        aims(here[1], one)
    assert "/api/v1/namespaces/kube-system" not in {request.path for request in here[0].asked}


def test_who_is_alone_on_its_side_is_not_cut_off_from_itself(here: tuple[Server, Settings]) -> None:
    (aim,) = aims(here[1], acting("cut_off", selector="component=redis", peers="component in (redis)", hold_s=9))
    assert aim.blow.pods[0].name == "redis-1"
    assert "redis-1" not in aim.when


def test_two_faults_count_together(here: tuple[Server, Settings]) -> None:
    twice = [activity("action", ACTIONS, "kill_pods", selector="component=x", pick=p) for p in ("one", "all-but-one")]
    raw = experiment(blast=BLAST | {"pods": 1}) | {"method": twice}
    with pytest.raises(UsageError, match="would hit 2 pods"):
        aims(here[1], check("x", raw))


def test_what_follows_upon_more_pods_is_compared_when_they_are_there(here: tuple[Server, Settings]) -> None:
    """Of two, one is half; of the three that there will be, a third."""
    steps = [activity("action", ACTIONS, "scale_pods", selector="component=x", by=by) for by in (1, -1)]
    raw = experiment(blast=BLAST | {"share": 0.34})
    assert [aim.action for aim in aims(here[1], check("x", raw | {"method": steps}))] == ["scale_pods", "scale_pods"]
    with pytest.raises(UsageError, match="1 of 2 x pods at once, and at most 34 %"):
        aims(here[1], check("x", raw | {"method": steps[1:]}))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_fault_of_every_shipped_experiment_is_within_what_it_declares(
    here: tuple[Server, Settings], path: Path
) -> None:
    one = experiments.load(path)
    found = aims(here[1], one)
    assert [aim.action for aim in found] == [func for func, _ in faults(one.method())]


def test_every_action_has_an_aim(here: tuple[Server, Settings]) -> None:
    values = {
        "secret": "airflow-secrets",
        "key": "jwt-secret",
        "selector": "component=x",
        "peers": "component=y",
        "by": -1,
        "service": "s",
        "variable": "V",
        "value": 1,
    }
    own = [f for f in vars(actions).values() if inspect.isfunction(f) and f.__module__ == ACTIONS]
    for func in (f for f in own if not f.__name__.startswith("_") and f.__name__ not in HARMLESS):
        needed = [p.name for p in inspect.signature(func).parameters.values() if p.default is p.empty]
        (aim,) = aims(here[1], acting(func.__name__, **{name: values.get(name, 9) for name in needed}))
        assert aim.action == func.__name__


def test_what_is_held_and_restored_within_a_time_lasts_that_long() -> None:
    given_s = {"watch_s": 45, "hold_s": 20, "within_s": 170}
    steps = [("back_up", {"within_s": 120}), ("lose_and_restore", given_s)]
    method = [activity("action", ACTIONS, name, selector="a=b", **said) for name, said in steps]
    assert least(method) == {"pods": 1, "share": 0.01, "nodes": 0, "seconds": 170}


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 50), st.integers(0, 50)), max_size=5))
def test_the_time_of_a_method_is_that_of_its_faults_and_the_pauses_between(steps: list[tuple[int, int, int]]) -> None:
    method = [
        activity("action", ACTIONS, "hang_pods", selector="a=b", hold_s=hold) | {"pauses": {"before": b, "after": a}}
        for hold, b, a in steps
    ]
    before = sum(b for _, b, _ in steps[1:])
    assert least(method)["seconds"] == sum(hold + a for hold, _, a in steps) + before
    assert least(method)["pods"] == min(1, len(steps))
