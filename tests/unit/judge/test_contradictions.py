"""Records that cannot all be true prove nothing: INVALID, whatever they would come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.history import End, Event, Fault, History, Mark, Op, Record, Sample
from harness.judge.contradictions import contradictions
from harness.judge.verdict import judge
from harness.outcome import Verdict
from tests.unit.builders import END, at, changed, healthy, mark, named, op, whole, without


def samples(change: Callable[[Sample], dict[str, Any]], since: float = 30, until: float = 40) -> list[Record]:
    return changed(healthy(), Sample, lambda s: s.target == "version" and at(since) <= s.due < at(until), change)


def end_of(run: str, **fields: Any) -> list[Record]:
    return changed(
        healthy(), Op, lambda o: o.f == "run" and o.type == "ok" and o.value["dag_run"] == run, lambda _: fields
    )


def of(f: str, run: str) -> Callable[[Op], bool]:
    return lambda o: o.f == f and o.value["dag_run"] == run


def answer_of(run: str) -> Callable[[Op], bool]:
    return lambda o: of("trigger", run)(o) and o.type != "invoke"


def known_as(run: str, tasks: list[Any]) -> list[Record]:
    return changed(healthy(), Op, of("tasks", run), lambda o: {"value": {**o.value, "tasks": tasks}})


CONTRADICTIONS: dict[str, tuple[Callable[[], list[Record]], str]] = {
    "an outage whose samples ended at no time": (
        lambda: samples(lambda _: {"outcome": "fail", "status": 503, "end": 0}),
        "20 samples of version over new connections began before they were due, or ended before they began",
    ),
    "samples that began before they were due": (
        lambda: samples(lambda s: {"t": s.due - at(0.1)}),
        "began before they were due",
    ),
    "good answers that nobody can have waited for": (
        lambda: samples(lambda s: {"end": s.t + at(50)}),
        "20 samples of version over new connections took more than 6 s, where a wait ends after 5 s",
    ),
    "good answers that say that they are none": (
        lambda: samples(lambda _: {"status": 503}),
        "20 samples of version over new connections were answered well by no status of 200 to 299",
    ),
    "good answers that are none, and say so": (
        lambda: samples(lambda _: {"status": 302}),
        "20 samples of version over new connections were answered well by no status of 200 to 299",
    ),
    "good answers of no status": (
        lambda: samples(lambda _: {"status": None}),
        "20 samples of version over new connections were answered well by no status of 200 to 299",
    ),
    "good answers that say what went wrong": (
        lambda: samples(lambda _: {"error": "connection refused"}),
        "20 samples of version over new connections were answered well, and say what went wrong",
    ),
    "answers after the time that they were given": (
        lambda: samples(lambda s: {"end": s.t + at(9.9)}),
        "20 samples of version over new connections took more than 6 s, where a wait ends after 5 s",
    ),
    "failures that nobody can have waited for": (
        lambda: samples(lambda s: {"end": s.t + at(9.9), "outcome": "fail", "status": 503}),
        "20 samples of version over new connections took more than 6 s, where a wait ends after 5 s",
    ),
    "writes that nobody can have waited for": (
        lambda: changed(healthy(), Sample, lambda s: s.method == "POST", lambda s: {"end": s.t + at(31.1)}),
        "50 samples of trigger over new connections took more than 31 s, where a wait ends after 5 s",
    ),
    "writes of the prober, which asks once": (
        lambda: changed(
            healthy(),
            Sample,
            lambda s: s.target == "version",
            lambda s: {"method": "PATCH", "end": s.t + at(9.9)},
        ),
        "110 samples of version over new connections took more than 6 s, where a wait ends after 5 s",
    ),
    "answers after the end": (
        lambda: samples(lambda s: {"end": s.t + at(3600), "outcome": "fail", "status": 503}),
        "it goes on for 3579.6 s after its end",
    ),
    "a proof of what is to come": (
        lambda: changed(
            healthy(), Fault, lambda f: f.phase == "proved", lambda f: {"evidence": {"process_gone_t": f.t + at(3600)}}
        ),
        "the proved of airflow/scheduler-a gives process_gone_t 3600.0 s ahead of its own time",
    ),
    "a task that started before its run was asked for": (
        lambda: changed(
            healthy(), Mark, lambda m: m.dag_run == "r24" and m.task == "extract", lambda m: {"t": m.t - at(8)}
        ),
        "r24 had a task at work before it was asked for",
    ),
    "a ledger that is early": (
        lambda: changed(healthy(), Mark, lambda m: m.t >= at(8), lambda m: {"t": m.t - at(8)}),
        "r11 had a task at work before it was asked for",
    ),
    "a trigger that was answered before it was sent": (
        lambda: changed(healthy(), Op, answer_of("r24"), lambda o: {"t": o.t - at(1)}),
        "r24 was answered before it was asked for",
    ),
    "a run that was known before it was asked for": (
        lambda: changed(healthy(), Op, of("tasks", "r24"), lambda _: {"t": at(3)}),
        "r24 was known before it was asked for",
    ),
    "a run that ended before its last task had": (
        lambda: end_of("r24", t=at(34.6)),
        "r24/load ended 1.3 s after its run had ended",
    ),
    "a task that began after its run had ended": (
        lambda: changed(
            without(healthy(), Mark, lambda m: m.dag_run == "r24" and m.mark == "end"),
            Mark,
            lambda m: m.dag_run == "r24" and m.task == "load",
            lambda _: {"t": at(40)},
        ),
        "r24/load began 4.0 s after its run had ended",
    ),
    "a run that nobody triggered, and a task of it": (
        lambda: [*healthy(), mark(40, "start", "ghost")],
        "ghost had a task at work, and nobody triggered it",
    ),
    "a run that nobody triggered, and its end": (
        lambda: [*healthy(), op(40, "run", "ok", "ghost", state="success")],
        "ghost ended, and nobody triggered it",
    ),
    "a run that nobody triggered, and what Airflow knows of it": (
        lambda: [*healthy(), op(40, "tasks", "ok", "ghost", tasks=[])],
        "ghost was known, and nobody triggered it",
    ),
    "a run that was refused, and ended": (
        lambda: changed(healthy(), Op, answer_of("r24"), lambda _: {"type": "fail"}),
        "r24 was refused, and ended",
    ),
    "a task that was not asked for": (
        lambda: known_as("r24", [["extract", -1, 1], ["load", -1, 1], ["ghost", -1, 1]]),
        "Airflow tried r24/ghost, which was not asked for",
    ),
    "a task that Airflow does not know": (
        lambda: known_as("r24", [["extract", -1, 1]]),
        "Airflow does not know r24/load, which was asked for",
    ),
    "a record of Airflow that cannot be read": (
        lambda: known_as("r24", [1]),
        "Airflow's record of r24 must be triples",
    ),
    "a run that failed, and was a success": (
        lambda: [*healthy(), op(45, "run", "fail", "r24", state="failed")],
        "r24 ended in two ways",
    ),
    "a run that ended before it was asked for": (
        lambda: end_of("r36", t=at(2)),
        "r36 ended before it was asked for",
    ),
    "a task that ended long after its run": (
        lambda: changed(healthy(), Mark, lambda m: m.dag_run == "r24", lambda m: {"t": m.t + at(11)}),
        "r24/extract ended 8.4 s after its run had",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_invalid_and_says_which(name: str) -> None:
    make, said = CONTRADICTIONS[name]
    records = [*sorted(make(), key=lambda r: r.t), End(t=at(END), complete=True)]
    history = History.of(records)
    assert any(said in why for why in contradictions(history)), contradictions(history)
    check = named(judge(history), "evidence.complete")
    assert check.verdict is Verdict.INVALID
    assert check.because.startswith("The history contradicts itself: ")


def test_what_can_be_is_no_contradiction() -> None:
    assert contradictions(whole(healthy())) == []
    slow = samples(lambda s: {"t": s.due - at(0.04), "end": s.t + at(5.9)})
    again = [op(45, "run", "ok", "r24", state="success"), op(46, "run", "info", "r30", state="running")]
    # A first attempt that comes to its end after all, and one that the run's end was seen before.
    ends = [mark(20, "start", "r11", "load", try_=2), mark(50, "end", "r11", "load", try_=2)]
    late = changed(slow, Mark, lambda m: m.dag_run == "r24" and m.mark == "end", lambda m: {"t": m.t + at(0.9)})
    assert contradictions(whole(sorted([*late, *again, *ends], key=lambda r: r.t))) == []


def test_without_a_time_that_requests_are_given_none_is_too_slow() -> None:
    first, *rest = samples(lambda s: {"end": s.t + at(19)})
    meta = first.model_copy(update={"probe": {}})
    assert contradictions(whole([meta, *rest])) == []


def test_what_the_ledger_reader_could_not_see_it_read_late() -> None:
    records = changed(healthy(), Mark, lambda m: m.dag_run == "r24", lambda m: {"t": m.t + at(6)})
    assert len(contradictions(whole(records))) == 2
    told = {"source": "probe", "object": "ledger"}
    gap = [
        Event(t=at(35), what="error", value={"of": "stream", "error": "reset"}, **told),  # type: ignore[arg-type]
        Event(t=at(42), what="recovered", value={"of": "stream"}, **told),  # type: ignore[arg-type]
    ]
    assert contradictions(whole([*records, *gap])) == []


def test_a_task_that_airflow_never_tried_and_a_run_that_did_not_succeed_contradict_nothing() -> None:
    skipped = known_as("r24", [["extract", -1, 1], ["load", -1, 1], ["other", -1, 0]])
    assert contradictions(whole(skipped)) == []
    failed = changed(
        known_as("r24", []),
        Op,
        lambda o: of("run", "r24")(o) and o.type == "ok",
        lambda o: {"type": "fail", "value": {**o.value, "state": "failed"}},
    )
    assert contradictions(whole(failed)) == []


@pytest.mark.parametrize(
    "times", [{"t": 2**63 - 1}, {"t": 2**62 + 1}, {"due": -(2**63)}, {"due": -1}, {"end": 2**63 - 1}]
)
def test_a_time_that_cannot_be_is_invalid_and_no_absurd_figure(tmp_path: Path, times: dict[str, int]) -> None:
    path = tmp_path / "history.jsonl"
    lines = [r.model_dump(by_alias=True) for r in [*healthy(), End(t=at(END), complete=True)]]
    place = next(i for i, line in enumerate(lines) if line["kind"] == "sample" and line["due"] > at(30))
    lines[place] |= times
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    outcome = judge(History.read(path))
    assert f"line {place + 1} cannot be read" in named(outcome, "evidence.complete").because
    assert all(check.measure is None or abs(check.measure) < 1000 for check in outcome.checks)
