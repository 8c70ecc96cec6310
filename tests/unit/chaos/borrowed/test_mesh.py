"""What `chaosk8s` has Chaos Mesh break is aimed, guarded, marked as ours, measured before and after, and taken back:
its own functions run, on a cluster on loopback whose network the kernel breaks."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness import allowed, rights
from harness.chaos import borrowed, crossing, delays, leftovers, undoing
from harness.chaos import context as fault_context
from harness.chaos.aims import Aims
from harness.chaos.borrowed import mesh, stress
from harness.chaos.undoing import undo_all
from harness.errors import OutOfReach, UsageError
from harness.experiment import check
from harness.history import Recorder
from harness.judge.faults import targets
from harness.judge.proofs import doubt
from harness.judge.sightings import Sightings
from harness.kube import Kube
from harness.kube import mesh as kube_mesh
from harness.run import Run, desk
from harness.safety import Blast
from harness.settings import Settings
from harness.target import Target
from tests.unit.chaos.borrowed import meshed
from tests.unit.chaos.borrowed.meshed import Meshed, listens, possible, wait_listening
from tests.unit.chaos.borrowed.test_borrowed import Stage, calling, used
from tests.unit.kube.cluster import lead
from tests.unit.loopback import serving
from tests.unit.plans import BLAST, activity, experiment

NETWORK, STRESS = "chaosk8s.chaosmesh.network.actions", "chaosk8s.chaosmesh.stress.actions"
LOSS, LATENCY, HEAL = f"{NETWORK}.set_loss", f"{NETWORK}.add_latency", f"{NETWORK}.delete_network_fault"
CPU, MEMORY, CALM = f"{STRESS}.stress_cpu", f"{STRESS}.stress_memory", f"{STRESS}.delete_stressor"
SIDES = {
    "name": "x",
    "ns": "airflow",
    "label_selectors": "component=worker",
    "direction": "both",
    "target_mode": "all",
    "target_label_selectors": {"component": "redis"},
}
WORKERS = {"name": "x", "ns": "airflow", "label_selectors": {"component": "worker"}, "workers": 2}
ONE_OF_EACH: dict[str, dict[str, Any]] = {
    LOSS: {**SIDES, "loss": "100"},
    LATENCY: {**SIDES, "latency": "400ms", "jitter": "10ms"},
    CPU: {**WORKERS, "load": 50, "duration": "20s"},
    MEMORY: {**WORKERS, "size": "256MB"},
}
WIDE = Blast(pods=2, share=1.0, nodes=0, seconds=90)
FIRST = ["airflow/worker-1"]

on_a_network = pytest.mark.skipif(not possible(), reason="a network of its own takes root, ip and iptables")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come here is not waited for."""
    for module in (crossing, delays, stress, mesh):
        for name in ("TRIED_WITHIN_S", "GROWN_WITHIN_S", "INJECTED_WITHIN_S"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(stress, "SPAN_S", 0.3)
    monkeypatch.setattr(undoing, "LASTS_SECONDS", 0.0)
    monkeypatch.setattr(undoing, "UNDO_SECONDS", 20.0)
    monkeypatch.setattr(kube_mesh, "GONE_WITHIN_S", 2.0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """On a cluster that is not ours, with nodes that are closed: all of it goes through the API."""
    cluster = Meshed(groups=tmp_path)
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with ExitStack() as closing:
        if possible():
            shell = f"{meshed.READY} && exec {sys.executable} -c '{meshed.SERVER}'"
            inside = closing.enter_context(subprocess.Popen(["unshare", "--net", "sh", "-c", shell]))
            closing.callback(inside.kill)
            cluster.network = inside.pid
            wait_listening(cluster)
        server = closing.enter_context(serving(cluster))
        lead(tmp_path / "kubeconfig", server.url, "theirs")
        target = Target(name="t", context="theirs", kubeconfig=str(tmp_path / "kubeconfig"), namespace="airflow")
        settings = Settings(cache=tmp_path, target=target)
        context = fault_context.Context(settings, Kube(settings), recorder, 0, {"worker": 2}, ("airflow",), WIDE)
        staged = Stage(cluster, server, settings, context)
        context.stop = lambda who, because: staged.stopped.append(f"{who}: {because}")
        closing.callback(recorder.close)
        closing.callback(fault_context.bind(context))
        closing.callback(desk.clear)
        desk.run = Run.__new__(Run)
        yield staged


def meshed_of(stage: Stage) -> Meshed:
    assert isinstance(stage.cluster, Meshed)
    return stage.cluster


def doubted(stage: Stage) -> str | None:
    (target,) = targets(stage.history)
    return doubt(target, Sightings(stage.history))


def left(stage: Stage) -> list[str]:
    return leftovers.find(stage.context.kube, stage.settings, ["airflow"])


def aims(stage: Stage, full: str, **arguments: Any) -> Aims:
    raw = experiment(component="worker") | {"method": [calling(full, **arguments)]}
    return Aims(check("x", raw), stage.context.kube, stage.settings, ("airflow",))


@on_a_network
def test_all_packets_lost_are_a_cut_that_is_tried_from_within_and_undone(stage: Stage) -> None:
    assert stage.run(LOSS, **ONE_OF_EACH[LOSS])["status"] == "succeeded"
    assert stage.names("injected") == stage.names("proved") == FIRST
    (hit,), (proof,) = stage.seen("injected"), stage.seen("proved")
    assert (hit.action, hit.evidence["by"]) == ("cut_off", LOSS)
    assert (proof.evidence["cut"], proof.evidence["still_across"], proof.evidence["tried"]) == (True, [], 1)
    assert doubted(stage) is None
    assert left(stage) == ["NetworkChaos airflow/x of ours is there"]
    assert not listens(meshed_of(stage))
    undo_all(stage.context)
    (undone,) = stage.seen("rolled-back")
    assert undone.evidence["leftovers"] == left(stage) == []
    assert listens(meshed_of(stage))


@on_a_network
def test_it_bears_our_label_and_an_end_of_its_own_from_its_first_moment(stage: Stage) -> None:
    stage.run(LATENCY, **ONE_OF_EACH[LATENCY])
    (made,) = [r.body for r in stage.server.asked if r.method == "POST" and r.path.endswith("/networkchaos")]
    assert made["metadata"] == {"name": "x", "labels": {"airflow-chaos/mesh": "true"}}
    assert made["spec"] == {
        "action": "delay",
        "selector": {"labelSelectors": {"component": "worker"}},
        "delay": {"latency": "400ms", "jitter": "10ms"},
        "direction": "both",
        "mode": "one",
        "target": {"mode": "all", "selector": {"labelSelectors": {"component": "redis"}}},
        "duration": "90s",  # all that `blast` allows
    }


@on_a_network
def test_a_delay_is_proved_by_connections_that_take_longer(stage: Stage) -> None:
    assert stage.run(LATENCY, **ONE_OF_EACH[LATENCY])["status"] == "succeeded"
    (proof,) = stage.seen("proved")
    ((before, during),) = proof.evidence["connect_ms"]
    assert (proof.action, proof.evidence["asked_ms"]) == ("delay", 400)
    assert before < 200
    assert during >= 1000
    assert doubted(stage) is None
    undo_all(stage.context)
    assert stage.seen("rolled-back")[0].evidence["leftovers"] == []


@on_a_network
@pytest.mark.parametrize(
    ("full", "why"),
    [
        (LOSS, r"airflow/worker-1 was not seen cut off by Chaos Mesh \(new yes held yes\)"),
        (LATENCY, r"airflow/worker-1 took \d+ ms to connect and then \d+ ms, of 400 ms asked for"),
        (CPU, r"airflow/worker-1 used 0\.\d+ processors and then 0\.\d+, of 1 asked for"),
        (MEMORY, r"airflow/worker-1 used 1e\+08 bytes and then 1e\+08, of 2\.56e\+08 asked for"),
    ],
)
def test_the_word_of_chaos_mesh_alone_proves_nothing(stage: Stage, full: str, why: str) -> None:
    meshed_of(stage).injects = False
    stage.run(full, **ONE_OF_EACH[full])
    assert stage.names("injected") == FIRST
    said = doubted(stage)
    assert said is not None
    assert re.fullmatch(why, said)


@on_a_network
@pytest.mark.parametrize(("full", "asked", "of"), [(CPU, 1.0, "processors"), (MEMORY, 256e6, "bytes")])
def test_stress_is_proved_by_what_the_container_uses(stage: Stage, full: str, asked: float, of: str) -> None:
    assert stage.run(full, **ONE_OF_EACH[full])["status"] == "succeeded"
    (proof,) = stage.seen("proved")
    assert (proof.action, proof.evidence["asked"], proof.evidence["of"]) == ("stress", asked, of)
    assert proof.evidence["during"] - proof.evidence["before"] == pytest.approx(asked, rel=0.3)
    assert doubted(stage) is None
    (made,) = [r.body["spec"] for r in stage.server.asked if r.path.endswith("/stresschaos") and r.method == "POST"]
    assert None not in made.values()
    assert made["duration"] == ONE_OF_EACH[full].get("duration", "30s")
    found = leftovers.repair(stage.context.kube, stage.settings, ["airflow"])
    assert found == ["StressChaos airflow/x of ours is there"]
    assert left(stage) == []


@on_a_network
def test_what_is_not_injected_fails_with_the_words_of_chaos_mesh(stage: Stage) -> None:
    meshed_of(stage).says = False
    run = stage.run(LOSS, **ONE_OF_EACH[LOSS])
    assert run["status"] == "failed"
    assert "was not injected within 0 s; Chaos Mesh says: no ipset" in run["exception"][-1]
    assert stage.names("injected") == []
    undo_all(stage.context)
    assert left(stage) == []


@on_a_network
def test_what_goes_on_after_its_object_is_gone_is_no_undo(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "UNDO_SECONDS", 0.0)
    meshed_of(stage).keeps = True
    stage.run(LOSS, **ONE_OF_EACH[LOSS])
    undo_all(stage.context)
    assert stage.seen("rolled-back")[0].evidence["leftovers"] == [
        "airflow/redis-0:6379 from airflow/worker-1 is not reached again"
    ]


@on_a_network
def test_those_of_others_are_left_alone(stage: Stage) -> None:
    other = {"kind": "NetworkChaos", "metadata": {"name": "x", "namespace": "airflow", "uid": "u"}}
    meshed_of(stage).made["NetworkChaos", "x"] = other
    assert left(stage) == []
    assert "not one that this suite made" in stage.run(HEAL, name="x", ns="airflow")["exception"][-1]
    assert stage.run(LOSS, **ONE_OF_EACH[LOSS])["status"] == "failed"
    assert meshed_of(stage).made == {("NetworkChaos", "x"): other}
    with pytest.raises(UsageError, match="there is a NetworkChaos airflow/x already"):
        aims(stage, LOSS, **ONE_OF_EACH[LOSS]).now()


@on_a_network
@pytest.mark.parametrize(("full", "back"), [(LOSS, HEAL), (CPU, CALM)])
def test_it_may_be_taken_back_early_and_again(stage: Stage, full: str, back: str) -> None:
    stage.run(full, **ONE_OF_EACH[full])
    for _ in range(2):
        assert stage.run(back, name="x", ns="airflow")["status"] == "succeeded"
        assert left(stage) == []


@pytest.mark.parametrize("full", sorted(ONE_OF_EACH))
def test_without_chaos_mesh_it_is_out_of_reach_and_nothing_is_touched(stage: Stage, full: str) -> None:
    meshed_of(stage).installed = False
    with pytest.raises(OutOfReach, match="needs Chaos Mesh, and the cluster has no"):
        aims(stage, full, **ONE_OF_EACH[full]).now()
    assert stage.run(full, **ONE_OF_EACH[full])["status"] == "failed"
    assert left(stage) == []
    assert stage.changes() == []


def test_the_most_that_it_may_hit_is_compared_with_what_is_declared(stage: Stage) -> None:
    (aim,) = aims(stage, LOSS, **ONE_OF_EACH[LOSS]).now()
    assert str(aim) == f"{LOSS}: 1 of airflow/worker-1, airflow/worker-2, as Chaos Mesh chooses"
    half: dict[str, Any] = {"mode": "fixed-percent", "mode_value": "51"}
    assert len(aims(stage, LOSS, **{**ONE_OF_EACH[LOSS], **half}).now()[0].blow.pods) == 2
    stage.context.blast = Blast(pods=1, share=1.0, seconds=60)
    stage.run(LOSS, **{**ONE_OF_EACH[LOSS], "mode": "all"})
    assert "2 pods, and at most 1 may be hit" in stage.stopped[0]
    assert stage.changes() == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"label_selectors": "component=nobody"}, "'component=nobody' matches no running pod in airflow"),
        ({"target_label_selectors": "component=nobody"}, "'component=nobody' matches no running pod in airflow"),
        ({"target_label_selectors": "component=worker"}, "some pods are on both sides"),
    ],
)
def test_what_would_hit_nothing_is_refused_before_the_run(stage: Stage, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=f"{said}.*; nothing was done"):
        aims(stage, LOSS, **{**ONE_OF_EACH[LOSS], **more}).now()


