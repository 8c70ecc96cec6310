"""Who uses the machine: a process beside us is seen and named, and what is ours is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.history import Event, History, Recorder
from harness.observe import machine
from harness.observe.machine import Machine, Reading, Used, load, others, shares
from harness.wait import until

SPIN = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    opened = Recorder.create(tmp_path / "history.jsonl")
    yield opened
    opened.close()


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """A busy process that is nobody's child: its parent ends at once."""
    start = f"subprocess.Popen([sys.executable, '-c', {SPIN!r}], stdout=subprocess.DEVNULL).pid"
    code = f"import subprocess, sys; print({start})"
    answer = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=20)
    pid = int(answer.stdout)
    process = psutil.Process(pid)
    yield process
    process.kill()


def events(recorder: Recorder) -> list[Event]:
    return [e for e in History.read(recorder.path).events if e.what == "load"]


def test_time_is_shared_out() -> None:
    told = load(Reading(100, 50, 1), Reading(200, 125, 3))
    assert told == {"busy": 25.0, "steal": 2.0}
    assert load(Reading(1, 1, 0), Reading(1, 1, 0))["steal"] == 0


def test_others_are_summed_up_and_the_busiest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    before = {(1, 0.5): Used("old", 10.0), (2, 0.5): Used("gone", 3.0), (3, 0.5): Used("reused", 9.0)}
    after = {(1, 0.5): Used("old", 10.5), (3, 0.7): Used("fresh", 1.5)}
    assert shares(before, after, 2.0) == {"others": 50.0, "top": "fresh"}
    assert shares({}, {}, 2.0) == {"others": 0, "top": ""}
    assert shares(None, after, 2.0) == shares(before, None, 2.0) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="others can only be told on Linux")
def test_a_stranger_is_among_the_others_and_our_own_are_not(stranger: psutil.Process) -> None:
    with subprocess.Popen([sys.executable, "-c", SPIN]) as child:
        found = others()
        child.kill()
    assert found is not None
    numbers = {number for number, _ in found}
    assert stranger.pid in numbers
    assert not numbers & {psutil.Process().pid, child.pid}


@pytest.mark.skipif(sys.platform != "linux", reason="others can only be told on Linux")
def test_what_a_stranger_takes_is_recorded(
    stranger: psutil.Process, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "EVERY_S", 0.2)
    watching = Machine(recorder)
    watching.start()
    until(lambda: events(recorder), lambda found: len(found) >= 5, what="five readings", timeout=30, every=0.2)
    watching.stop()
    watching.stop()
    told = [e.value for e in events(recorder)]
    assert all((e.source, e.object) == ("node", "host") for e in events(recorder))
    assert max(value["others"] for value in told) > 0
    assert max(value["busy"] for value in told) > 0
    assert all(value["work_ms"] > 0 for value in told)
    assert stranger.name() in {value["top"] for value in told}


def test_stopping_before_starting_does_nothing(recorder: Recorder) -> None:
    Machine(recorder).stop()
    assert events(recorder) == []


def test_what_cannot_be_read_is_told_and_ends_nothing(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no such table")

    monkeypatch.setattr(machine, "others", broken)
    watching = Machine(recorder)
    watching.start()
    watching.stop()
    (event,) = History.read(recorder.path).events
    assert (event.object, event.what, event.value["of"]) == ("machine", "error", "load")
