"""Undoing waits for the cluster to be whole, records what it saw, and finds nothing to do a second time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.chaos import actions, probes, undoing
from harness.chaos.context import Context, bind
from harness.chaos.undoing import missing, undo_all
from harness.history import Fault, History, Recorder
from harness.kube import Kube
from harness.settings import Settings

pytestmark = pytest.mark.stack


@pytest.fixture
def whole(kube: Kube, settings: Settings) -> dict[str, int]:
    return {name: r.desired for name, r in kube.ready_replicas(settings.namespace).items()}


@pytest.fixture
def context(settings: Settings, kube: Kube, whole: dict[str, int], tmp_path: Path) -> Iterator[Context]:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    context = Context(settings, kube, recorder, 0, dict(whole), (settings.namespace,))
    unbind = bind(context)
    yield context
    unbind()
    recorder.close()


def begun(context: Context, number: int = 1) -> list[str]:
    return [context.begin("kill_pods", {"kind": "Selector", "name": "x"}) for _ in range(number)]


def undone(context: Context) -> list[Fault]:
    context.recorder.close()
    return [f for f in History.read(context.recorder.path).faults if f.phase == "rolled-back"]


def test_where_nothing_was_broken_nothing_is_undone(context: Context) -> None:
    assert undo_all(context) == []
    assert undone(context) == []


def test_every_fault_is_undone_once_and_a_later_one_too(context: Context, whole: dict[str, int]) -> None:
    ids = begun(context, 2)
    assert actions.undo() == ids
    assert actions.undo() == []
    (later,) = begun(context)
    assert undo_all(context) == [later]
    records = undone(context)
    assert [f.id for f in records] == [*ids, later]
    assert [f.evidence for f in records] == [{"expected": whole, "ready": whole, "leftovers": []}] * 3


def test_a_cluster_that_is_whole_for_a_moment_only_is_not_as_before_yet(
    context: Context, kube: Kube, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that goes away while the undo looks: what it saw before that does not count."""
    monkeypatch.setattr(undoing, "LASTS_SECONDS", 3.0)
    begun(context)
    pod = kube.pods(settings.namespace, "component=dag-processor")[0]
    looks, gone = 0, 0

    def going(context: Context) -> dict[str, int]:
        nonlocal looks, gone
        looks += 1
        if looks == 3:
            kube.delete_pod(pod, 0)
            gone = context.recorder.now()
        return missing(context)

    monkeypatch.setattr(undoing, "missing", going)
    undo_all(context)
    (record,) = undone(context)
    assert record.evidence["ready"] == record.evidence["expected"]
    assert kube.pods(settings.namespace, "component=dag-processor")[0].name != pod.name
    assert record.t > gone > 0


def test_a_cluster_that_stays_short_is_recorded_so(
    context: Context, whole: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pod more is expected than the cluster will ever have."""
    monkeypatch.setattr(undoing, "UNDO_SECONDS", 0.6)
    begun(context)
    assert probes.every_component_is_ready() is True
    context.expected["scheduler"] += 1
    assert missing(context) == {"scheduler": 1}
    assert probes.every_component_is_ready() is False
    assert undo_all(context)
    (record,) = undone(context)
    assert record.evidence["ready"]["scheduler"] == whole["scheduler"]
    assert record.evidence["expected"]["scheduler"] == whole["scheduler"] + 1
