"""All that watches and loads, started and stopped as one on the real stack, whatever of it fails."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.experiment import check
from harness.history import History, Recorder
from harness.judge.by_airflow import account
from harness.judge.runs import work
from harness.kube import Kube
from harness.ledger import Ledger
from harness.rig import Rig
from harness.settings import Settings
from harness.stack.access import Access
from harness.wait import until
from tests.unit.plans import experiment

pytestmark = pytest.mark.stack
WORKLOAD = {"dag": "chaos_workload", "every_s": 5, "accept_within_s": 20, "tasks": [["extract", -1]]}
NOOP = {"dag": "chaos_noop", "every_s": 1, "accept_within_s": 20}
OURS = ("follow", "runs", "ledger", "workload", "scheduler jobs")


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    opened = Recorder.create(tmp_path / f"rig-{os.getpid()}-{tmp_path.name}" / "history.jsonl")
    yield opened
    opened.close()


def rig(settings: Settings, kube: Kube, access: Access, recorder: Recorder, **block: Any) -> Rig:
    plan = check("x", experiment(workload=WORKLOAD, **block)).plan
    return Rig(plan, settings, kube, access, recorder, {})


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith(OURS)}


def under_way(recorder: Recorder, *words: bytes) -> None:
    """Wait until the history holds all of these."""
    until(recorder.path.read_bytes, lambda said: all(w in said for w in words), what=str(words), timeout=60, every=0.05)


def test_everything_starts_records_drains_and_ends(
    settings: Settings, kube: Kube, access: Access, recorder: Recorder
) -> None:
    whole = rig(settings, kube, access, recorder, writer=NOOP)
    whole.start()
    under_way(recorder, b'"target":"trigger"', b'"conn":"reused"', b'"kind":"ledger"', b'"source":"pod"')
    whole.drain(60)
    assert whole.stop() == []
    assert threads() == set()
    history = History.read(recorder.path)
    events = [e for e in history.events if e.source == "probe"]
    assert {e.object for e in events if e.what == "started"} <= {e.object for e in events if e.what == "stopped"}
    triggered = {o.value["dag_run"] for o in history.ops if o.f == "trigger" and o.type == "invoke"}
    assert {name.rsplit("-", 1)[0] for name in triggered} == {f"{recorder.path.parent.name}-{kind}" for kind in "wt"}
    assert {o.value["dag_run"] for o in history.ops if o.f == "run" and o.type == "ok"} == triggered
    assert {m.dag_run for m in history.marks} == {name for name in triggered if "-w-" in name}


def test_airflow_has_each_task_at_work_while_its_marks_say_so_and_on_the_same_pod(
    settings: Settings, kube: Kube, access: Access, recorder: Recorder
) -> None:
    """Its start is when the worker took the task up, its end when it was told; the marks are within."""
    whole = rig(settings, kube, access, recorder)
    whole.start()
    until(recorder.path.read_bytes, lambda said: said.count(b'"offset"') > 2, what="clocks", timeout=60, every=0.1)
    whole.drain(90)
    assert whole.stop() == []
    history = History.read(recorder.path)
    said = account(history)
    assert (said.silent, said.doubt) == ("", "")
    early, late = (work(said.placed(edge).marks) for edge in ("early", "late"))
    found = work(history.marks)
    assert found.keys() == early.keys()
    for task, done in found.items():
        (mine,), (first,), (last,) = done.attempts, early[task].attempts, late[task].attempts
        assert mine.end is not None
        assert last.end is not None
        assert first.start <= mine.start <= mine.end <= last.end, task
    assert {m.executor_host for m in history.marks} == {one.host for one in said.tries}


def test_without_a_ledger_nothing_connects_to_one_and_airflow_says_who_is_at_work(
    settings: Settings, kube: Kube, access: Access, recorder: Recorder
) -> None:
    whole = rig(settings, kube, replace(access, ledger=None), recorder)
    whole.start()
    held = until(whole.at_work, bool, what="a worker with a task", timeout=60, every=0.2)
    assert held.keys() <= {pod.name for pod in kube.pods(settings.namespace, "component=worker")}
    whole.drain(90)
    assert whole.stop() == []
    history = History.read(recorder.path)
    assert history.marks == ()
    assert "ledger" not in {event.object for event in history.seen("probe")}
    assert account(history).silent == ""


def test_the_load_balancer_and_the_mapped_port_are_asked_at_once(
    settings: Settings, kube: Kube, access: Access, recorder: Recorder
) -> None:
    version = {"path": "/api/v2/version", "rate_hz": 5, "must_contain": "version"}
    targets = [{"name": "main", **version}, {"name": "by-port", "entry": "loopback", **version}]
    whole = rig(settings, kube, access, recorder, probe={"timeout_s": 2, "targets": targets})
    assert access.loopback_url == f"http://127.0.0.1:{settings.http_port}"
    whole.start()
    under_way(recorder, b'"target":"main"', b'"target":"by-port"')
    assert whole.stop() == []
    columns = History.read(recorder.path).samples.columns
    assert {(s.target, s.conn) for s in columns} == {(t, c) for t in ("main", "by-port") for c in ("new", "reused")}
    assert not any(column.bad.any() for column in columns.values())


def test_what_was_written_is_read_once_when_nobody_writes_any_more(
    settings: Settings, kube: Kube, access: Access, recorder: Recorder
) -> None:
    write = {"name": "variable", "path": "/api/v2/variables/rig", "rate_hz": 5, "login": True, "write": True}
    door = access.airflow(10)
    for conn in ("new", "reused"):
        door.ensure(f"{write['path']}-{conn}", {"key": f"rig-{conn}", "value": ""})
    door.close()
    whole = rig(settings, kube, access, recorder, probe={"timeout_s": 2, "targets": [write]})
    whole.start()
    under_way(recorder, b'"conn":"new"', b'"conn":"reused"')
    assert whole.stop() == whole.stop() == []
    history = History.read(recorder.path)
    read = {op.value["path"]: op for op in history.ops if op.f == "kept"}
    assert len(read) == sum(op.f == "kept" for op in history.ops) == 2
    for column in history.samples.columns.values():
        assert read[column.path].value["value"] == f"{recorder.path.parent.name}.{len(column) - 1:08d}"


def test_a_prober_that_was_killed_is_told_and_the_rest_is_stopped(
    settings: Settings, kube: Kube, access: Access, recorder: Recorder
) -> None:
    whole = rig(settings, kube, access, recorder)
    whole.start()
    under_way(recorder, b'"kind":"sample"')
    (prober,) = whole._probers
    assert prober.pid
    os.kill(prober.pid, signal.SIGKILL)
    (problem,) = whole.stop()
    assert problem.startswith("HarnessError: the prober ended with -9")
    assert threads() == set()
    samples = History.read(recorder.path).samples
    whole.stop()
    assert History.read(recorder.path).samples == samples


def test_without_a_ledger_nothing_is_triggered_and_what_was_started_ends(
    settings: Settings, kube: Kube, access: Access, recorder: Recorder
) -> None:
    whole = rig(settings, kube, replace(access, ledger=Ledger(1)), recorder)
    with pytest.raises(UsageError, match=r"no ledger at 127\.0\.0\.1:1"):
        whole.start()
    assert whole.stop() == []
    assert threads() == set()
    assert History.read(recorder.path).ops == ()