def test_where_the_undo_does_not_look_nothing_is_hit(stage: Stage) -> None:
    raw = experiment(component="worker") | {"method": [calling(LOSS, **ONE_OF_EACH[LOSS])]}
    with pytest.raises(UsageError, match="aims at airflow, and the undo looks into elsewhere"):
        Aims(check("x", raw), stage.context.kube, stage.settings, ("elsewhere",)).now()


@on_a_network
@pytest.mark.parametrize(("full", "back"), [(LOSS, HEAL), (LATENCY, HEAL), (CPU, CALM), (MEMORY, CALM)])
def test_it_asks_for_no_more_than_its_rights_say(stage: Stage, full: str, back: str) -> None:
    stage.run(full, **ONE_OF_EACH[full])
    stage.run(back, name="x", ns="airflow")
    raw = experiment() | {"method": [calling(full, **ONE_OF_EACH[full]), calling(back, name="x", ns="airflow")]}
    given = set(rights.needed([check("x", raw)], stage.settings))
    asked = {one for r in stage.server.asked for one in used(r.method, r.path)}
    assert {one.resource for one in asked} > {"pods", "pods/exec"}
    assert not [one for one in asked if not {one, one._replace(name="")} & given]


REFUSED = [
    (LOSS, {"label_selectors": ""}, "arguments.label_selectors: '' is not a label and its value"),
    (LOSS, {"label_selectors": {}}, "arguments.label_selectors: '' is not a label and its value"),
    (LOSS, {"label_selectors": "a!=b"}, "arguments.label_selectors: 'a!=b' is not a label"),
    (LOSS, {"label_selectors": None}, "arguments.label_selectors: "),
    (LOSS, {"target_label_selectors": None}, "arguments.target_label_selectors: "),
    (LOSS, {"loss": "50"}, "arguments.loss: it must be '100'"),
    (LOSS, {"direction": "to"}, "arguments.direction: it must be 'both'"),
    (LOSS, {"target_mode": "one"}, "arguments.target_mode: it must be 'all'"),
    (LOSS, {"mode": "fixed"}, "arguments.mode: chaosk8s leaves out the number"),
    (LOSS, {"mode": "most"}, "arguments.mode: 'most' is not one, all or fixed-percent"),
    (LOSS, {"mode": "fixed-percent"}, "arguments: mode_value goes with mode fixed-percent"),
    (LOSS, {"mode_value": "50"}, "arguments: mode_value goes with mode fixed-percent"),
    (LOSS, {"mode": "fixed-percent", "mode_value": "0"}, "arguments.mode_value: "),
    (LOSS, {"namespaces_selectors": "airflow,prod"}, "arguments: namespaces_selectors may name airflow alone"),
    (LOSS, {"target_namespaces_selectors": ["prod"]}, "arguments: target_namespaces_selectors may name airflow"),
    (LOSS, {"external_targets": "example.org"}, "arguments.external_targets: "),
    (LATENCY, {"latency": "0ms"}, "arguments.latency: 0ms is not between 0.01 s and 2 s"),
    (LATENCY, {"latency": "1h"}, "arguments.latency: 1h is not between"),
    (LATENCY, {"latency": "soon"}, "arguments.latency: 'soon' is not a time"),
    (LATENCY, {"jitter": "300ms"}, "arguments: jitter is more than half"),
    (CPU, {"duration": ""}, "arguments.duration: '' is not a time"),
    (CPU, {"duration": "48h"}, "arguments.duration: 48h is not between 10 s and 3600 s"),
    (CPU, {"load": 0}, "arguments.load: "),
    (CPU, {"workers": 0}, "arguments.workers: "),
    (CPU, {"stressng_stressors": "--fork 9"}, "arguments.stressng_stressors: "),
    (MEMORY, {"size": "80%"}, "arguments.size: '80%' is not a size"),
    (MEMORY, {"workers": None}, "arguments.workers: "),
]


