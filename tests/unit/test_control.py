"""What Chaos Toolkit is told: a refusal interrupts, only a PASS does not deviate, the process ends with our code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution

from harness import control
from harness.errors import HarnessError, UsageError
from harness.experiment import Experiment, check
from harness.outcome import Outcome, Verdict
from harness.run import Result, Run, desk
from harness.settings import ROOT, Settings
from tests.unit.commands.test_ending import check as a_check
from tests.unit.commands.test_ending import outcome
from tests.unit.plans import experiment

CODE = """
from harness import control
from harness.errors import HarnessError, UsageError
from harness.run import desk
desk.embedded = {embedded}
desk.refusal = {refusal}
control.cleanup_control()
print("said at the end")
"""


@pytest.fixture(autouse=True)
def empty_desk() -> Iterator[None]:
    desk.clear()
    yield
    desk.clear()
    desk.name, desk.settings, desk.embedded = "", None, False


class Closing(Run):
    """A run that is over, with the verdict given, or that cannot be closed."""

    def __init__(self, verdict: Verdict | None) -> None:
        self._verdict = verdict

    def close(self, journal: dict[str, Any]) -> Result:
        if self._verdict is None:
            raise HarnessError("the history cannot be judged")
        return Result(Path(), Outcome(run_id="r", experiment="e", stack="s", verdict=self._verdict, checks=()))


@pytest.mark.parametrize(
    ("verdict", "deviated"), [(Verdict.PASS, False), (Verdict.FAIL, True), (Verdict.INVALID, True), (None, True)]
)
def test_only_a_pass_does_not_deviate(
    verdict: Verdict | None, deviated: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.run = Closing(verdict)
    state = {"status": "completed", "deviated": False}
    control.after_experiment_control({}, state)
    assert state == {"status": "completed", "deviated": deviated}
    code = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INVALID: 2, None: 70}[verdict]
    assert desk.exit_code() == code
    said = capsys.readouterr()
    assert ("error: the history cannot be judged" in said.err) is (verdict is None)
    assert said.out == (f"{verdict} e: report.html\n" if verdict else "")


def test_what_needs_a_ledger_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lacking = [a_check(f"tasks.{n}", Verdict.INVALID).model_copy(update={"needs": "ledger"}) for n in range(3)]
    control._tell(Result(tmp_path, outcome(a_check("tasks.lost", Verdict.FAIL), *lacking)))
    assert capsys.readouterr().out.splitlines() == [
        "FAIL tasks.lost: so it is: tasks.lost",
        "INVALID 3 checks need a ledger, which this target does not have",
        f"FAIL worker-kill: {tmp_path / 'report.html'}",
    ]


@pytest.mark.parametrize("status", ["interrupted", "aborted", "failed"])
def test_what_chaos_toolkit_itself_found_wrong_stays_as_it_is(status: str) -> None:
    desk.run = Closing(Verdict.INVALID)
    state = {"status": status, "deviated": False}
    control.after_experiment_control({}, state)
    assert state == {"status": status, "deviated": False}


def test_without_a_run_nothing_is_framed() -> None:
    state = {"status": "completed", "deviated": False}
    control.before_method_control({})
    control.after_method_control({})
    control.after_experiment_control({}, state)
    assert state == {"status": "completed", "deviated": False}
    assert desk.exit_code() == 70


@pytest.mark.parametrize("embedded", [False, True])
def test_a_refusal_interrupts_and_is_said_once(
    embedded: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.settings, desk.embedded = Settings(cache=tmp_path, slo_file=tmp_path / "slo.yaml"), embedded
    with pytest.raises(InterruptExecution, match=r"slo\.yaml, which holds the bounds, does not exist"):
        control.before_experiment_control(experiment())
    assert isinstance(desk.refusal, UsageError)
    assert desk.exit_code() == 64
    said = "" if embedded else "error: slo.yaml, which holds the bounds, does not exist\n"
    assert capsys.readouterr().err == said


def test_a_defect_of_ours_is_called_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(name: str, raw: Any) -> Experiment:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("harness.experiment.check", broken)
    with pytest.raises(InterruptExecution, match="defect of the harness"):
        control.before_experiment_control({})
    assert desk.exit_code() == 70
    assert capsys.readouterr().err.startswith("internal error: ")


def test_an_interruption_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(name: str, raw: Any) -> Experiment:
        raise InterruptExecution("SIGTERM")

    monkeypatch.setattr("harness.experiment.check", stop)
    with pytest.raises(InterruptExecution, match="SIGTERM"):
        control.before_experiment_control({})
    assert desk.refusal is None


def test_every_run_begins_with_an_empty_desk(tmp_path: Path) -> None:
    desk.refusal = HarnessError("of the run before")
    desk.run = Closing(Verdict.PASS)
    desk.result = desk.run.close({})
    desk.settings = Settings(cache=tmp_path, slo_file=tmp_path / "slo.yaml")
    with pytest.raises(InterruptExecution):
        control.before_experiment_control(experiment())
    assert desk.result is None
    assert not isinstance(desk.run, Closing)


def test_the_small_experiment_is_one() -> None:
    assert check("x", experiment()).raw["controls"][0]["provider"]["module"] == control.__name__


@pytest.mark.parametrize(
    ("refusal", "embedded", "code"),
    [
        ("UsageError('no')", False, 64),
        ("HarnessError('oh')", False, 70),
        ("None", False, 70),
        ("UsageError('no')", True, 0),
    ],
)
def test_a_process_of_chaos_toolkit_ends_with_our_code(refusal: str, embedded: bool, code: int) -> None:
    script = CODE.format(refusal=refusal, embedded=embedded)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == code, done.stderr
    assert done.stdout == "said at the end\n"


def test_chaos_run_without_a_stack_is_refused_in_one_line(tmp_path: Path) -> None:
    chaos = Path(sys.executable).parent / "chaos"
    env = {**os.environ, "AIRFLOW_CHAOS_CACHE": str(tmp_path / "cache"), "AIRFLOW_CHAOS_REPORTS": str(tmp_path / "r")}
    command = [str(chaos), "--no-version-check", "run", str(ROOT / "experiments" / "scheduler-kill.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env, cwd=tmp_path)
    assert done.returncode == 64, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "the stack is not up" in line
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "r").exists()
