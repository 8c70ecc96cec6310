"""The figure: everything is in it, plotly takes it, and it stays small."""

from __future__ import annotations

import json
import time
from pathlib import Path

import plotly.graph_objects as go
import pytest

from harness.history import NS, History, Phase, Record
from harness.judge.verdict import judge
from harness.report import html, timeline
from harness.samples import Samples
from tests.unit.builders import at, bad, dag_run, healthy, job, meta, pod, sample, whole

MB = 1_000_000
SERIES = {"version": 50, "dags": 25, "pools": 25}


def figure(history: History) -> str:
    drawn = timeline.draw_run(history, judge(history))
    go.Figure(drawn)  # raises where plotly does not know a word
    return json.dumps(drawn)


def test_every_lane_is_there() -> None:
    drawn = figure(whole(bad(healthy(), 25, 30)))
    for wanted in (
        "Fault and recovery", "Availability", "Latency", "Scheduler heartbeats", "Task attempts", "Pods",
        "baseline", "cooldown", "proved", "last delayed run", "FAIL availability.read.outage",
        "GET version, new connections", "SchedulerJob/1", "heartbeat at", "worker-0", "r18/extract", "scheduler-d",
        "10 requests not answered well", "version over new connections did not answer",
    ):  # fmt: skip
        assert wanted in drawn


@pytest.mark.parametrize("history", [History.of([]), whole([]), whole([meta()]), whole([sample(1, "fail")])])
def test_it_is_drawn_of_next_to_nothing(history: History) -> None:
    assert figure(history)


def test_a_point_stands_where_it_happened() -> None:
    drawn = timeline.draw_run(whole([meta(), sample(3, took=0.25)]), judge(whole([meta()])))
    (points,) = [trace for trace in drawn["data"] if trace.get("mode") == "markers" and trace["yaxis"] == "y2"]
    assert (points["x"], points["y"]) == ([3.0], [250.0])


def test_the_limits_of_latency_are_lines_and_only_where_there_are_any() -> None:
    history = whole(healthy())
    names = ("availability.read.latency", "availability.write.latency")
    lines = [d for d in timeline.draw_run(history, judge(history))["data"] if d.get("name") in names]
    assert [(line["name"], line["yaxis"], line["y"]) for line in lines] == [(name, "y2", [500, 500]) for name in names]
    assert {tuple(line["x"]) for line in lines} == {(0, 60)}
    before = whole([healthy()[0].model_copy(update={"slo": {}}), *healthy()[1:]])
    assert not [d for d in timeline.draw_run(before, judge(before))["data"] if d.get("name") in names]


@pytest.mark.parametrize(("recovery_s", "named"), [(60, ["baseline", "fault", "recovery", "cooldown"]),
                                                   (1800, ["baseline", "recovery", "cooldown"])])  # fmt: skip
def test_names_of_phases_do_not_stand_on_each_other(recovery_s: int, named: list[str]) -> None:
    begins = {"baseline": 0, "fault": 30, "recovery": 35, "cooldown": 35 + recovery_s}
    ends = [*list(begins.values())[1:], 55 + recovery_s]
    history = History.of(
        Phase(t=at(t), name=name, edge=edge)  # type: ignore[arg-type]
        for (name, begin), end in zip(begins.items(), ends, strict=True)
        for t, edge in ((begin, "begin"), (end, "end"))
    )
    drawn = timeline.draw_run(history, judge(history))["layout"]["annotations"]
    found = [one for one in drawn if one.get("yref") == "paper" and one["text"] in begins]
    assert [one["text"] for one in found] == named
    assert found[0]["x"] == 15
    assert (found[-1].get("xanchor"), found[-1]["x"]) == (("right", 1855) if recovery_s == 1800 else (None, 105))


def long_run(broken: bool) -> History:
    """Ten minutes at 200 requests a second, with all that goes with it; where it is broken, a third fails at length."""
    said = "ReadTimeout: " + "no answer came " * 20
    samples = [
        sample(k / rate, "fail", target, conn).model_copy(update={"error": said})
        if broken and (k * 7919) % 10 < 3
        else sample(k / rate, "ok", target, conn, took=0.01 + k % 97 / 1000)
        for target, rate in SERIES.items()
        for conn in ("new", "reused")
        for k in range(600 * rate)
    ]
    others: list[Record] = [
        meta(),
        Phase(t=0, name="baseline", edge="begin"),
        Phase(t=at(600), name="cooldown", edge="end"),
    ]
    for t in range(0, 590, 5):
        others += dag_run(f"scheduler-kill-20260101-000000-w-{t:04}", t, t + 1, t + 4)
    others += [job(t + 0.2, number, f"scheduler-{number}") for t in range(600) for number in (1, 2)]
    others += [pod(i / 10, f"pod-{i}", f"uid-{i}", "added", component=f"c{i % 5}") for i in range(20)]
    history = whole(sorted(others, key=lambda r: r.t))
    return History(
        meta=history.meta, samples=Samples.of(samples), marks=history.marks, ops=history.ops, events=history.events,
        phases=history.phases, last_t=600 * NS,
    )  # fmt: skip


@pytest.mark.parametrize("broken", [False, True])
def test_ten_minutes_at_200_requests_a_second_make_a_small_page_soon(tmp_path: Path, broken: bool) -> None:
    history = long_run(broken)
    assert len(history.samples) == 120_000
    outcome = judge(history)
    began = time.monotonic()
    html.write(history, outcome, tmp_path / "report.html")
    assert time.monotonic() - began < 5
    assert (tmp_path / "report.html").stat().st_size < 6 * MB