@pytest.mark.parametrize(("full", "more", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_cannot_be_meant_is_refused_with_its_place(full: str, more: dict[str, Any], said: str) -> None:
    arguments = {name: value for name, value in {**ONE_OF_EACH[full], **more}.items() if value is not None}
    with pytest.raises(UsageError) as caught:
        allowed.check(check("x", experiment(blast=BLAST) | {"method": [calling(full, **arguments)]}))
    assert said in str(caught.value)


@pytest.mark.parametrize("full", sorted(borrowed.UNPROVABLE))
def test_what_cannot_be_proved_is_refused_by_name_whatever_is_allowed(full: str) -> None:
    assert callable(borrowed.theirs(full))
    with pytest.raises(UsageError, match=rf"method\[0\]\.provider\.func: {full} cannot be proved yet"):
        allowed.check(check("x", experiment() | {"method": [calling(full, name="x")]}), ("chaosk8s",))


@pytest.mark.parametrize("full", sorted(ONE_OF_EACH))
def test_it_needs_no_leave_and_may_be_taken_back_by_a_rollback(full: str) -> None:
    back = [calling(one, name="x", ns="airflow") for one in (HEAL, CALM)]
    undo = activity("action", "harness.chaos.actions", "undo")
    raw = experiment() | {"method": [calling(full, **ONE_OF_EACH[full])], "rollbacks": [*back, undo]}
    allowed.check(check("x", raw))


@pytest.mark.parametrize(("text", "wanted"), [("500ms", 0.5), ("30s", 30), ("1m30s", 90), ("1.5h", 5400)])
def test_a_time_is_read_as_go_writes_it(text: str, wanted: float) -> None:
    assert mesh.seconds(text) == wanted
