"""The secrets of the standing stack are found nowhere but in the cluster: not in what a run leaves, prints or shows."""

from __future__ import annotations

import base64
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from harness.errors import EXIT_FAIL, EXIT_INVALID, EXIT_PASS
from harness.kube import Kube
from harness.settings import Settings
from harness.stack.access import SECRET, Access
from tests.stack.test_commands import start, variant

pytestmark = pytest.mark.stack


def kept(settings: Settings, kube: Kube) -> set[str]:
    """Every secret that is made at install, and what proves to the cluster who we are; in the forms that they have."""
    (user,) = yaml.safe_load(settings.kubeconfig.read_text(encoding="utf-8"))["users"]
    plain = {*kube.secret(settings.namespace, SECRET).values()}
    packed = {base64.b64encode(value.encode()).decode() for value in plain}
    key = base64.b64decode(user["user"]["client-key-data"]).decode()
    return plain | packed | {user["user"]["client-key-data"]} | set(key.splitlines()[1:-1])


class Shown(threading.Thread):
    """What the machine's process list shows of a process and its children, for as long as it lives.

    To find children is to read the whole list: it rests five times as long as that took, or the processors would never
    be as idle as a run wants them to be before it begins.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.lines: set[str] = set()

    def run(self) -> None:
        with suppress(psutil.NoSuchProcess):
            top = psutil.Process(self._pid)
            while top.is_running() and top.status() != psutil.STATUS_ZOMBIE:
                began = time.monotonic()
                for process in (top, *top.children(recursive=True)):
                    with suppress(psutil.Error):
                        self.lines.add(f"{process.cmdline()} {process.environ()}")
                time.sleep(5 * (time.monotonic() - began))


def test_a_whole_run_tells_nobody_a_secret(settings: Settings, kube: Kube, access: Access, tmp_path: Path) -> None:
    secrets = kept(settings, kube)
    assert access.password in secrets
    reports = tmp_path / "reports"
    process = start("harness", "run", str(variant(tmp_path)), AIRFLOW_CHAOS_REPORTS=str(reports))
    shown = Shown(process.pid)
    shown.start()
    out, err = process.communicate(timeout=600)
    shown.join(10)
    assert process.returncode in (EXIT_PASS, EXIT_FAIL, EXIT_INVALID), out + err
    left = [path for path in reports.rglob("*") if path.is_file()]
    assert {"history.jsonl", "journal.json", "verdict.json", "report.html", "junit.xml"} <= {path.name for path in left}
    assert any("harness.observe.sampling" in line for line in shown.lines)
    texts = {"output": out + err, "process list": "\n".join(shown.lines)}
    texts |= {str(path): path.read_bytes().decode(errors="replace") for path in left}
    assert not [where for where, text in texts.items() if any(secret in text for secret in secrets)]
    assert not [where for where, text in texts.items() if "Bearer ey" in text]
