"""Faults of Chaos Mesh on the real stack, where the cluster has it: a partition and a delay, proved and undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import borrowed, leftovers
from harness.chaos.context import Context, bind
from harness.chaos.undoing import undo_all
from harness.history import History, Recorder
from harness.judge.faults import targets
from harness.judge.proofs import doubt
from harness.judge.sightings import Sightings
from harness.kube import Kube
from harness.kube.mesh import NETWORK, VERSION
from harness.safety import Blast
from harness.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.foreign]
HOME = "chaosk8s.chaosmesh.network.actions"
NAME = "airflow-chaos-test"
FAULTS: dict[str, dict[str, str]] = {"set_loss": {"loss": "100"}, "add_latency": {"latency": "200ms"}}


@pytest.fixture
def context(settings: Settings, kube: Kube, tmp_path: Path) -> Iterator[Context]:
    if NETWORK not in kube.meshes.kinds:
        pytest.skip(f"Chaos Mesh is not installed here: the cluster has no {NETWORK} of {VERSION}")
    whole = {name: r.desired for name, r in kube.ready_replicas(settings.namespace).items()}
    blast = Blast(pods=1, share=0.5, seconds=120)
    recorder = Recorder.create(tmp_path / "history.jsonl")
    context = Context(settings, kube, recorder, 0, whole, (settings.namespace,), blast)
    unbind = bind(context)
    yield context
    unbind()
    recorder.close()
    leftovers.repair(kube, settings, (settings.namespace,))


@pytest.mark.parametrize("func", sorted(FAULTS))
def test_it_is_proved_by_what_is_measured_and_nothing_is_left(context: Context, func: str) -> None:
    arguments: dict[str, Any] = {
        "name": NAME,
        "ns": context.settings.namespace,
        "label_selectors": {"component": "worker"},
        "direction": "both",
        "target_mode": "all",
        "target_label_selectors": {"component": "redis"},
        **FAULTS[func],
    }
    borrowed.perform({"type": "python", "module": HOME, "func": func, "arguments": arguments})
    there = f"{NETWORK} {context.settings.namespace}/{NAME} of ours is there"
    assert leftovers.find(context.kube, context.settings, context.namespaces) == [there]
    undo_all(context)
    history = History.read(context.recorder.path)
    (target,) = targets(history)
    assert doubt(target, Sightings(history)) is None
    (undone,) = [f for f in history.faults if f.phase == "rolled-back"]
    assert undone.evidence["leftovers"] == []
