"""`harness` as a process: what its reader, its disk, its terminal and its user are changes no exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.history import Record
from harness.settings import ROOT
from tests.unit.builders import bad, healthy, meta, without
from tests.unit.test_recorded import record

HARNESS = (sys.executable, "-m", "harness")
ASCII = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}


def call(*words: object, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*HARNESS, *map(str, words)], capture_output=True, cwd=ROOT, env={**os.environ, **env}, check=False, timeout=60
    )


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_a_reader_that_goes_away_changes_no_verdict(tmp_path: Path, broken: bool, code: int) -> None:
    records = bad(healthy(), 25, 40) if broken else healthy()
    folder = record(tmp_path / "run", records)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*HARNESS, "check", str(folder)], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, check=False, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, b"")


def test_the_help_without_a_reader_is_no_fail() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*HARNESS, "--help"], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_an_output_that_is_full_is_one_line_and_a_code_of_its_own(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", healthy())
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*HARNESS, "check", str(folder)], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, check=False, timeout=60
        )
    assert done.returncode == 74
    (line,) = done.stderr.splitlines()
    assert line.startswith(b"error: ")
    assert b"No space left on device" in line


def test_a_folder_that_cannot_be_written_keeps_what_it_held(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", healthy())
    (folder / "report.html").mkdir()
    done = call("report", folder)
    assert done.returncode == 74
    (line,) = done.stderr.splitlines()
    assert b"report.html" in line
    assert sorted(p.name for p in folder.iterdir()) == ["history.jsonl", "junit.xml", "report.html", "verdict.json"]


def test_a_name_that_is_too_long() -> None:
    done = call("check", "x" * 300)
    assert done.returncode == 74
    assert b"File name too long" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_encoding_that_lacks_a_character(tmp_path: Path) -> None:
    folder = record(tmp_path / "l\u00e4uft \u2713", healthy())
    done = call("check", folder, **ASCII)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"PASS" in done.stdout


def test_texts_of_others_do_not_steer_the_terminal(tmp_path: Path) -> None:
    records: list[Record] = [
        meta(experiment="e\x1b]52;c;aGk=\x07\u202e\x9b\nPASS all"),
        *without(healthy(), type(meta())),
    ]
    done = call("check", record(tmp_path / "run", records))
    said = done.stdout.decode()
    assert "e\\x1b]52;c;aGk=\\x07\\u202e\\x9b\\nPASS all" in said
    assert not set(said) & set("\x1b\x07\u202e\x9b")


@pytest.mark.parametrize("after_s", [1.0, 1.5])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_modules_are_loaded(sign: signal.Signals, after_s: float, tmp_path: Path) -> None:
    env = {**os.environ, "AIRFLOW_CHAOS_CACHE": str(tmp_path)}  # what goes on all the same is not kept for this machine
    with subprocess.Popen(
        [*HARNESS, "calibrate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=env
    ) as child:
        time.sleep(after_s)
        child.send_signal(sign)
        try:
            _, said = child.communicate(timeout=60)
        finally:
            child.kill()
    assert (child.returncode, said) == (130, b"interrupted\n")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be a user that the system does not know")
def test_a_user_that_the_system_does_not_know() -> None:
    unknown = "import os; os.setresuid(54321, 0, 0); from harness.__main__ import main; main()"
    env = {name: value for name, value in os.environ.items() if name not in ("HOME", "AIRFLOW_CHAOS_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", unknown, "status"], capture_output=True, cwd=ROOT, env=env, check=False, timeout=60
    )
    assert done.returncode == 64
    (line,) = done.stderr.splitlines()
    assert b"there is no home folder; set HOME" in line


def test_without_arguments_it_helps() -> None:
    done = call()
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Usage: harness" in done.stdout
