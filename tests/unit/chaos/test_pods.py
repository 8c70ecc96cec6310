"""What evictions and drains are aimed at stands in the history before the first pod is asked to go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import pods
from harness.chaos.context import Context
from harness.history import Fault, History, Recorder
from harness.kube import Kube, nodes
from harness.safety import Blast
from tests.unit.kube.cluster import Json, listing, namespace, pod, settings_for
from tests.unit.kube.test_client import NAMESPACE, PODS, status
from tests.unit.loopback import Reply, Request, serving

AIMED = ["airflow/scheduler-1", "airflow/scheduler-2"]
WIDE = Blast(pods=2, share=1.0, nodes=1, seconds=150)
Act = Callable[[Context], Any]


def daemon(name: str) -> Json:
    raw = pod(name)
    owner = {"kind": "DaemonSet", "name": "d", "uid": "u", "apiVersion": "apps/v1", "controller": True}
    return {**raw, "metadata": {**raw["metadata"], "ownerReferences": [owner]}}


def answer(request: Request) -> Reply:
    """Two schedulers and a daemon on one node; the budget refuses the second scheduler."""
    if request.method == "POST":
        return status(429) if "scheduler-2" in request.path else Reply(201, {"kind": "Status", "status": "Success"})
    if request.path == PODS:
        everything = [pod("scheduler-1"), pod("scheduler-2")]
        return Reply(200, listing("Pod", everything + ([] if "labelSelector" in request.query else [daemon("log-1")])))
    if request.path == NAMESPACE:
        return Reply(200, namespace())
    return Reply(200, {"kind": "Node", "metadata": {"name": "worker"}})


@pytest.mark.parametrize(
    "act",
    [
        lambda context: pods.evict(context, "airflow", "component=scheduler", "all"),
        lambda context: pods.drain(context, "airflow", "component=scheduler", 0.5),
    ],
)
def test_all_that_it_is_aimed_at_is_recorded(act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "LEFT_WITHIN_S", 0.0)
    for look in ("find", "alive"):  # nobody looks into nodes that are not there
        monkeypatch.setattr(nodes, look, lambda *_: {})
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(answer) as server:
        settings = settings_for(tmp_path, server.url)
        act(Context(settings, Kube(settings), recorder, 0, {"scheduler": 2}, ("airflow",), WIDE))
    recorder.close()
    faults: tuple[Fault, ...] = History.read(recorder.path).faults
    (aimed,) = [f for f in faults if "aimed" in f.evidence]
    assert (aimed.phase, aimed.evidence["aimed"]) == ("begin", AIMED)
    assert faults.index(aimed) < min(i for i, f in enumerate(faults) if f.phase == "injected")
    assert [f.target["name"] for f in faults if f.phase == "injected"] == AIMED[:1]
