"""A run as it was recorded: judge it, draw it. Needs no cluster, and gives the same verdict next year."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.history import NAMES, History
from harness.judge.verdict import judge
from harness.outcome import Outcome
from harness.report import html, junit


def read(folder: Path) -> History:
    """The history in a folder. Raises `UsageError` where there is none, `HistoryError` where its format is unknown."""
    path = folder if folder.is_file() else next((folder / n for n in NAMES if (folder / n).is_file()), None)
    if path is None:
        raise UsageError(f"{folder} holds no {NAMES[0]}; name a folder below reports/ or examples/runs/")
    return History.read(path)


def check(folder: Path, save: bool = False) -> Outcome:
    """Judge a recorded run; with `save`, write verdict, report and JUnit beside the history."""
    history = read(folder)
    outcome = judge(history)
    if save:
        _save(folder, history, outcome)
    return outcome


def report(folder: Path) -> Path:
    """Judge again and draw again; returns the path of the page."""
    check(folder, save=True)
    return folder / "report.html"


def _save(folder: Path, history: History, outcome: Outcome) -> None:
    outcome.save(folder / "verdict.json")
    junit.write(outcome, folder / "junit.xml")
    html.write(history, outcome, folder / "report.html")
