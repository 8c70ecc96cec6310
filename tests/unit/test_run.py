"""What is refused before any stack is looked at, and the exit code that a run leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import run as running
from harness.chaos import undoing
from harness.errors import EXIT_INTERNAL, HarnessError, UsageError
from harness.experiment import load
from harness.history import History, Recorder
from harness.judge.verdict import required
from harness.locking import only_one
from harness.outcome import Outcome, Verdict
from harness.run import Desk, Result, Run, conduct
from harness.settings import Settings
from harness.slo import CATALOGUE
from tests.unit.builders import LIMITS
from tests.unit.clock import Clock
from tests.unit.plans import experiment

Raw = dict[str, Any]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache", reports=tmp_path / "reports", slo_file=tmp_path / "slo.yaml")


def write(folder: Path, raw: Raw, limits: dict[str, tuple[float, str]]) -> Path:
    """An experiment's file, with bounds for it where `settings` look for them."""
    more = required("scheduler", writes=True, stack="celery") - LIMITS.keys()
    shared = {n: (50.0, CATALOGUE[n].unit) for n in more}
    bounds = {n: {"limit": v, "unit": u, "origin": "test"} for n, (v, u) in (shared | limits).items()}
    (folder / "slo.yaml").write_text(json.dumps({"tuned": {"celery": {"small": bounds}}}), encoding="utf-8")
    path = folder / "small.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def no_bound(folder: Path) -> Path:
    return write(folder, experiment(), {n: v for n, v in LIMITS.items() if n != "tasks.lost"})


def no_stack(folder: Path) -> Path:
    return write(folder, experiment(), LIMITS)


def no_such_action(folder: Path) -> Path:
    raw = experiment()
    raw["method"][0]["provider"]["func"] = "kill_postman"
    return write(folder, raw, LIMITS)


def no_method(folder: Path) -> Path:
    return write(folder, experiment() | {"method": 3}, LIMITS)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_bound, r"slo\.yaml:1: small on celery has no bound tasks\.lost"),
        (no_stack, "the stack is not up"),
        (no_such_action, r"small\.json: method\[0\]\.provider\.func: 'kill_postman' is not one of"),
        (no_method, r"small\.json: method: a list is expected"),
    ],
)
def test_a_refused_run_records_nothing_and_frees_the_lock(
    settings: Settings, tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    for _ in range(2):
        with pytest.raises(UsageError, match=said):
            conduct(make(tmp_path), settings)
    assert not settings.reports.exists()
    only_one(settings).close()


def test_a_second_run_at_the_same_time_is_refused(settings: Settings, tmp_path: Path) -> None:
    path = write(tmp_path, experiment(), LIMITS)
    with only_one(settings), pytest.raises(UsageError, match="another experiment is running"):
        conduct(path, settings)
    assert not settings.reports.exists()


def test_the_code_of_a_process_is_that_of_the_refusal_or_the_verdict() -> None:
    desk = Desk()
    assert desk.exit_code() == EXIT_INTERNAL
    for verdict, code in ((Verdict.PASS, 0), (Verdict.FAIL, 1), (Verdict.INVALID, 2)):
        outcome = Outcome(run_id="r", experiment="e", stack="s", verdict=verdict, checks=())
        desk.result = Result(Path(), outcome)
        assert desk.exit_code() == code
    desk.refusal = UsageError("no")
    assert desk.exit_code() == 64
    desk.refusal = HarnessError("oh")
    assert desk.exit_code() == EXIT_INTERNAL
    desk.clear()
    assert not [left for left in (desk.run, desk.result, desk.refusal) if left is not None]


@pytest.mark.parametrize(
    ("undoing_s", "undone", "lasts"), [(0, ["f"], 30), (20, ["f"], 50), (90, ["f"], 120), (0, [], 30)]
)
def test_what_is_whole_again_has_time_to_be_seen_at_work(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undoing_s: float,
    undone: list[str],
    lasts: float,
) -> None:
    clock = Clock()

    def undo(_: object) -> list[str]:
        assert one._brake._released.is_set()  # nothing may cut the undo short
        clock.sleep(undoing_s)
        return undone

    monkeypatch.setattr(running, "time", clock)
    monkeypatch.setattr(undoing, "undo_all", undo)
    loaded = load(write(tmp_path, experiment(), LIMITS))
    plan = loaded.plan.model_copy(update={"phases": loaded.plan.phases.model_copy(update={"recovery_s": 30.0})})
    one = Run(loaded.model_copy(update={"plan": plan}), settings)
    one._context = object()  # type: ignore[assignment]
    one.recover()
    assert clock.now == lasts


def test_who_ends_a_run_and_why_is_recorded(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(running, "stop", lambda: stopped.append("now"))
    one = Run(load(write(tmp_path, experiment(), LIMITS)), settings)
    one._recorder = Recorder.create(tmp_path / "history.jsonl")
    one._stop("brake", "too much")
    one._recorder.close()
    (event,) = History.read(tmp_path / "history.jsonl").seen("probe")
    assert (event.object, event.what, event.value) == ("brake", "aborted", {"because": "too much"})
    with pytest.raises(OSError, match="Bad file descriptor"):  # as where the disk is full
        one._stop("brake", "too much")
    assert stopped == ["now", "now"]
