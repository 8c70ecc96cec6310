"""Commands as a user calls them, on the real stack: refusals change nothing, interruptions leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.history import History
from harness.kube import Kube
from harness.settings import ROOT, Settings
from harness.stack.kubectl import kubectl

pytestmark = pytest.mark.stack
SHORT = {"baseline_s": 20, "recovery_s": 5, "cooldown_s": 5}
BIN = Path(sys.executable).parent


def start(*words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BIN / words[0]), *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
        cwd=ROOT,
    )


def call(*words: str, timeout: float = 120, **env: str) -> tuple[int, str]:
    process = start(*words, **env)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out + err


def pods(settings: Settings) -> set[str]:
    return {p.uid for p in Kube(settings).pods(settings.namespace)}


def variant(folder: Path, **changes: Any) -> Path:
    """scheduler-kill with other phases or another selector, under a name that slo.yaml has bounds for."""
    raw = json.loads((ROOT / "experiments" / "scheduler-kill.json").read_text())
    raw["extensions"][0]["phases"] = changes.get("phases", SHORT)
    if "selector" in changes:
        raw["method"][0]["provider"]["arguments"]["selector"] = changes["selector"]
    path = folder / "scheduler-kill.json"
    path.write_text(json.dumps(raw))
    return path


@pytest.mark.parametrize("program", [("harness",), ("chaos", "--no-version-check")])
def test_a_selector_without_pods_is_refused(program: tuple[str, ...], tmp_path: Path, settings: Settings) -> None:
    before = pods(settings)
    reports = tmp_path / "reports"
    path = variant(tmp_path, selector="component=nobody")
    journal = ["--journal-path", str(tmp_path / "journal.json")] if program[0] == "chaos" else []
    code, said = call(*program, "run", *journal, str(path), AIRFLOW_CHAOS_REPORTS=str(reports))
    assert code == 64, said
    assert "component=nobody" in said
    assert pods(settings) == before
    assert not reports.exists()


def test_a_stack_that_is_not_up_is_refused(tmp_path: Path) -> None:
    path = str(ROOT / "experiments" / "scheduler-kill.json")
    code, said = call("harness", "run", path, AIRFLOW_CHAOS_CACHE=str(tmp_path / "nothing"))
    assert code == 64
    assert "not up" in said
    assert "Traceback" not in said


def test_up_on_a_standing_stack_replaces_nothing(settings: Settings) -> None:
    before = pods(settings)
    code, said = call("harness", "up", timeout=400)
    assert code == 0, said
    assert pods(settings) == before


def wait_for_baseline(reports: Path) -> Path:
    deadline = time.monotonic() + 240  # a quiet machine, and Airflow reading what runs by itself, are waited for first
    while time.monotonic() < deadline:
        for path in reports.glob("*/history.jsonl"):
            if '"name":"baseline"' in path.read_text():
                return path
        time.sleep(0.2)
    raise AssertionError("the baseline did not begin")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_closed_and_invalid(sign: signal.Signals, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    running = start("harness", "run", str(variant(tmp_path)), AIRFLOW_CHAOS_REPORTS=str(reports))
    path = wait_for_baseline(reports)
    running.send_signal(sign)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 2, out + err
    assert json.loads((path.parent / "verdict.json").read_text())["verdict"] == "INVALID"
    assert json.loads(path.read_text().splitlines()[-1])["kind"] == "end"
    assert not children_of(running.pid)


def test_heal_closes_what_a_killed_harness_left(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    running = start("harness", "run", str(variant(tmp_path)), AIRFLOW_CHAOS_REPORTS=str(reports))
    path = wait_for_baseline(reports)
    running.kill()
    running.communicate(timeout=30)
    time.sleep(8)  # the prober ends by itself, once its requests in flight are answered
    assert not children_of(running.pid)
    code, said = call("harness", "heal", AIRFLOW_CHAOS_REPORTS=str(reports))
    assert code == 0, said
    history = History.read(path)
    assert history.problem
    code, said = call("harness", "check", str(path.parent))
    assert code == 2, said


def children_of(pid: int) -> list[int]:
    """Processes of the prober: the only program that the harness starts and that could outlive it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"harness.observe.sampling" in words and int(entry.name) != pid:
            found.append(int(entry.name))
    return found


def test_status_shows_the_stack(settings: Settings) -> None:
    code, said = call("harness", "status")
    assert code == 0, said
    assert "scheduler" in said
    assert "4/4 nodes Ready" in said


def test_a_foreign_cluster_is_not_touched(settings: Settings, tmp_path: Path) -> None:
    """A context that is not ours: the same cluster, under a name that we did not give it, and without our label."""
    kubeconfig = tmp_path / "kubeconfig"
    text = settings.kubeconfig.read_text()
    kubeconfig.write_text(text.replace(settings.context, "somebody-else"))
    before = kubectl(settings, "get", "pods", "-A", "-o", "name")
    path = variant(tmp_path)
    code, said = call("harness", "run", str(path), AIRFLOW_CHAOS_CACHE=str(tmp_path), AIRFLOW_CHAOS_NAMESPACE="default")
    assert code == 64, said
    assert "somebody-else" in said
    assert kubectl(settings, "get", "pods", "-A", "-o", "name") == before
