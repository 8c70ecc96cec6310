"""Vantage points: what a pod records, and how its part comes into the one history, by our clock and by its name."""

from __future__ import annotations

import gzip
import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.history import NS, Event, History, Recorder
from harness.observe import point, points
from harness.observe.clocks import Clock, Reading
from harness.observe.points import JOB, merge
from harness.observe.prober import Config, Target
from harness.wait import until
from tests.unit.builders import at, sample
from tests.unit.observe.stub import stub

TARGETS = (Target("version", "/version", "new", 20.0), Target("version", "/version", "reused", 20.0))


def part(folder: Path, count: int = 5, recorded: int | None = None) -> bytes:
    """What a point would leave: its own clock is two minutes ahead."""
    recorder = Recorder(folder / "part.jsonl", 0)
    for i in range(count):
        one = sample(i)
        recorder.write(
            one.model_copy(update={"t": one.t + at(120), "due": one.due + at(120), "end": one.end + at(120)})
        )
    said = {"due": count, "recorded": count if recorded is None else recorded}
    recorder.write(Event(t=at(130), source="probe", object="prober", what="stopped", value=said))
    recorder.close()
    return gzip.compress((folder / "part.jsonl").read_bytes())


def ahead(nanoseconds: int) -> Clock:
    return Clock([Reading(0, nanoseconds, 1000)])


def test_a_part_comes_into_the_history_by_our_clock_and_its_name(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl", 0)
    assert merge(part(tmp_path), ahead(at(120)), "point-3", recorder) == (5, 5)
    recorder.close()
    found = list(History.read(tmp_path / "history.jsonl").samples)
    assert [(one.due, one.vantage, one.target, one.outcome) for one in found] == [
        (at(i), "point-3", "version", "ok") for i in range(5)
    ]
    assert [(one.t - one.due, one.end - one.t) for one in found] == [(0, at(0.02))] * 5


def test_its_times_count_from_when_the_run_began(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl", at(50))
    merge(part(tmp_path), ahead(at(60)), "point-0", recorder)
    recorder.close()
    assert [one.due for one in History.read(tmp_path / "history.jsonl").samples] == [at(10 + i) for i in range(5)]


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: raw + raw, lambda raw: gzip.compress(b"{}\n")],
)
def test_a_part_that_does_not_hold_what_it_says_is_refused(tmp_path: Path, spoil: Any) -> None:
    recorder = Recorder(tmp_path / "history.jsonl", 0)
    with pytest.raises(HarnessError, match="does not hold what it says"):
        merge(spoil(part(tmp_path)), ahead(0), "point-0", recorder)
    recorder.close()
    assert not History.read(tmp_path / "history.jsonl").samples


def test_samples_from_before_the_run_say_that_the_clock_is_wrong(tmp_path: Path) -> None:
    """A time below 0 would end the reading of the whole history."""
    recorder = Recorder(tmp_path / "history.jsonl", 0)
    with pytest.raises(HarnessError, match="from before the run"):
        merge(part(tmp_path), ahead(at(121)), "point-0", recorder)
    recorder.close()
    assert (tmp_path / "history.jsonl").read_bytes() == b""


def test_one_that_lost_samples_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl", 0)
    with pytest.raises(HarnessError, match="does not hold what it says"):
        merge(part(tmp_path, recorded=6), ahead(0), "point-0", recorder)
    recorder.close()


def test_a_point_samples_until_it_is_told_and_says_how_much(tmp_path: Path) -> None:
    with stub() as server:
        config = Config(str(tmp_path / point.PART), 0, server.url, TARGETS, 2.0, 60.0)
        thread = threading.Thread(target=point.watch, args=(Config.from_json(config.to_json()), tmp_path))
        thread.start()
        until(lambda: (tmp_path / point.PART).exists() and len(server.asked) > 10, bool, what="samples", timeout=60)
        (tmp_path / point.STOP).touch()
        thread.join(60)
    said = json.loads((tmp_path / point.SAID).read_text(encoding="utf-8"))
    assert said["due"] == said["recorded"] > 0
    began = time.monotonic_ns()
    recorder = Recorder(tmp_path / "history.jsonl", 0)
    written, due = merge(gzip.compress((tmp_path / point.PART).read_bytes()), ahead(0), "point-0", recorder)
    recorder.close()
    assert (written, due) == (said["recorded"], said["due"])
    samples = list(History.read(tmp_path / "history.jsonl").samples)
    assert all(began - 120 * NS < one.due < began for one in samples)  # the machine's own monotonic clock


def test_a_point_that_nobody_stops_ends_by_itself(tmp_path: Path) -> None:
    with stub() as server:
        config = Config(str(tmp_path / point.PART), 0, server.url, TARGETS, 2.0, 8.0)
        point.watch(config, tmp_path)
    assert json.loads((tmp_path / point.SAID).read_text(encoding="utf-8"))["recorded"] > 0


def test_one_that_cannot_sample_says_why(tmp_path: Path) -> None:
    (tmp_path / point.PART).mkdir()
    config = Config(str(tmp_path / point.PART), 0, "http://127.0.0.1:1", TARGETS, 1.0, 8.0)
    point.watch(config, tmp_path)
    assert "samples are missing" in json.loads((tmp_path / point.SAID).read_text(encoding="utf-8"))["error"]


def test_they_stand_apart_have_no_rights_and_do_not_outlive_the_run() -> None:
    said = points.job("own", "i:k", 4, 3600.0)["spec"]
    assert (said["completionMode"], said["completions"], said["parallelism"], said["backoffLimit"]) == (
        "Indexed",
        4,
        4,
        0,
    )
    assert said["activeDeadlineSeconds"] > 3600
    assert said["ttlSecondsAfterFinished"] <= 60
    spec = said["template"]["spec"]
    assert spec["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"]


def test_what_they_ask_goes_with_their_job_and_is_in_no_command_line() -> None:
    token = replace(TARGETS[0], headers={"Authorization": "Bearer canary"})
    config = Config("/out/part.jsonl", 0, "http://10.0.0.1", (token,), 2.0, 60.0)
    kept = points.secret("own", config, "uid-of-job")
    assert (
        kept["metadata"]["ownerReferences"][0] | {"uid": "uid-of-job", "name": JOB}
        == kept["metadata"]["ownerReferences"][0]
    )
    assert "canary" not in json.dumps(points.job("own", "i", 1, 1.0))
