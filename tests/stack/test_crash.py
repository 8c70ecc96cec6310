"""A harness that is shot, in each phase of a run, for each kind of fault: what is left is named, and healed.

Each case that is healed leaves a row below the reports, for docs/crashes.md (`crashes.py`).
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import leftovers
from harness.chaos.undoing import wait_until_whole
from harness.errors import HarnessError
from harness.history import History
from harness.kube import Kube
from harness.outcome import Verdict
from harness.settings import ROOT, Settings
from harness.stack.access import INGRESS_NAMESPACE
from harness.wait import until
from tests.stack.crashes import MOMENTS, NAME, Crash, keep
from tests.stack.test_commands import SHORT, call, children_of, start

pytestmark = [pytest.mark.stack, pytest.mark.crash]
NEXT = ROOT / "experiments" / "null.json"
LEFT = "an earlier fault is not undone"
REACHED_WITHIN_S, WHOLE_WITHIN_S = 420.0, 300.0


@dataclass(frozen=True)
class Kind:
    """A kind of fault: the experiment that does it, held for a short time where it is held, and the stack it needs."""

    name: str
    experiment: str
    stack: str = "celery"
    held: dict[str, Any] = field(default_factory=dict)
    stays: bool = False  # what it does lasts until it is undone

    def file(self, folder: Path) -> Path:
        """Its experiment with short phases, under a name that slo.yaml has bounds for."""
        raw = json.loads((ROOT / "experiments" / f"{self.experiment}.json").read_text(encoding="utf-8"))
        raw["extensions"][0]["phases"] = SHORT
        for activity in raw["method"]:
            arguments = activity["provider"]["arguments"]
            arguments |= {name: value for name, value in self.held.items() if name in arguments}
        path = folder / f"{self.experiment}.json"
        path.write_text(json.dumps(raw), encoding="utf-8")
        return path


KINDS = (
    Kind("kill", "scheduler-kill"),
    Kind("crash", "apiserver-restart"),
    Kind("kill a child", "worker-child-kill"),
    Kind("delete", "worker-term"),
    Kind("evict", "scheduler-evict"),
    Kind("hang", "scheduler-hang-resume", held={"hold_s": 15}, stays=True),
    Kind("drain", "webserver-drain", stays=True),
    Kind("roll", "webserver-rollout"),
    Kind("secret", "secret-rotation", stays=True),
    Kind("scale", "all-webservers-down", stays=True),
    Kind("node off", "scheduler-node-kill", held={"hold_s": 15}, stays=True),
    Kind("cut off", "worker-partition-broker", held={"hold_s": 15}, stays=True),
    Kind("load", "broker-restart"),
    Kind("closed nodes", "task-pod-unschedulable", stack="kubernetes", held={"hold_s": 15}, stays=True),
    Kind("restore", "restore", stack="celery-archive", held={"hold_s": 15, "watch_s": 5}, stays=True),
    Kind("variable set", "local-scale-up", stack="local", stays=True),
)


def locked(settings: Settings) -> bool:
    with (settings.cache / "run.lock").open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def shoot(running: subprocess.Popen[str], due: Callable[[], bool]) -> None:
    """SIGKILL it as soon as it is time. Looked at as often as that takes: some of these moments are short."""
    deadline = time.monotonic() + REACHED_WITHIN_S
    while not due():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline, "it did not come so far"
        time.sleep(0.02)
    running.kill()
    running.communicate(timeout=30)
    until(lambda: children_of(running.pid), lambda left: not left, what="the prober's end", timeout=20, every=0.5)


def history_below(reports: Path) -> Path | None:
    return next(iter(reports.glob("*/history.jsonl")), None)


def still_there(kube: Kube, settings: Settings) -> list[str]:
    """What is left, as soon as the cluster's own server answers: it may be what was just broken."""
    found: list[str] = []

    def answered() -> bool:
        nonlocal found
        with suppress(HarnessError):
            found = leftovers.find(kube, settings, (settings.namespace, INGRESS_NAMESPACE))
            return True
        return False

    until(answered, bool, what="an answer of the cluster", timeout=WHOLE_WITHIN_S, every=1, successes=2)
    return found


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_what_a_shot_harness_leaves_is_named_and_healed(
    kind: Kind, moment: str, tmp_path: Path, settings: Settings, kube: Kube
) -> None:
    if kind.stack != settings.stack:
        pytest.skip(f"needs the stack {kind.stack}")
    reports = tmp_path / "reports"
    running = start("harness", "run", str(kind.file(tmp_path)), AIRFLOW_CHAOS_REPORTS=str(reports))

    def due() -> bool:
        if not MOMENTS[moment]:
            return locked(settings)
        path = history_below(reports)
        return path is not None and MOMENTS[moment] in path.read_text(encoding="utf-8")

    shoot(running, due)
    left = still_there(kube, settings)
    code, said = call("harness", "run", "--dry-run", str(NEXT))
    if left:
        assert code == 64, said
        assert LEFT in said
    if kind.stays and moment in ("injected", "undo"):
        assert left

    began = time.monotonic()
    for _ in range(2):
        code, said = call("harness", "heal", AIRFLOW_CHAOS_REPORTS=str(reports), timeout=400)
        assert code == 0, said
    assert "put right" not in said  # the second time
    wait_until_whole(kube, settings.namespace, WHOLE_WITHIN_S)
    took = time.monotonic() - began
    assert not still_there(kube, settings)
    verdict = judged(history_below(reports), moment)
    row = Crash(
        fault=kind.name, moment=moment, stack=kind.stack, left=tuple(left), healed_s=round(took, 1), verdict=verdict
    )
    keep(settings.reports / NAME, [row])


def judged(path: Path | None, moment: str) -> str:
    """The verdict on what was recorded. Once its end is written a history is whole, and needs no harness any more."""
    if path is None:
        assert moment == "preflight"
        return "no run"
    History.read(path)
    code, said = call("harness", "check", str(path.parent))
    assert code == Verdict.INVALID.exit_code or moment == "judging", said
    return {verdict.exit_code: verdict for verdict in Verdict}[code]
