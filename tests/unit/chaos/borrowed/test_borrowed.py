"""What `chaosk8s` breaks is aimed, guarded, recorded and proved: its own functions run, on a cluster on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chaosk8s.pod.actions import _select_pods
from chaoslib.activity import execute_activity
from hypothesis import given
from hypothesis import strategies as st

from harness import allowed, control, rights, sources
from harness.bounds import needed, owed
from harness.chaos import borrowed, scale
from harness.chaos import context as fault_context
from harness.chaos import pods as our_pods
from harness.chaos.aims import Aims
from harness.chaos.borrowed.pods import TerminatePods
from harness.errors import FaultError, UsageError
from harness.experiment import check, load, name_of
from harness.history import Fault, History, Recorder
from harness.judge.happened import doubts
from harness.kube import Kube, Right, nodes
from harness.run import Run, desk
from harness.safety import Blast
from harness.settings import Settings
from tests.unit.chaos.borrowed.cluster import Cluster
from tests.unit.kube.cluster import settings_for
from tests.unit.loopback import Server, serving
from tests.unit.plans import BLAST, activity, experiment

WIDE = Blast(pods=10, share=1.0, nodes=2, seconds=600)
TERMINATE, DRAIN = "chaosk8s.pod.actions.terminate_pods", "chaosk8s.node.actions.drain_nodes"
CORDON, UNCORDON = "chaosk8s.node.actions.cordon_node", "chaosk8s.node.actions.uncordon_node"
SCALE, SET = "chaosk8s.deployment.actions.scale_deployment", "chaosk8s.statefulset.actions.scale_statefulset"
ROLL, DELETE = "chaosk8s.deployment.actions.rollout_deployment", "chaosk8s.pod.actions.delete_pods"
SCHEDULERS = {"label_selector": "component=scheduler", "ns": "airflow"}
ONE_OF_EACH: dict[str, dict[str, Any]] = {
    TERMINATE: {**SCHEDULERS, "all": True, "grace_period": 0},
    DELETE: {"name": "^scheduler-", "ns": "airflow"},
    DRAIN: {"name": "worker", "timeout": 30},
    CORDON: {"name": "worker"},
    UNCORDON: {"name": "worker"},
    SCALE: {"name": "scheduler", "ns": "airflow", "replicas": 1},
    SET: {"name": "scheduler", "ns": "airflow", "replicas": 1},
    ROLL: {"name": "scheduler", "ns": "airflow"},
}


def calling(full: str, **arguments: Any) -> dict[str, Any]:
    home, _, func = full.rpartition(".")
    return activity("action", home, func, **arguments)


@dataclass
class Stage:
    """An open run before a cluster, and what came of it."""

    cluster: Cluster
    server: Server
    settings: Settings
    context: fault_context.Context
    stopped: list[str] = field(default_factory=list)

    def run(self, full: str, **arguments: Any) -> dict[str, Any]:
        """Through Chaos Toolkit, with our control around it; its record of the activity."""
        raw = experiment() | {"method": [calling(full, **arguments)]}
        run: dict[str, Any] = execute_activity(raw, raw["method"][0], {}, {}, None)
        assert raw["method"] == [calling(full, **arguments)]
        assert run["activity"] == raw["method"][0]
        return run

    @property
    def history(self) -> History:
        return History.read(self.context.recorder.path)

    def seen(self, phase: str) -> list[Fault]:
        return [f for f in self.history.faults if f.phase == phase]

    def names(self, phase: str) -> list[str]:
        return [f.target["name"] for f in self.seen(phase)]

    def changes(self) -> list[str]:
        return [f"{r.method} {r.path.rpartition('/v1/')[2]}" for r in self.server.asked if r.method != "GET"]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    cluster = Cluster()

    def alive(_: object, by_node: dict[str, Any]) -> dict[str, Any]:
        left = {raw["metadata"]["name"] for raw in cluster.pods}
        return {node: tuple(p for p in some if names[p] in left) for node, some in by_node.items()}

    def find(_: object, containers: dict[str, list[str]]) -> dict[str, tuple[nodes.Process, ...]]:
        found: dict[str, tuple[nodes.Process, ...]] = {}
        for one in (one for some in containers.values() for one in some):
            process = nodes.Process(len(names) + 1, 1)
            names[process] = bytes.fromhex(one).rstrip(b"\0").decode()
            found[one] = (process,)
        return found

    names: dict[nodes.Process, str] = {}
    monkeypatch.setattr(nodes, "find", find)  # there are no nodes to look into
    monkeypatch.setattr(nodes, "alive", alive)
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(cluster) as server:
        settings = settings_for(tmp_path, server.url)
        context = fault_context.Context(settings, Kube(settings), recorder, 0, {"scheduler": 2}, ("airflow",), WIDE)
        staged = Stage(cluster, server, settings, context)
        context.stop = lambda who, because: staged.stopped.append(f"{who}: {because}")
        unbind = fault_context.bind(context)
        desk.run = Run.__new__(Run)
        try:
            yield staged
        finally:
            desk.clear()
            unbind()
            recorder.close()


def test_pods_are_terminated_as_said_and_proved(stage: Stage) -> None:
    run = stage.run(TERMINATE, **ONE_OF_EACH[TERMINATE])
    assert run["status"] == "succeeded"
    assert stage.changes() == [f"DELETE namespaces/airflow/pods/scheduler-{n}" for n in (1, 2)]
    assert [r.body["gracePeriodSeconds"] for r in stage.server.asked if r.method == "DELETE"] == [0, 0]
    both = ["airflow/scheduler-1", "airflow/scheduler-2"]
    (begin,) = stage.seen("begin")
    assert (begin.action, begin.evidence["aimed"]) == ("delete_pods", both)
    assert stage.names("injected") == stage.names("proved") == both
    assert {f.evidence["by"] for f in stage.seen("injected")} == {TERMINATE}
    assert all(f.evidence["uid_gone"] and f.evidence["process_gone"] for f in stage.seen("proved"))


def test_what_matches_nothing_hits_nothing_and_is_not_passed_over(stage: Stage) -> None:
    run = stage.run(TERMINATE, label_selector="component=nobody", ns="airflow")
    assert run["status"] == "failed"
    assert stage.changes() == []
    assert [f.phase for f in stage.history.faults] == ["begin", "ended"]
    assert doubts(stage.history) == ("no target was hit: the selector matched nothing, or the fault never began",)


def test_what_would_reach_too_far_is_refused_and_ends_the_run(stage: Stage) -> None:
    stage.context.blast = Blast(pods=1, share=1.0, seconds=60)
    assert stage.run(TERMINATE, **ONE_OF_EACH[TERMINATE])["status"] == "failed"
    assert stage.changes() == []
    assert stage.history.faults == ()
    (said,) = stage.stopped
    assert said.startswith("guard: nothing more was broken: it would be 2 pods, and at most 1")


def test_a_pod_that_is_not_running_is_not_chosen(stage: Stage) -> None:
    """By their own rules the first by name would be one that is over."""
    stage.run(DELETE, label_selector="component=scheduler", ns="airflow")
    assert stage.changes() == ["DELETE namespaces/airflow/pods/scheduler-1"]


def test_a_drain_closes_and_moves_what_it_moves_and_no_more(stage: Stage) -> None:
    assert stage.run(DRAIN, **ONE_OF_EACH[DRAIN])["status"] == "succeeded"
    evicted = [one for one in stage.changes() if one.endswith("/eviction")]
    assert sorted(evicted) == [
        "POST namespaces/airflow/pods/over-1/eviction",  # over already, so that nothing is hit
        "POST namespaces/airflow/pods/scheduler-1/eviction",
        "POST namespaces/kube-system/pods/dns-1/eviction",
    ]
    assert stage.cluster.patched[0].body["metadata"]["annotations"] == {"airflow-chaos/closed": "true"}
    assert stage.names("injected") == stage.names("proved") == ["airflow/scheduler-1"]
    assert {f.action for f in stage.history.faults} == {"drain_node"}
    assert len(stage.context.reach.nodes) == 1


def test_a_drain_counts_what_is_of_others(stage: Stage) -> None:
    stage.context.blast = Blast(pods=1, share=1.0, nodes=1, seconds=600)
    stage.run(DRAIN, **ONE_OF_EACH[DRAIN])
    assert stage.changes() == []
    assert "2 pods, and at most 1" in stage.stopped[0]


def test_a_drain_that_a_budget_stops_is_not_believed(stage: Stage) -> None:
    stage.cluster.refuses = frozenset({"scheduler-1"})
    run = stage.run(DRAIN, **ONE_OF_EACH[DRAIN])
    assert run["status"] == "failed"
    assert stage.names("injected") == []
    assert doubts(stage.history)


@pytest.mark.parametrize(("full", "kind"), [(SCALE, "deployments"), (SET, "statefulsets")])
def test_fewer_pods_are_proved_and_the_way_back_is_kept_first(stage: Stage, full: str, kind: str) -> None:
    assert stage.run(full, **ONE_OF_EACH[full])["status"] == "succeeded"
    assert stage.names("injected") == stage.names("proved") == ["airflow/scheduler-2"]
    assert {f.action for f in stage.history.faults} == {"scale_pods"}
    assert [sorted(r.body) for r in stage.cluster.patched] == [["metadata"], ["spec"]]
    kept = stage.context.kube.change.changed("airflow")
    assert [one.back for one in kept] == [{"replicas": 2}]
    stage.context.kube.change.put_back(kept[0])
    assert stage.cluster.workloads[kind]["spec"]["replicas"] == 2
    assert stage.context.kube.change.changed("airflow") == []


def test_as_many_as_there_are_is_no_change(stage: Stage) -> None:
    assert stage.run(SCALE, name="scheduler", ns="airflow", replicas=2)["status"] == "failed"
    assert stage.changes() == []


def test_a_rollout_hits_every_old_pod(stage: Stage) -> None:
    assert stage.run(ROLL, **ONE_OF_EACH[ROLL])["status"] == "succeeded"
    assert stage.names("proved") == ["airflow/scheduler-1", "airflow/scheduler-2"]


def test_a_closed_node_is_no_fault_until_something_follows(stage: Stage) -> None:
    assert stage.run(CORDON, name="worker2")["status"] == "succeeded"
    assert doubts(stage.history) == ("no target was hit: the selector matched nothing, or the fault never began",)
    stage.run(TERMINATE, **ONE_OF_EACH[TERMINATE])
    assert not [why for why in doubts(stage.history) if "hit nothing" in why]
    stage.run(UNCORDON, name="worker2")
    assert stage.cluster.patched[-1].body["metadata"]["annotations"] == {"airflow-chaos/closed": None}


def test_it_speaks_to_the_cluster_of_the_run(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").write_text("not even a kubeconfig", encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("KUBERNETES_CONTEXT", "production")
    probe = activity("probe", "chaosk8s.pod.probes", "count_pods", label_selector="component=scheduler", ns="airflow")
    raw = experiment() | {"method": [probe]}
    assert execute_activity(raw, probe, {}, {}, None)["output"] == 3
    assert stage.run(TERMINATE, **ONE_OF_EACH[TERMINATE])["status"] == "succeeded"


def test_outside_a_run_it_is_left_to_chaos_toolkit() -> None:
    step = calling(TERMINATE, **ONE_OF_EACH[TERMINATE])
    desk.clear()
    control.before_activity_control(step)
    assert step == calling(TERMINATE, **ONE_OF_EACH[TERMINATE])
    with pytest.raises(FaultError, match="no run is open"):
        borrowed.perform(step["provider"])


@pytest.mark.parametrize("full", sorted(ONE_OF_EACH))
def test_it_asks_for_no_more_than_its_rights_say(stage: Stage, full: str) -> None:
    stage.run(full, **ONE_OF_EACH[full])
    raw = experiment() | {"method": [calling(full, **ONE_OF_EACH[full])]}
    given = rights.needed([check("x", raw)], stage.settings)
    asked = {one for r in stage.server.asked for one in used(r.method, r.path)}
    assert asked
    nameless = {one: one._replace(name="") for one in asked}
    assert not [one for one in asked if not {one, nameless[one], nameless[one]._replace(namespace="")} & set(given)]


PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v1(?:alpha1)?(?:/namespaces/(?P<namespace>[^/]+))?"
    r"(?:/(?P<resource>[a-z0-9]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[a-z]+))?)?)?"
)
VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


def used(method: str, path: str) -> Iterator[Right]:
    """The right that a call needs."""
    match = PATH.fullmatch(path)
    assert match, path
    group, there, resource, name, sub = match.group("group", "namespace", "resource", "name", "sub")
    if resource is None and there is None:  # what the cluster offers, which everybody may ask
        return
    if resource is None:
        resource, name = "namespaces", there
    verb = VERBS.get(method) or ("get" if name else "list")
    kind = f"{resource}/{sub}" if sub else resource
    yield Right(there or "", group or "", kind, verb, name or "")


@pytest.mark.parametrize("full", sorted(ONE_OF_EACH.keys() - {UNCORDON, SCALE, SET, CORDON}))
def test_what_it_would_hit_is_said_before_and_is_what_it_hits(stage: Stage, full: str) -> None:
    one = check("x", experiment() | {"method": [calling(full, **ONE_OF_EACH[full])]})
    (aim,) = Aims(one, stage.context.kube, stage.settings, ("airflow",)).now()
    assert aim.action == full
    assert stage.changes() == []
    stage.run(full, **ONE_OF_EACH[full])
    assert {pod.key for pod in aim.blow.pods} >= set(stage.names("injected")) != set()


def test_what_only_the_cluster_chooses_is_said_so(stage: Stage) -> None:
    raw = experiment() | {"method": [calling(SCALE, **ONE_OF_EACH[SCALE])]}
    (aim,) = Aims(check("x", raw), stage.context.kube, stage.settings, ("airflow",)).now()
    assert str(aim) == f"{SCALE}: 1 of airflow/scheduler-1, airflow/scheduler-2, as the cluster chooses"


@pytest.mark.parametrize(
    ("full", "arguments", "said"),
    [
        (TERMINATE, {"label_selector": "component=nobody", "ns": "airflow"}, "matches no running pod in airflow"),
        (DRAIN, {"name": "nowhere"}, "matches no node"),
        (SCALE, {"name": "nobody", "ns": "airflow", "replicas": 1}, "there is no such Deployment"),
        (SET, {"name": "scheduler", "ns": "airflow", "replicas": 2}, "has 2 replicas already"),
    ],
)
def test_what_would_hit_nothing_is_refused_before_the_run(
    stage: Stage, full: str, arguments: dict[str, Any], said: str
) -> None:
    one = check("x", experiment() | {"method": [calling(full, **arguments)]})
    with pytest.raises(UsageError, match=rf"x: .*{said}.*; nothing was done"):
        Aims(one, stage.context.kube, stage.settings, ("airflow",)).now()


@given(
    st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.integers(0, 9)), max_size=6, unique_by=lambda p: p[0]),
    st.booleans(),
    st.sampled_from(["fixed", "percentage"]),
    st.integers(1, 120),
    st.sampled_from(["alphabetic", "oldest"]),
)
def test_the_choice_is_theirs(found: list[tuple[str, int]], every: bool, mode: Any, qty: int, order: Any) -> None:
    """As `chaosk8s` itself chooses of the same pods, in the order in which the API lists them."""
    some = [SimpleNamespace(name=name, created=made) for name, made in sorted(found)]
    ours = TerminatePods(label_selector="a=b", all=every, mode=mode, qty=qty, order=order)
    items = [SimpleNamespace(metadata=SimpleNamespace(name=p.name, creation_timestamp=p.created)) for p in some]
    api = SimpleNamespace(list_namespaced_pod=lambda *_, **__: SimpleNamespace(items=items))
    theirs = _select_pods(api, "a=b", None, every, False, mode, qty, "default", order)
    assert [p.name for p in ours._some(some, 0)] == [p.metadata.name for p in theirs]  # type: ignore[arg-type]


@given(st.integers(0, 99), st.integers(1, 5))
def test_chance_is_that_of_the_seed(seed: int, qty: int) -> None:
    some: Any = [SimpleNamespace(name=name, created=0) for name in "abcde"]
    one = TerminatePods(label_selector="a=b", rand=True, qty=qty)
    assert one._some(some, seed) == one._some(list(some), seed)
    assert len({p.name for p in one._some(some, seed)}) == qty


REFUSED = [
    (TERMINATE, {}, "arguments: it aims at every pod of the namespace"),
    (TERMINATE, {"ns": "airflow", "all": True}, "arguments: it aims at every pod"),
    (TERMINATE, {"label_selector": "!a"}, "arguments.label_selector: it only excludes"),
    (TERMINATE, {"name_pattern": ".*"}, "arguments.name_pattern: it matches every name"),
    (TERMINATE, {"name_pattern": "("}, "arguments.name_pattern: it is no regular expression"),
    (TERMINATE, {"name_pattern": "${who}"}, "arguments.name_pattern: it is written out here"),
    (TERMINATE, {**SCHEDULERS, "qty": 0}, "arguments.qty: "),
    (TERMINATE, {**SCHEDULERS, "qty": "1"}, "arguments.qty: "),
    (TERMINATE, {**SCHEDULERS, "all": "yes"}, "arguments.all: "),
    (TERMINATE, {**SCHEDULERS, "grace_period": -2}, "arguments.grace_period: "),
    (TERMINATE, {**SCHEDULERS, "secrets": {}}, "arguments.secrets: "),
    (TERMINATE, {**SCHEDULERS, "ns": "Air Flow"}, "arguments.ns: "),
    (TERMINATE, {**SCHEDULERS, "qty": 11}, "blast.pods: the method needs at least 11"),
    (DELETE, {}, "arguments: it aims at every pod"),
    (DRAIN, {}, "arguments: it aims at every node"),
    (DRAIN, {"pod_label_selector": "a=b"}, "arguments: it aims at every node"),
    (DRAIN, {"name": "worker", "timeout": 0}, "arguments.timeout: "),
    (DRAIN, {"name": "worker", "timeout": 601}, "blast.seconds: the method needs at least 601"),
    (CORDON, {"name": "worker"}, "method: no action in it breaks scheduler"),
    (SCALE, {"name": "scheduler"}, "arguments.replicas: "),
    (ROLL, {"name": "scheduler", "ns": ""}, "arguments.ns: "),
]


@pytest.mark.parametrize(("full", "arguments", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_cannot_be_meant_is_refused_with_its_place(full: str, arguments: dict[str, Any], said: str) -> None:
    raw = experiment(blast=BLAST | {"pods": 10, "seconds": 600.0}) | {"method": [calling(full, **arguments)]}
    with pytest.raises(UsageError) as caught:
        allowed.check(check("x", raw))
    assert said in str(caught.value)


@pytest.mark.parametrize("full", sorted(ONE_OF_EACH.keys() - {CORDON, UNCORDON}))
def test_what_is_known_needs_no_leave(full: str) -> None:
    allowed.check(check("x", experiment() | {"method": [calling(full, **ONE_OF_EACH[full])]}))


def test_logins_and_other_places_are_refused() -> None:
    step = calling(TERMINATE, **ONE_OF_EACH[TERMINATE])
    step["provider"]["secrets"] = ["k8s"]
    wrong = {
        "method[0].provider.secrets: it runs in the cluster of the run": {"method": [step]},
        "rollbacks[0].provider.func: the only actions that may stand here": {
            "rollbacks": [calling(SCALE, **ONE_OF_EACH[SCALE])]
        },
        "method[0].type: ": {"method": [calling(TERMINATE, **ONE_OF_EACH[TERMINATE]) | {"type": "probe"}]},
        "method[0].provider: module 'chaosk8s.networking.actions'": {
            "method": [calling("chaosk8s.networking.actions.deny_all_ingress", ns="airflow")]
        },
    }
    for said, entries in wrong.items():
        with pytest.raises(UsageError) as caught:
            allowed.check(check("x", experiment() | entries))
        assert said in str(caught.value)


def test_their_probes_and_their_undo_may_stand_where_they_stand_today() -> None:
    probe = activity("probe", "chaosk8s.pod.probes", "pods_in_phase", label_selector="a=b", ns="airflow")
    hypothesis = {"title": "t", "probes": [probe | {"tolerance": True}]}
    back = {"rollbacks": [calling(UNCORDON, name="worker")], "steady-state-hypothesis": hypothesis}
    allowed.check(check("x", experiment() | back))
    probe["provider"]["arguments"]["surprise"] = 1
    with pytest.raises(UsageError, match=r"probes\[0\]\.provider\.arguments\.surprise"):
        allowed.check(check("x", experiment() | back))


@pytest.mark.parametrize("full", sorted(borrowed.READING | borrowed.KNOWN.keys()))
def test_what_is_named_is_there(full: str) -> None:
    assert callable(borrowed.theirs(full))


@pytest.mark.parametrize("path", sources.files(sources.EXAMPLES), ids=lambda path: path.stem)
def test_the_examples_are_allowed_have_their_bounds_and_are_known_by_their_title(path: Path) -> None:
    one = load(path)
    allowed.check(one)
    assert owed(one, Settings()).keys() >= needed(one, Settings())
    assert name_of(one.raw["title"]) == path.stem


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come here is not waited for."""
    for module, name in ((our_pods, "LEFT_WITHIN_S"), (scale, "ROLLED_WITHIN_S"), (scale, "SCALED_WITHIN_S")):
        monkeypatch.setattr(module, name, 5.0)
