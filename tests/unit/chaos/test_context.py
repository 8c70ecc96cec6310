"""Actions belong to an open run: there is one at most, and outside of it nothing is broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import actions, probes
from harness.chaos.blast import Blow
from harness.chaos.context import Context, bind, current
from harness.chaos.strike import Strike
from harness.errors import FaultError
from harness.history import History, Recorder
from harness.kube import Kube, Pod
from tests.unit.kube.cluster import namespace, settings_for
from tests.unit.loopback import Reply, serving

OF_NOBODY: dict[str, Any] = {"container_ids": (), "ip": ""}


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A run on a cluster of ours that has nothing but namespaces."""
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(lambda request: Reply(200, namespace(request.path.rpartition("/")[2]))) as server:
        settings = settings_for(tmp_path, server.url)
        yield Context(settings, Kube(settings), recorder, 0, {"scheduler": 2}, (settings.namespace,))
    recorder.close()


def test_without_an_open_run_no_action_is_taken() -> None:
    with pytest.raises(FaultError, match="no run is open"):
        current()
    with pytest.raises(FaultError, match="no run is open"):
        actions.kill_pods("component=scheduler")
    with pytest.raises(FaultError, match="no run is open"):
        probes.every_component_is_ready()


def test_the_open_run_is_the_one_that_was_bound_and_the_only_one(context: Context) -> None:
    unbind = bind(context)
    assert current() is context
    with pytest.raises(FaultError, match="one experiment runs at a time"):
        bind(context)
    assert current() is context
    unbind()
    with pytest.raises(FaultError, match="no run is open"):
        current()


def pod(name: str, component: str, **more: Any) -> Pod:
    standing = {"node": "n", "phase": "Running", "ready": True, "restarts": 0, "exit_code": None, "deleting": False}
    return Pod(**{"namespace": "x", "name": name, "uid": name, "component": component, **standing, **OF_NOBODY, **more})


def test_what_is_hit_and_belongs_to_no_deployment_must_be_back_unless_it_was_a_task(context: Context) -> None:
    context.expect(pod("scheduler-1", "scheduler"))
    assert (context.expected, context.alone) == ({"scheduler": 2}, {})
    for name in ("task-1", "task-2"):
        context.expect(pod(name, "worker", attempt=("run", "task", -1, 1)))
    context.expect(pod("server-on-n", "server"))
    assert context.expected == {"scheduler": 2, "worker": 0, "server": 1}
    assert context.alone == {"server": "x"}


def test_of_what_is_none_of_the_stack_as_many_must_be_back_as_there_were(context: Context) -> None:
    context.beside["kube-dns"] = 2
    context.expect(pod("coredns-1", "kube-dns"))
    assert context.expected == {"scheduler": 2, "kube-dns": 2}


def test_every_fault_gets_an_id_of_its_own(context: Context) -> None:
    ids = [context.begin("kill_pods", {"kind": "Selector", "name": str(n)}) for n in range(3)]
    assert len(set(ids)) == 3
    assert context.begun == dict.fromkeys(ids, "kill_pods")
    context.recorder.close()
    begun = History.read(context.recorder.path).faults
    assert [(f.id, f.phase, f.target["name"]) for f in begun] == [
        (i, "begin", n) for i, n in zip(ids, "012", strict=True)
    ]
    assert [f.t for f in begun] == sorted(f.t for f in begun)


def test_whoever_waits_for_the_first_hit_is_told_once_it_is_recorded(context: Context) -> None:
    told: list[int] = []
    context.struck = lambda: told.append(context.recorder.now())
    strike = Strike.begin(context, "kill_pods", "x", "component=worker", Blow())
    assert not told
    strike.hit(pod("worker-1", "worker"), None, context.recorder.now())
    context.recorder.close()
    (hit,) = [f.t for f in History.read(context.recorder.path).faults if f.phase == "injected"]
    assert len(told) == 1
    assert hit <= told[0]
