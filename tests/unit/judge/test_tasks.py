"""Exactly once, by the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import NS, Event, History, Mark, Op, Record
from harness.judge import tasks
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import LIMITS, at, changed, dag_run, healthy, mark, meta, named, op, verdict, whole, without

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
    assert judged(without(GOOD, Mark), "cut short")["lost"].verdict is Verdict.INVALID


def test_a_failed_run_is_one_loss_whatever_its_tasks_did() -> None:
    unended = without(ended("fail", "failed"), Mark, lambda m: m.dag_run == "a" and m.mark == "end")
    assert judged(unended)["lost"].measure == 1


def test_a_task_that_started_and_never_ended_is_lost_though_nobody_listed_it() -> None:
    unlisted = changed(GOOD, Op, lambda o: o.type == "invoke", lambda o: {"value": {"dag_run": o.value["dag_run"]}})
    assert verdicts(unlisted)["lost"] is Verdict.PASS
    cut = without(unlisted, Mark, lambda m: m.dag_run == "a" and m.mark == "end" and m.task == "load")
    assert verdicts(cut)["lost"] is Verdict.FAIL


def tried(run: str, task: str, times: int) -> list[Record]:
    """Both runs, where Airflow says of one task that it was tried so many times."""
    said = [["extract", -1, 1], ["load", -1, 1]]
    told = [[name, index, times if name == task else tries] for name, index, tries in said]
    return changed(
        GOOD,
        Op,
        lambda o: o.f == "tasks" and o.value["dag_run"] == run,
        lambda o: {"value": {"dag_run": run, "tasks": told}},
    )


def test_a_retried_task_is_extra_but_not_duplicated_nor_lost() -> None:
    records = [*tried("a", "load", 2), mark(2.1, "start", "a", "load", try_=2, host="dead")]
    assert verdicts(records) == {
        "lost": Verdict.PASS,
        "duplicated": Verdict.PASS,
        "extra_attempts": Verdict.FAIL,
        "overlapping": Verdict.PASS,
        "unknown_attempts": Verdict.PASS,
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


def began(run: str, task: str, times: int, *numbers: int) -> list[Record]:
    """As `tried`, and Airflow says which of the tries began."""
    return changed(
        tried(run, task, times),
        Op,
        lambda o: o.f == "tasks" and o.value["dag_run"] == run,
        lambda o: {"value": {**o.value, "begun": [[task, -1, list(numbers)]]}},
    )


def as_try(records: list[Record], try_: int) -> list[Record]:
    return changed(records, Mark, lambda m: m.dag_run == "a" and m.task == "load", lambda _: {"try_": try_})


@pytest.mark.parametrize(
    ("records", "measure", "found"),
    [
        (as_try(began("a", "load", 7, *range(1, 8)), 7), 6, Verdict.FAIL),
        (as_try(began("a", "load", 7, 7), 7), 0, Verdict.PASS),
        (as_try(began("a", "load", 7, 3, 7), 7), 1, Verdict.FAIL),
        (began("a", "load", 2, 1, 2), 1, Verdict.FAIL),
        (began("a", "load", 2, 1), 0, Verdict.PASS),
        (as_try(tried("a", "load", 7), 7), None, Verdict.INVALID),
        (tried("a", "load", 2), None, Verdict.INVALID),
        ([*tried("a", "load", 2), mark(5.2, "start", "a", "load", try_=2)], 1, Verdict.FAIL),
        ([*tried("a", "load", 3), mark(5.2, "start", "a", "load", try_=3)], 2, Verdict.FAIL),
        (without(began("a", "load", 2, 1, 2), Mark, lambda m: m.dag_run == "a" and m.task == "load"), 1, Verdict.FAIL),
    ],
)
def test_an_attempt_that_died_before_it_could_sign_is_known_by_airflow(
    records: list[Record], measure: float | None, found: Verdict
) -> None:
    check = judged(records)["extra_attempts"]
    assert (check.measure, check.verdict) == (measure, found)


def test_what_is_said_of_attempts_without_a_mark() -> None:
    said = judged(began("a", "load", 2, 1, 2))["extra_attempts"].because
    assert said.startswith(
        "Attempts started beyond one per task, 1 of them by Airflow's record alone: 1 of 4 tasks (a/load"
    )
    unknown = judged(tried("a", "load", 2))["extra_attempts"].because
    assert "it is not known whether they began (a/load)" in unknown


def test_a_task_that_the_ledger_never_saw_is_lost_where_the_trigger_lists_none() -> None:
    unlisted = changed(
        GOOD,
        Op,
        lambda o: o.f == "trigger" and o.type == "invoke",
        lambda o: {"value": {"dag_run": o.value["dag_run"]}},
    )
    assert verdicts(unlisted)["lost"] is Verdict.PASS
    unseen = without(unlisted, Mark, lambda m: m.dag_run == "a" and m.task == "load")
    found = judged(unseen)["lost"]
    assert (found.measure, found.verdict) == (1, Verdict.FAIL)
    assert "task a/load" in found.because


@pytest.mark.parametrize("listed", [[["load", -1]], [["load", -1, 1]], [["load", "x", [1]]], 7])
def test_what_began_that_cannot_be_read_makes_the_run_invalid(listed: object) -> None:
    outcome = verdict([*healthy(), op(5, "tasks", "ok", "r1", tasks=[], begun=listed)])
    assert "what began of r1" in named(outcome, "tasks").because


@pytest.mark.parametrize(
    ("records", "count"),
    [
        (GOOD, 0),
        ([*tried("a", "load", 2), mark(5.2, "start", "a", "load", try_=2)], 0),
        ([*tried("a", "load", 3), mark(5.2, "start", "a", "load", try_=3)], 0),
        ([*GOOD, mark(5.2, "start", "a", "load", try_=2)], 1),
        ([*GOOD, mark(5.2, "start", "a", "load", try_=0)], 1),
        ([*GOOD, mark(5.2, "start", "a", "load", host="w1")], 1),
        ([*tried("a", "load", 2), mark(5.2, "start", "a", "load"), mark(5.3, "start", "a", "load", try_=3)], 2),
        ([*GOOD, mark(5.2, "start", "a", "unheard"), mark(5.3, "start", "b", "load", index=0)], 2),
    ],
)
def test_attempts_behind_airflows_back_are_counted(records: list[Record], count: int) -> None:
    found = judged(records)["unknown_attempts"]
    assert found.measure == count
    assert found.verdict is (Verdict.FAIL if count else Verdict.PASS)


def test_what_airflow_was_not_asked_about_is_unknown_but_hides_no_failure() -> None:
    unasked = without(GOOD, Op, lambda o: o.f == "tasks" and o.value["dag_run"] == "b")
    found = judged(unasked)["unknown_attempts"]
    assert found.verdict is Verdict.INVALID
    assert "1 accepted runs was not recorded (b)" in found.because
    both = judged([*unasked, mark(5.2, "start", "a", "load", try_=2)])["unknown_attempts"]
    assert both.verdict is Verdict.FAIL
    assert "a/load" in both.because
    not_known = changed(GOOD, Op, lambda o: o.f == "tasks", lambda _: {"type": "info"})
    assert verdicts(not_known)["unknown_attempts"] is Verdict.INVALID


def test_runs_without_tasks_need_not_be_known() -> None:
    empty: list[Record] = [
        op(9, "trigger", "invoke", "e", tasks=[]),
        op(9.1, "trigger", "ok", "e"),
        op(10, "run", "ok", "e", state="success"),
    ]
    assert verdicts([*GOOD, *empty])["unknown_attempts"] is Verdict.PASS


@pytest.mark.parametrize("listed", [[["load", -1]], "load", [[1, 2, "many"]], 7, [["load", -1, 1, 1]]])
def test_a_record_of_airflow_that_cannot_be_read_makes_the_run_invalid(listed: object) -> None:
    outcome = verdict([*healthy(), op(5, "tasks", "ok", "r1", tasks=listed)])
    assert "Airflow's record of r1" in named(outcome, "tasks").because


def test_a_deferred_task_may_end_elsewhere_than_it_began() -> None:
    begun = without(GOOD, Mark, lambda m: m.dag_run == "a" and m.task == "load" and m.mark == "end")
    assert set(verdicts([*begun, mark(4.9, "end", "a", "load", host="w1", resumed=True)]).values()) == {Verdict.PASS}
    other_try = verdicts([*begun, mark(4.9, "end", "a", "load", host="w1", resumed=True, try_=2)])
    assert other_try["extra_attempts"] is Verdict.INVALID
    not_deferred = verdicts([*begun, mark(4.9, "end", "a", "load", host="w1")])
    assert not_deferred["extra_attempts"] is Verdict.INVALID


def many(of: Op) -> list[list[Any]]:
    return [["many", index, *([1] if of.f == "tasks" else [])] for index in (0, 1)]


def test_mapped_tasks_are_told_apart_by_their_index() -> None:
    listed = changed(
        dag_run("a", 1, 2, 5),
        Op,
        lambda o: "tasks" in o.value,
        lambda o: {"value": {**o.value, "tasks": [*o.value["tasks"], *many(o)]}},
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


def test_how_long_a_failed_run_took_is_not_its_duration() -> None:
    failed = [*ended("fail", "failed"), *dag_run("c", 1, 2, 9)]
    assert judged(failed)["run_duration"].measure == 8
    late = changed(failed, Op, lambda o: o.type == "fail", lambda o: {"t": o.t + 30 * NS})
    assert judged(late)["run_duration"].measure == 8


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
        op(t + 7, "tasks", "ok", name, tasks=[["load", -1, 2 if fate == "twice" else 1]]),
    ]


@given(st.lists(st.sampled_from(FATES), min_size=1, max_size=12))
def test_every_known_defect_is_counted_exactly(fates: list[Fates]) -> None:
    found = judged([r for i, fate in enumerate(fates) for r in lived(i, fate)])
    count: Callable[..., int] = lambda *wanted: sum(f in wanted for f in fates)  # noqa: E731
    assert found["lost"].measure == count("lost")
    assert found["duplicated"].measure == count("twice", "at once")
    assert found["extra_attempts"].measure == count("twice", "at once", "again")
    assert found["overlapping"].measure == count("at once")
    assert found["unknown_attempts"].measure == count("at once", "again")
    perfect = count("once") == len(fates)
    assert all(c.verdict is Verdict.PASS for c in found.values()) is perfect


def test_an_attempt_that_still_shows_life_runs_beside_the_next() -> None:
    """It never said that it ended, but for 6 s after the second began it said that it was at work."""
    marks: list[Record] = [
        mark(24.5, "start", "r24", "extract", host="worker-1", ti="first"),
        *(
            Event(t=at(t), source="job", object="task/r24", what="alive", value={"hostname": "worker-1", "ti": "first"})
            for t in range(25, 38)
        ),
    ]
    found = named(verdict(sorted([*healthy(), *marks], key=lambda r: r.t)), "tasks.overlapping")
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    (window,) = found.windows
    assert (window.start, window.end) == (at(31), at(33.4))
    quiet = [r for r in marks if r.t < at(31)]
    silent = named(verdict(sorted([*healthy(), *quiet], key=lambda r: r.t)), "tasks.overlapping")
    assert silent.verdict is Verdict.PASS
