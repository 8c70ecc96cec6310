"""Progress is told from the run's own file, on terminals and elsewhere, and nothing that goes wrong with it matters."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from harness.commands.console import SafeConsole
from harness.experiment import check
from harness.history import End, Record, Recorder
from harness.outcome import Outcome, Verdict
from harness.progress.show import Planned, Showing, Tail
from harness.settings import ROOT
from tests.unit.builders import END, at, healthy
from tests.unit.plans import experiment

PLANNED = [Planned(check(name, experiment()), "celery") for name in ("one", "two")]
OUTCOME = Outcome(run_id="r", experiment="one", stack="celery", verdict=Verdict.FAIL, checks=())
RECORDS = [*healthy(), End(t=at(END), complete=True)]


def write(folder: Path, records: list[Record]) -> bytes:
    """A run's file, as a run writes it."""
    recorder = Recorder.create(folder / "history.jsonl")
    recorder.write(*records[:100])
    recorder.write(*records[100:])
    recorder.close()
    return (folder / "history.jsonl").read_bytes()


def watched(console: SafeConsole | None, folder: Path) -> None:
    """Make the first of two runs."""
    with Showing(console, PLANNED, folder).watching(1) as watch:
        written = write(folder / "run", RECORDS)
        watch.opened(folder / "run")
        watch.judged(OUTCOME)
    assert (folder / "run" / "history.jsonl").read_bytes() == written


def test_elsewhere_each_event_is_a_line(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as log:
        watched(SafeConsole(file=log), tmp_path)
        log.seek(0)
        said = log.read().splitlines()
    assert said[0] == "1/2 one on celery: about 15 s, about 30 s for all that remain"
    assert "1/2   20.0 s fault" in said
    assert "1/2   20.5 s kill_pods hit airflow/scheduler-a" in said
    assert "1/2   22.0 s kill_pods proved on airflow/scheduler-a" in said
    assert any("first heartbeat" in line and "s after the fault" in line for line in said)
    assert said[-2:] == ["1/2   60.0 s over", "1/2 FAIL one on celery in 60 s"]
    assert not any("\x1b" in line for line in said)


def test_colours_that_are_wanted_in_a_log_make_it_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "log").open("w+", encoding="utf-8") as log:
        watched(SafeConsole(file=log), tmp_path)
        log.seek(0)
        assert "\r" not in log.read()


def test_on_a_terminal_one_line_is_written_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    read: list[bytes] = []
    reader = threading.Thread(target=drain, args=(ours, read), daemon=True)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        watched(SafeConsole(file=terminal, width=60, force_terminal=True), tmp_path)
    reader.join(10)
    said = b"".join(read).decode()
    assert "1/2 one · being judged" in said
    assert "\x1b[2K" in said  # the line is taken away in the end
    assert said.split("\n")[0].count("1/2 FAIL one on celery in 60 s") + said.count("1/2 FAIL") >= 1
    assert "kill_pods hit" not in said


def drain(descriptor: int, read: list[bytes]) -> None:
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:
            return
        if not part:
            return
        read.append(part)


def test_without_a_console_nothing_is_read_or_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    watched(None, tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_log_that_is_full_fails_no_run(tmp_path: Path) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115  # closing fails
    watched(SafeConsole(file=full), tmp_path)
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_a_reader_that_went_away_fails_no_run(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        watched(SafeConsole(file=pipe), tmp_path)


def test_a_reader_that_takes_nothing_holds_up_no_run(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        watched(SafeConsole(file=pipe), tmp_path)
        (stuck,) = [thread for thread in threading.enumerate() if thread.name == "progress"]
        threading.Thread(target=drain, args=(reader, []), daemon=True).start()  # so that it can end
        stuck.join(60)
        assert not stuck.is_alive()


def test_what_fails_fails_with_its_own_error(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w", encoding="utf-8") as log,
        pytest.raises(ZeroDivisionError),
        Showing(SafeConsole(file=log), PLANNED, tmp_path).watching(2),
    ):
        raise ZeroDivisionError


def test_a_line_that_is_half_written_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\ntw")
    tail = Tail(path)
    assert tail.lines() == [b"one"]
    assert tail.lines() == []
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert tail.lines() == [b"two", b"three"]
    tail.close()


PLUGINS = ("-p", "conftest", "-p", "no:cacheprovider")
TEST = """
from pathlib import Path
from tests.unit.progress.test_show import watched

def test_experiment(chaos_console, tmp_path, chaos_results):
    print("captured")
    watched(chaos_console, tmp_path)
"""


@pytest.mark.parametrize(("words", "shown"), [((), True), (("-q",), False), (("-p", "no:terminal"), False)])
def test_pytest_shows_it_past_what_it_captures(tmp_path: Path, words: tuple[str, ...], shown: bool) -> None:
    (tmp_path / "test_it.py").write_text(TEST, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, *PLUGINS, "--rootdir", str(tmp_path), *words, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("1/2   20.5 s kill_pods hit airflow/scheduler-a" in done.stderr.splitlines()) is shown
    assert "captured" not in done.stdout
