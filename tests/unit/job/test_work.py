"""A pod goes on where the one before it was ended: nothing twice, what was cut healed and judged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import calibrate, ground, standing
from harness.errors import OutOfReach, UsageError
from harness.history import Recorder
from harness.job import turns as kept
from harness.job import work
from harness.job.turns import Turn
from harness.outcome import Outcome, Verdict
from harness.progress.show import Showing
from harness.run import Opened, Result
from harness.settings import Settings
from harness.standing import left_open
from harness.target import Target
from tests.unit.builders import healthy

Say = Callable[[str], None]
PATHS = [Path("a.json"), Path("b.json"), Path("c.json")]


class PodGone(BaseException):
    """As SIGKILL: nothing of the process runs after it."""


class Pods:
    """One pod after the other, on one volume. `ends` says how each run of an experiment ends: a verdict, or one of
    the ways in which a pod goes or a run does not begin."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **ends: object) -> None:
        self.settings = Settings(cache=folder / "cache", reports=folder / "reports", job="j")
        self.ends = {name: [end] if not isinstance(end, list) else end for name, end in ends.items()}
        self.conducted: list[str] = []
        self.said: list[str] = []
        self.waited = 0
        monkeypatch.setattr(work, "conduct", self._conduct)
        monkeypatch.setattr(standing, "_put_right", lambda settings, wait: [])
        monkeypatch.setattr(ground, "ensure", self._ensure)
        monkeypatch.setattr(calibrate, "known", lambda _: object())

    def start(self) -> int:
        showing = Showing(None, [], self.settings.reports)
        return work.work(PATHS, self.settings, showing, self.said.append)

    def _ensure(self, *_: object) -> str:
        self.waited += 1
        return ""

    def _conduct(self, path: Path, settings: Settings, remade: str, opened: Opened) -> Result:
        name = path.stem
        self.conducted.append(name)
        end = self.ends[name].pop(0)
        if isinstance(end, Exception):
            raise end
        folder = settings.reports / f"{name}-{len(self.conducted)}"
        recorder = Recorder.create(folder / "history.jsonl")
        recorder.write(*healthy()[:-1])
        opened(folder)
        recorder.close()
        if end is PodGone:
            raise PodGone
        verdict = Verdict.INVALID if end == "evicted" else end
        assert isinstance(verdict, Verdict)
        outcome = Outcome(run_id=folder.name, experiment=name, stack="s", verdict=verdict, checks=())
        return Result(folder, outcome, interrupted=end == "evicted")


def turns(pods: Pods) -> list[tuple[str, Verdict | None, bool]]:
    found = kept.read(pods.settings.reports, "j", ("a", "b", "c"))
    return [(turn.experiment, turn.verdict, turn.cut) for turn in found.turns]


def test_each_is_run_once_and_the_worst_is_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pods = Pods(tmp_path, monkeypatch, a=Verdict.PASS, b=Verdict.FAIL, c=Verdict.PASS)
    assert pods.start() == 1
    assert pods.conducted == ["a", "b", "c"]
    assert pods.waited == 2  # before the first, and after what was no PASS
    assert pods.start() == 1
    assert pods.conducted == ["a", "b", "c"]


def test_after_an_eviction_the_next_pod_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pods = Pods(tmp_path, monkeypatch, a=Verdict.PASS, b=["evicted", Verdict.PASS], c=Verdict.PASS)
    assert pods.start() == work.INTERRUPTED
    assert turns(pods) == [("a", Verdict.PASS, False), ("b", Verdict.INVALID, True)]
    assert pods.start() == 0
    assert pods.conducted == ["a", "b", "b", "c"]
    assert "before: PASS a a-1" in pods.said
    assert pods.said[-1] == "PASS over 3 experiments"


def test_what_a_shot_pod_left_is_healed_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pods = Pods(tmp_path, monkeypatch, a=Verdict.PASS, b=[PodGone, Verdict.PASS], c=Verdict.PASS)
    with pytest.raises(PodGone):
        pods.start()
    folder = pods.settings.reports / "b-2"
    assert left_open(folder)
    assert turns(pods)[-1] == ("b", None, False)
    assert pods.start() == 0
    assert not left_open(folder)
    assert turns(pods)[1:] == [("b", Verdict.INVALID, True), ("b", Verdict.PASS, False), ("c", Verdict.PASS, False)]
    assert Outcome.model_validate_json((folder / "verdict.json").read_bytes()).verdict is Verdict.INVALID


def test_what_is_cut_again_stays_invalid_and_the_rest_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pods = Pods(tmp_path, monkeypatch, a=["evicted", "evicted"], b=Verdict.PASS, c=Verdict.PASS)
    assert pods.start() == work.INTERRUPTED
    assert pods.start() == work.INTERRUPTED
    assert pods.start() == 2
    assert pods.conducted == ["a", "a", "b", "c"]


def test_a_pod_that_went_before_anything_was_recorded_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = Pods(tmp_path, monkeypatch, a=Verdict.PASS, b=Verdict.PASS, c=Verdict.PASS)
    found = kept.read(pods.settings.reports, "j", ("a", "b", "c"))
    kept.keep(pods.settings.reports, found.with_(Turn(experiment="a", wall="")))
    assert pods.start() == 0
    assert turns(pods)[:2] == [("a", Verdict.INVALID, True), ("a", Verdict.PASS, False)]
    shutil.rmtree(pods.settings.reports / "a-1")


def test_what_the_target_cannot_do_is_skipped_and_what_is_refused_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = Pods(tmp_path, monkeypatch, a=OutOfReach("closed"), b=Verdict.PASS, c=Verdict.PASS)
    assert pods.start() == 0
    assert "skipped a: closed" in pods.said
    other = Pods(tmp_path / "other", monkeypatch, a=UsageError("not quiet"), b=Verdict.PASS, c=Verdict.PASS)
    assert other.start() == 2
    assert other.conducted == ["a", "b", "c"]
    assert "INVALID a (not quiet)" in other.said


def test_it_is_begun_by_a_job_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="start one with `harness job run`"):
        work.here(Settings(job="j"))
    target = Target(name="t", context="c", namespace="airflow", kubeconfig=str(tmp_path / "kubeconfig"))
    with pytest.raises(UsageError, match="start one with `harness job run`"):
        work.here(Settings(target=target))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError, match="this is not a pod of a cluster"):
        work.here(Settings(target=target, job="j"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert work.here(Settings(target=target, job="j")).aim == target
    assert "10.96.0.1" in (tmp_path / "kubeconfig").read_text(encoding="utf-8")
