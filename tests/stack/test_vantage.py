"""Four vantage points at 200 requests/s each, on the real cluster: all on one clock, which on kind is truly one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.history import NS, History
from harness.judge.vantage import columns
from harness.kube import Kube
from harness.observe.points import JOB
from harness.outcome import Outcome, Verdict
from harness.settings import ROOT, Settings
from tests.stack.test_commands import call

pytestmark = [pytest.mark.stack, pytest.mark.long]
POINTS, RATE_HZ = 4, 100  # over each of two kinds of connections
HOME = "airflow-chaos-job-test"
ASKED = {"name": "version", "path": "/api/v2/version", "rate_hz": RATE_HZ, "must_contain": "version"}


def watched(folder: Path) -> Path:
    raw = json.loads((ROOT / "experiments" / "null.json").read_text(encoding="utf-8"))
    raw["extensions"][0]["probe"]["vantage"] = {"points": POINTS, "targets": [ASKED]}
    path = folder / "null.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def test_four_points_see_the_same_stack_by_one_clock(tmp_path: Path, settings: Settings, kube: Kube) -> None:
    reports = tmp_path / "reports"
    env = {"AIRFLOW_CHAOS_REPORTS": str(reports), "AIRFLOW_CHAOS_JOB_NAMESPACE": HOME}
    try:
        _, said = call("harness", "run", str(watched(tmp_path)), timeout=900, **env)
        (path,) = reports.glob("*/verdict.json")
        checks = {check.name: check for check in Outcome.model_validate_json(path.read_bytes()).checks}
        history = History.read(path.parent / "history.jsonl")
        print(said, *(c.because for name, c in checks.items() if "vantage" in name or "late" in name), sep="\n")
        assert checks["evidence.vantage"].verdict is Verdict.PASS, checks["evidence.vantage"].because
        assert checks["evidence.complete"].verdict is Verdict.PASS, checks["evidence.complete"].because
        ends = [e.value for e in history.seen("probe") if e.what == "stopped" and "vantage" in e.value]
        assert len(ends) == POINTS
        assert len({end["node"] for end in ends}) == POINTS  # one for each node
        for end in ends:
            assert abs(end["offset_ns"]) <= end["error_ns"], end  # all nodes are this machine, so the truth is 0
            samples = sum(len(column) for column in columns(history, end["vantage"]))
            span = max(int(c.due[-1]) - int(c.due[0]) for c in columns(history, end["vantage"])) / NS
            assert samples == end["recorded"] == end["due"]
            assert samples / span == pytest.approx(2 * RATE_HZ, rel=0.02)
        assert kube.manifests.read("Job", HOME, JOB) is None
    finally:
        kube.manifests.delete("Namespace", "", HOME)
