"""A recorded run: judge it, draw it. Needs no cluster, and gives the same verdict next year."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import UsageError
from harness.history import NAMES, History
from harness.judge import machine
from harness.judge.verdict import judge
from harness.outcome import Outcome
from harness.report import html, index, junit, metrics, trace
from harness.report import matrix as matrices
from harness.report.matrix import Matrix
from harness.settings import Settings
from harness.slo import changed, own
from harness.trends import trend


def read(named: Path) -> History:
    """The history in a folder, or the one named itself.

    Raises `UsageError` if there is none, `HistoryError` if its format is unknown.
    """
    path = named if named.is_file() else next((named / n for n in NAMES if (named / n).is_file()), None)
    if path is None:
        raise UsageError(f"{named} has no {NAMES[0]}; name a folder in reports/ or examples/runs/")
    return History.read(path)


def check(named: Path, save: bool = False) -> Outcome:
    """Judge a recorded run; with `save`, write verdict, report and JUnit next to the history.

    If its folder has its name, it is in a folder of runs: it is added to their columns, and the page over
    all of them is redrawn.
    """
    history = read(named)
    outcome = judge(history)
    if save:
        folder = _folder(named)
        outcome.save(folder / "verdict.json")
        junit.write(history, outcome, folder / "junit.xml")
        html.write(history, outcome, folder / "report.html", _since_changed(history), _own(history))
        if folder.resolve().name == outcome.run_id:
            runs = folder.resolve().parent
            trend.keep(history, outcome, runs)
            if index.ours(runs):
                index.write(runs)
    return outcome


def slow(named: Path) -> str | None:
    """Says so if a run was recorded on processors much slower than usual; else None."""
    return machine.slow(read(named))


def _since_changed(history: History) -> dict[str, str]:
    """The bounds in force that have changed since, by name."""
    meta = history.meta
    return changed(Settings().slo_file, meta.slo, meta.stack, meta.experiment) if meta else {}


def _own(history: History) -> frozenset[str]:
    """The experiment's own bounds, as of today."""
    meta = history.meta
    return own(Settings().slo_file, meta.stack, meta.experiment) if meta else frozenset()


def report(named: Path) -> Path:
    """Judge and draw again; returns the path of the page."""
    check(named, save=True)
    return _folder(named) / "report.html"


def traced(named: Path) -> Path:
    """Judge again, and write the run as a trace; returns its path."""
    return _written(named, trace.write, "trace.json")


def measured(named: Path) -> Path:
    """Judge again, and write the run as metrics; returns their path."""
    return _written(named, metrics.write, "metrics.prom")


def _written(named: Path, write: Callable[[History, Outcome, Path], None], name: str) -> Path:
    history, path = read(named), _folder(named) / name
    write(history, judge(history), path)
    return path


def matrix(runs: Path) -> Matrix:
    """Every experiment on every stack. Raises `UsageError` if there is no such folder."""
    return matrices.matrix(row.outcome for row in index.rows(_runs(runs)) if row.outcome)


def overview(runs: Path) -> Path:
    """Write the page over all runs in a folder; returns its path. Raises `UsageError` if there is no such folder."""
    return index.write(_runs(runs))


def _runs(runs: Path) -> Path:
    if not runs.is_dir():
        raise UsageError(f"{runs} is not a folder with recorded runs; run an experiment first")
    return runs


def _folder(named: Path) -> Path:
    return named.parent if named.is_file() else named
