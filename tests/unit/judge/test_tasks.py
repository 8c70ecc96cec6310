"""Exactly once, by the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import History, Mark, Op, Record
from harness.judge import tasks
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import LIMITS, changed, dag_run, healthy, mark, meta, named, op, verdict, whole, without

BOUNDS = {n: Bound(n, v, u, "test") for n, (v, u) in LIMITS.items() if n.startswith("tasks.")}
GOOD = dag_run("a", 1, 2, 5) + dag_run("b", 2, 3, 6)


def judged(records: list[Record], problem: str | None = None) -> dict[str, Check]:
    history = whole([meta(), *records])
    if problem:
        history = History.of(records, problem)
    return {c.name.removeprefix("tasks."): c for c in tasks.check(history, BOUNDS)}


def verdicts(records: list[Record]) -> dict[str, Verdict]:
    return {name: check.verdict for name, check in judged(records).items()}


def test_good_runs_pass() -> None:
    assert set(verdicts(GOOD).values()) == {Verdict.PASS}
    assert len(verdicts(GOOD)) == len(BOUNDS)


def ended(type_: Literal["ok", "fail", "info"], state: str) -> list[Record]:
    return changed(
        GOOD,
        Op,
        lambda o: o.f == "run" and o.type == "ok" and o.value["dag_run"] == "a",
        lambda o: {"type": type_, "value": {**o.value, "state": state}},
    )


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (ended("fail", "failed"), Verdict.FAIL),
        (ended("info", "running"), Verdict.FAIL),
        (ended("info", "unknown"), Verdict.INVALID),
        (without(GOOD, Op, lambda o: o.f == "run" and o.type == "ok" and o.value["dag_run"] == "a"), Verdict.FAIL),
        (without(GOOD, Mark, lambda m: m.dag_run == "a" and m.mark == "end" and m.task == "load"), Verdict.FAIL),
        (without(GOOD, Mark, lambda m: m.dag_run == "a" and m.task == "load"), Verdict.FAIL),
        (
            without(GOOD, Op, lambda o: o.f == "trigger" and o.type == "ok" and o.value["dag_run"] == "a"),
            Verdict.INVALID,
        ),
        ([*GOOD, op(9, "trigger", "invoke", "c"), op(9.5, "trigger", "info", "c")], Verdict.INVALID),
        ([*GOOD, op(9, "trigger", "invoke", "c"), op(9.5, "trigger", "fail", "c")], Verdict.PASS),
    ],
)
def test_lost(records: list[Record], expected: Verdict) -> None:
    assert verdicts(records)["lost"] is expected


def test_a_loss_outweighs_an_unknown_trigger() -> None:
    assert verdicts([*ended("fail", "failed"), op(9, "trigger", "invoke", "c")])["lost"] is Verdict.FAIL


def test_losses_are_counted_and_named() -> None:
    records = without(ended("fail", "failed"), Mark, lambda m: m.dag_run == "b" and m.mark == "end")
    lost = judged(records)["lost"]
    assert lost.measure == 3
    assert "run a (failed)" in lost.because
    assert "task b/extract" in lost.because


def test_what_is_missing_from_a_cut_history_is_unknown_not_lost() -> None:
    records = without(GOOD, Op, lambda o: o.f == "run" and o.type == "ok")
    assert judged(records, "cut short")["lost"].verdict is Verdict.INVALID
    assert judged(GOOD, "cut short")["lost"].verdict is Verdict.INVALID


def test_a_task_that_started_and_never_ended_is_lost_though_nobody_listed_it() -> None:
    unlisted = changed(GOOD, Op, lambda o: o.type == "invoke", lambda o: {"value": {"dag_run": o.value["dag_run"]}})
    assert verdicts(unlisted)["lost"] is Verdict.PASS
    cut = without(unlisted, Mark, lambda m: m.dag_run == "a" and m.mark == "end" and m.task == "load")
    assert verdicts(cut)["lost"] is Verdict.FAIL


def test_a_retried_task_is_extra_but_not_duplicated_nor_lost() -> None:
    records = [*GOOD, mark(2.1, "start", "a", "load", try_=0, host="dead")]
    assert verdicts(records) == {
        "lost": Verdict.PASS,
        "duplicated": Verdict.PASS,
        "extra_attempts": Verdict.FAIL,
        "overlapping": Verdict.PASS,
        "run_duration": Verdict.PASS,
    }


def test_a_task_done_twice_in_turn() -> None:
    records = [*GOOD, mark(5.2, "start", "a", "load", try_=2), mark(5.4, "end", "a", "load", try_=2)]
    found = judged(records)
    assert found["duplicated"].measure == found["extra_attempts"].measure == 1
    assert found["overlapping"].verdict is Verdict.PASS
    assert "a/load" in found["duplicated"].because


def test_a_task_run_by_two_at_once_under_the_same_try() -> None:
    records = [*GOOD, mark(4, "start", "a", "load", host="w1"), mark(4.5, "end", "a", "load", host="w1")]
    found = judged(records)
    assert found["overlapping"].verdict is Verdict.FAIL
    (window,) = found["overlapping"].windows
    assert window.what == "two attempts of a/load at once"


def test_mapped_tasks_are_told_apart_by_their_index() -> None:
    listed = changed(
        dag_run("a", 1, 2, 5),
        Op,
        lambda o: "tasks" in o.value,
        lambda o: {"value": {**o.value, "tasks": [*o.value["tasks"], ["many", 0], ["many", 1]]}},
    )
    both = [m for i in (0, 1) for m in (mark(2, "start", "a", "many", index=i), mark(3, "end", "a", "many", index=i))]
    assert set(verdicts([*listed, *both]).values()) == {Verdict.PASS}
    assert verdicts([*listed, *both[:2]])["lost"] is Verdict.FAIL


@pytest.mark.parametrize(
    "strange",
    [
        [mark(5, "start", "nobody"), mark(6, "end", "nobody")],
        [mark(5, "start", "a", "unlisted"), mark(6, "end", "a", "unlisted")],
        [op(1, "trigger", "invoke", "c"), op(2, "trigger", "fail", "c"), mark(5, "start", "c"), mark(6, "end", "c")],
        [mark(4.95, "end", "a", "load", try_=9)],
    ],
)
def test_marks_that_nothing_accounts_for_are_reported(strange: list[Record]) -> None:
    assert verdicts([*GOOD, *strange])["extra_attempts"] is Verdict.INVALID


def test_nothing_accepted_is_invalid() -> None:
    assert set(verdicts([]).values()) == {Verdict.INVALID}
    refused: list[Record] = [op(1, "trigger", "invoke", "a"), op(2, "trigger", "fail", "a")]
    assert set(verdicts(refused).values()) == {Verdict.INVALID}


def test_an_empty_ledger_is_invalid() -> None:
    found = verdicts(without(GOOD, Mark))
    assert found["duplicated"] is found["extra_attempts"] is found["overlapping"] is Verdict.INVALID
    assert found["lost"] is Verdict.FAIL


def test_run_duration_is_from_trigger_to_success() -> None:
    duration = judged(dag_run("a", 1, 2, 21.5))["run_duration"]
    assert duration.measure == 20.5
    assert duration.verdict is Verdict.FAIL


def test_a_run_that_never_ended_lasted_at_least_as_long_as_the_history() -> None:
    open_run = [op(1, "trigger", "invoke", "c"), op(1.1, "trigger", "ok", "c")]
    assert verdicts([*GOOD, *open_run])["run_duration"] is Verdict.FAIL
    late = [op(55, "trigger", "invoke", "c"), op(55.1, "trigger", "ok", "c")]
    assert verdicts([*GOOD, *late])["run_duration"] is Verdict.INVALID


def test_contradictions_make_the_run_invalid_not_the_judge_crash() -> None:
    outcome = verdict([*healthy(), op(3, "trigger", "invoke", "r1")])
    assert named(outcome, "tasks").verdict is Verdict.INVALID
    assert "r1 was triggered twice" in named(outcome, "tasks").because


Fates = Literal["once", "lost", "twice", "at once", "again"]
FATES: list[Fates] = ["once", "lost", "twice", "at once", "again"]


def lived(number: int, fate: Fates) -> list[Record]:
    """A run of one task with a known fate."""
    name, t = f"g{number}", 1.0 + number
    first = [mark(t + 1, "start", name), mark(t + 3, "end", name)]
    second: dict[Fates, list[Mark]] = {
        "once": first,
        "lost": first[:1],
        "twice": [*first, mark(t + 4, "start", name, try_=2), mark(t + 5, "end", name, try_=2)],
        "at once": [*first, mark(t + 2, "start", name, host="w1"), mark(t + 4, "end", name, host="w1")],
        "again": [mark(t + 0.5, "start", name, host="dead"), *first],
    }
    return [
        op(t, "trigger", "invoke", name, tasks=[["load", -1]]),
        op(t + 0.1, "trigger", "ok", name),
        *second[fate],
        op(t + 6, "run", "ok", name, state="success"),
    ]


@given(st.lists(st.sampled_from(FATES), min_size=1, max_size=12))
def test_every_known_defect_is_counted_exactly(fates: list[Fates]) -> None:
    found = judged([r for i, fate in enumerate(fates) for r in lived(i, fate)])
    count: Callable[..., int] = lambda *wanted: sum(f in wanted for f in fates)  # noqa: E731
    assert found["lost"].measure == count("lost")
    assert found["duplicated"].measure == count("twice", "at once")
    assert found["extra_attempts"].measure == count("twice", "at once", "again")
    assert found["overlapping"].measure == count("at once")
    perfect = count("once") == len(fates)
    assert all(c.verdict is Verdict.PASS for c in found.values()) is perfect
