"""How far a run may go, on the real stack: said beforehand, refused where it is too far, ended where users suffer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.history import History
from harness.kube import Kube
from harness.settings import ROOT, Settings
from tests.stack.test_commands import SHORT, call, pods

pytestmark = pytest.mark.stack


def variant(folder: Path, name: str, **block: Any) -> Path:
    """A shipped experiment with other entries in its extension block."""
    raw = json.loads((ROOT / "experiments" / f"{name}.json").read_text(encoding="utf-8"))
    raw["extensions"][0] |= {"phases": SHORT} | block
    path = folder / f"{name}.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def test_a_dry_run_names_what_would_be_hit_and_touches_nothing(tmp_path: Path, settings: Settings, kube: Kube) -> None:
    before, reports = pods(settings), tmp_path / "reports"
    path = str(ROOT / "experiments" / "scheduler-kill.json")
    code, said = call("harness", "run", "--dry-run", path, AIRFLOW_CHAOS_REPORTS=str(reports))
    assert code == 0, said
    for pod in kube.pods(settings.namespace, "tier=airflow,component=scheduler"):
        assert pod.key in said
    assert pods(settings) == before
    assert not reports.exists()


def test_more_than_is_declared_is_refused_before_anything_is_touched(tmp_path: Path, settings: Settings) -> None:
    before = pods(settings)
    path = variant(tmp_path, "scheduler-kill", blast={"pods": 1, "share": 1, "seconds": 60})
    code, said = call("harness", "run", str(path), AIRFLOW_CHAOS_REPORTS=str(tmp_path / "reports"))
    assert code == 64, said
    assert "kill_pods would hit 2 pods, and at most 1 may be hit" in said
    assert pods(settings) == before


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ({"brake": {"errors_share": 0.05, "within_s": 10}}, "had no good answer"),
        ({"blast": {"pods": 2, "share": 1, "seconds": 41}}, "it may last 41 s at most"),
    ],
)
def test_the_brake_ends_a_run_and_brings_the_servers_back(
    block: dict[str, Any], why: str, tmp_path: Path, settings: Settings, kube: Kube
) -> None:
    path, reports = variant(tmp_path, "all-webservers-down", **block), tmp_path / "reports"
    code, said = call("harness", "run", str(path), timeout=600, AIRFLOW_CHAOS_REPORTS=str(reports))
    assert code == 2, said
    assert "the brake ended the run" in said
    assert why in said
    (history,) = reports.glob("*/history.jsonl")
    assert [fault.phase for fault in History.read(history).faults][-1] == "rolled-back"
    assert not [name for name, r in kube.ready_replicas(settings.namespace).items() if r.ready != r.desired]
