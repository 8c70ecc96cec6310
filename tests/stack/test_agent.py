"""One fault, by each way into a node: docker exec, an agent of ours, and the cluster's API alone. The first two must
leave the same in the record and come to the same verdict; the third says what it is, or that it cannot be done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import hang, leftovers, network, pods, scale, within
from harness.chaos.context import Context
from harness.chaos.undoing import undo_all
from harness.errors import OutOfReach
from harness.experiment import load
from harness.history import History, Recorder
from harness.judge.faults import Target as Hit
from harness.judge.faults import targets
from harness.judge.proofs import doubt
from harness.judge.sightings import Sightings
from harness.kube import Kube
from harness.kube.agents import LABEL
from harness.outcome import Outcome, Verdict
from harness.preflight import enter, look
from harness.run import conduct
from harness.safety import Blast
from harness.settings import ROOT, Settings
from harness.stack.access import open_access
from harness.stack.kubectl import kubectl
from harness.target import Agent
from harness.wait import until

pytestmark = [pytest.mark.stack, pytest.mark.long]
HOME = "airflow-chaos-agent-test"
WIDE = Blast(pods=10, share=1.0, nodes=0, seconds=600)
PROCESSOR, WORKER, BROKER = "component=dag-processor", "component=worker", "component=redis"
Act = Callable[[Context, str], Any]
FAULTS: dict[str, Act] = {
    "kill": lambda context, there: pods.kill(context, there, PROCESSOR, "all"),
    "crash": lambda context, there: pods.crash(context, there, PROCESSOR, "all"),
    "delete": lambda context, there: pods.leave(context, there, PROCESSOR, "all"),
    "evict": lambda context, there: pods.evict(context, there, WORKER, "one"),
    "hang": lambda context, there: hang.hang(context, there, PROCESSOR, "all", 3.0),
    "roll": lambda context, there: scale.renew(context, there, PROCESSOR),
    "cut off": lambda context, there: network.cut_off(context, there, WORKER, "one", network.Peers(BROKER), 5.0),
}
# As users meet them: one in which a process is killed, one in which it is stopped, one in which packets are dropped.
PAIRED = ("scheduler-kill", "worker-hang", "worker-child-kill", "worker-partition-broker")


@pytest.fixture(scope="module")
def home(settings: Settings) -> Iterator[str]:
    """A namespace whose owner allows privileged pods in it, and us."""
    labels = {"airflow-chaos/allow": "true", "pod-security.kubernetes.io/enforce": "privileged"}
    raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME, "labels": labels}}
    kubectl(settings, "apply", "--filename=-", stdin=json.dumps(raw))
    yield HOME
    kubectl(settings, "delete", "namespace", HOME, "--timeout=120s", timeout=150)


def by(settings: Settings, nodes: str) -> Settings:
    """The same stack, as a target whose nodes are reached in this way."""
    url = open_access(settings, Kube(settings)).base_url
    there = {"name": f"by-{nodes}", "url": url, "nodes": nodes, "agent": Agent(namespace=HOME)}
    return settings.model_copy(update={"target": settings.aim.model_copy(update=there)})


def agents_there(settings: Settings) -> list[str]:
    return kubectl(settings, "get", "pods", f"--namespace={HOME}", f"--selector={LABEL}", "--output=name").split()


def struck(settings: Settings, nodes: str, act: Act, folder: Path) -> tuple[Hit, str | None]:
    """What was hit, and why that is doubted; everything is undone."""
    there = by(settings, nodes)
    kube = Kube(there)
    whole = {name: r.desired for name, r in kube.ready_replicas(there.namespace).items()}
    recorder = Recorder.create(folder / nodes / "history.jsonl")
    context = Context(there, kube, recorder, 0, whole, there.aim.namespaces, WIDE)
    try:
        act(context, there.namespace)
    finally:
        undo_all(context)
        recorder.close()
    history = History.read(recorder.path)
    (undone,) = [fault for fault in history.faults if fault.phase == "rolled-back"]
    assert undone.evidence["leftovers"] == []
    assert undone.evidence["ready"] == undone.evidence["expected"]
    assert leftovers.find(kube, there, there.aim.namespaces) == []
    (hit,) = targets(history)
    return hit, doubt(hit, Sightings(history))


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_either_way_the_same_is_seen_of_the_same_fault(
    settings: Settings, home: str, name: str, tmp_path: Path
) -> None:
    docker, why_docker = struck(settings, "docker", FAULTS[name], tmp_path)
    agent, why_agent = struck(settings, "agent", FAULTS[name], tmp_path)
    assert (why_docker, why_agent) == (None, None)
    assert (docker.action, docker.how.keys(), docker.said.keys()) == (agent.action, agent.how.keys(), agent.said.keys())
    told = ("uid_gone", "process_gone", "stopped")
    assert [docker.said.get(one) for one in told] == [agent.said.get(one) for one in told]
    assert bool(docker.how.get("pids")) == bool(agent.how.get("pids"))
    assert agents_there(settings) == []


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.paired
def test_either_way_the_verdict_is_the_same(settings: Settings, home: str, name: str, tmp_path: Path) -> None:
    found: dict[str, Outcome] = {}
    for nodes in ("docker", "agent"):
        there = by(settings, nodes).model_copy(update={"reports": tmp_path / nodes})
        found[nodes] = conduct(ROOT / "experiments" / f"{name}.json", there).outcome
        assert agents_there(settings) == []
    docker, agent = found["docker"], found["agent"]
    assert {c.name: c.verdict for c in docker.checks} == {c.name: c.verdict for c in agent.checks}
    assert docker.verdict is agent.verdict is Verdict.PASS


def test_what_an_agent_would_have_undone_is_healed_by_whoever_comes_later(
    settings: Settings, home: str, tmp_path: Path
) -> None:
    """A harness that is killed leaves the agent, which marks the node; and where even that is gone, heal looks."""
    there = by(settings, "agent")
    kube = Kube(there)
    recorder = Recorder.create(tmp_path / "history.jsonl")
    context = Context(there, kube, recorder, 0, {}, there.aim.namespaces, WIDE)
    hang.hang(context, there.namespace, PROCESSOR, "all", 1.0)
    recorder.close()
    later = Kube(there)
    node = later.pods(there.namespace, PROCESSOR)[0].node
    left = leftovers.find(later, there, there.aim.namespaces)
    assert left[0].endswith(f"processes on {node} are stopped")
    assert left[1:] == [f"{leftovers.AGENT} {node}"]
    later.hands.let_go()
    assert leftovers.find(later, there, there.aim.namespaces) == []
    assert leftovers.heal(Kube(there), there, there.aim.namespaces) == left[:1]
    assert agents_there(settings) == []
    until(lambda: later.ready_replicas(there.namespace)["dag-processor"].ready, bool, what="it", timeout=120)


def test_where_nodes_are_closed_a_kill_is_a_deletion_and_says_so(settings: Settings, tmp_path: Path) -> None:
    hit, why = struck(settings, "closed", FAULTS["kill"], tmp_path)
    assert why is None
    assert hit.how["by"] == "delete"
    assert (hit.said["uid_gone"], hit.said["process_gone"]) == (True, True)


@pytest.mark.parametrize("name", ["delete", "roll"])
def test_where_nodes_are_closed_a_process_is_seen_to_end_all_the_same(
    settings: Settings, name: str, tmp_path: Path
) -> None:
    assert struck(settings, "closed", FAULTS[name], tmp_path)[1] is None


def test_this_network_knows_no_policies_and_so_nothing_is_proved(settings: Settings, tmp_path: Path) -> None:
    hit, why = struck(settings, "closed", FAULTS["cut off"], tmp_path)
    assert (hit.how["by"], hit.said["cut"]) == ("policy", False)
    assert why is not None
    assert "was not seen cut off by its policy (new yes held yes)" in why


def test_what_is_the_first_process_of_its_container_is_not_hung_but_skipped(settings: Settings) -> None:
    there = by(settings, "closed")
    experiment = load(ROOT / "experiments" / "worker-hang.json")
    with pytest.raises(OutOfReach, match="which cannot be stopped from inside"):
        look(experiment, there, enter(experiment, there))


def test_behind_a_first_process_a_pod_is_hung_from_inside(settings: Settings, home: str) -> None:
    """As in the official image, which begins with dumb-init; here a shell bears the name of another."""
    kube = Kube(by(settings, "closed"))
    image = kube.pods(settings.namespace, PROCESSOR)[0].image
    script = "cp /bin/sh /tmp/tini; exec /tmp/tini -c \"sh -c 'sleep 600; :' & wait\""
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}
    meta = {"name": "hung", "namespace": home, "labels": {"component": "hung"}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    raw = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    kubectl(settings, "apply", "--filename=-", stdin=json.dumps(raw))
    kubectl(settings, "wait", "pod/hung", f"--namespace={home}", "--for=condition=Ready", "--timeout=90s", timeout=120)
    time.sleep(1)  # until the shell has taken its name
    (pod,) = kube.pods(home, "component=hung")
    assert within.unstoppable(kube, pod) is None
    canaries = within.canaries(kube, pod)
    processes = within.stop(kube, pod)
    assert len(processes) >= 2
    until(lambda: within.states(kube, pod, processes), lambda states: states == {"T"}, what="its stop", timeout=10)
    (marked,) = kube.pods(home, "component=hung")
    assert marked.stopped
    within.resume(kube, marked)
    assert "T" not in within.states(kube, pod, processes)
    assert not within.ended(canaries)
    kube.delete_pod(pod, 0)
    until(lambda: within.ended(canaries), bool, what="the end of its container", timeout=20)
    for canary in canaries:
        canary.close()
