"""No secret that the suite touches is found in what a run leaves, prints or shows to others on the machine.

Each is a canary. The run is a whole one, on loopback; what is broken on the way is what makes errors speak.
"""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from harness import calibrate, preflight
from harness.airflow import Airflow, AirflowUnavailable
from harness.judge.calibration import Calibration
from harness.kube import Kube, KubeError
from harness.ledger import Ledger
from harness.run import Result, conduct
from harness.settings import Settings
from harness.stack.access import Access
from tests.unit.builders import LIMITS
from tests.unit.kube.cluster import settings_for
from tests.unit.loopback import Reply, serving
from tests.unit.plans import experiment
from tests.unit.resp import streaming
from tests.unit.standing import JWT, LEDGER, OTHERS, PASSWORD, TOKEN, Stack
from tests.unit.test_run import write

OF_THE_USER = "canary-of-the-environment"
CANARIES = (TOKEN, PASSWORD, JWT, LEDGER, *OTHERS.values(), OF_THE_USER)


def found_in(text: str, canaries: tuple[str, ...] = CANARIES) -> list[str]:
    """The canaries that a text holds, as they are or as a cluster or a header would write them."""
    forms = {canary: (canary, base64.b64encode(canary.encode()).decode().rstrip("=")) for canary in canaries}
    return [canary for canary, some in forms.items() if any(form[:-1] in text for form in some)]


def test_what_is_looked_for_would_be_found() -> None:
    for canary in CANARIES:
        for text in (f"x{canary}y", base64.b64encode(canary.encode()).decode()):
            assert canary in found_in(text)


@contextmanager
def watched(shown: list[str]) -> Iterator[None]:
    """Keep what the process list shows of our children, meanwhile."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    environment = {name: value for name, value in child.environ().items() if value != OF_THE_USER}
                    shown.append(f"{child.cmdline()} {environment}")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stack, Settings]]:
    """The stack, and settings of it; no other program is found, so that no other engine is asked."""
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("CANARY", OF_THE_USER)
    monkeypatch.setattr(preflight, "wait_quiet", lambda say: None)
    nothing = Calibration(wall="", machine="", interval_ms=20.0, stated_ms=25.0, rows=[])
    monkeypatch.setattr(calibrate, "known", lambda _: nothing)
    stack = Stack()
    with serving(stack) as server, streaming() as ledger:
        stack.address = server.url.removeprefix("http://")
        (tmp_path / "cache").mkdir()
        settings = settings_for(tmp_path / "cache", server.url, context="theirs")
        config = yaml.safe_load(settings.kubeconfig.read_text(encoding="utf-8"))
        config["users"][0]["user"] = {"token": TOKEN}
        settings.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
        about = {"reports": tmp_path / "reports", "slo_file": tmp_path / "slo.yaml", "ledger_port": ledger.port}
        yield stack, settings.model_copy(update=about)
        stack.over.set()


def run(path: Path, settings: Settings, stack: Stack) -> Result:
    """To its end; once there are samples of the baseline, Airflow answers what nobody expects."""
    over = threading.Event()

    def spoil() -> None:
        while not (stack.broken or over.wait(0.1)):
            stack.broken = any('"kind":"sample"' in one.read_text() for one in settings.reports.glob("*/history.jsonl"))

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        return conduct(path, settings)
    finally:
        over.set()
        thread.join()


def test_a_whole_run_tells_nobody_a_secret(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown: list[str] = []
    read = {"name": "version", "path": "/api/v2/version", "rate_hz": 5, "login": True}
    write_ = {"name": "variable", "path": "/api/v2/variables/v", "rate_hz": 5, "login": True, "write": True}
    raw = experiment(probe={"timeout_s": 2, "targets": [read, write_]})
    raw["secrets"] = {"mine": {"key": {"type": "env", "key": "CANARY"}}}
    path = write(tmp_path, raw, LIMITS | {"availability.write.kept": (0.0, "count")})
    with caplog.at_level(logging.DEBUG), watched(shown), standing(tmp_path, monkeypatch) as (stack, settings):
        result = run(path, settings, stack)
    left = [file for file in settings.reports.rglob("*") if file.is_file()]
    assert {"history.jsonl", "journal.json", "report.html", "junit.xml", "verdict.json"} <= {file.name for file in left}
    history = (result.folder / "history.jsonl").read_text(encoding="utf-8")
    assert '"kind":"sample"' in history
    assert '"status":401' in history
    assert any("harness.observe.sampling" in line for line in shown)
    assert caplog.text
    for file in left:
        assert not found_in(file.read_bytes().decode(errors="replace")), file.name
    assert not found_in("\n".join(shown))
    assert not found_in("".join(capfd.readouterr()))
    assert not found_in(caplog.text)


def test_a_login_that_is_answered_with_what_was_sent_repeats_nothing() -> None:
    answers = [
        Reply(422, {"detail": [{"input": {"password": PASSWORD}}]}),
        Reply(201, {"token": JWT}),
        Reply(201, [JWT]),
    ]
    for answer in [*answers, Reply(201, raw=JWT.encode())]:
        with serving(lambda _, answer=answer: answer) as server, pytest.raises(AirflowUnavailable) as said:  # type: ignore[misc]
            Airflow(server.url, "admin", PASSWORD).dags()
        assert not found_in(str(said.value))


@pytest.mark.parametrize("data", [[LEDGER], {"key": [LEDGER]}, {"key": f"{LEDGER}!"}, LEDGER])
def test_a_secret_that_cannot_be_read_is_not_quoted(tmp_path: Path, data: Any) -> None:
    unreadable = pytest.raises(KubeError, match=r"the Secret airflow/some cannot be read$")
    with serving(lambda _: Reply(200, {"kind": "Secret", "data": data})) as server, unreadable as said:
        Kube(settings_for(tmp_path, server.url)).secret("airflow", "some")
    assert said.value.__cause__ is None
    assert said.value.__suppress_context__


def test_a_login_is_not_part_of_what_a_test_or_a_traceback_shows() -> None:
    assert not found_in(repr(Access("http://127.0.0.1", PASSWORD, Ledger(1, LEDGER))))
