"""Runs out of operations, attempts out of marks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import History, Mark, Record
from harness.judge.runs import Run, Task, runs, work
from tests.unit.builders import at, dag_run, mark, op, whole


def one(records: list[Record]) -> Run:
    (found,) = runs(whole(records)).values()
    return found


def test_a_good_run() -> None:
    run = one(dag_run("r", 1, 2, 5))
    assert run.accepted
    assert (run.invoked, run.answered, run.ended, run.state) == (at(1), at(1.05), at(5), "success")
    assert run.tasks == frozenset({Task("r", "extract", -1), Task("r", "load", -1)})


def test_a_trigger_without_an_answer_is_unknown() -> None:
    assert one([op(1, "trigger", "invoke", "r")]).answer == "info"


@pytest.mark.parametrize(
    ("type_", "value", "state"),
    [
        ("ok", {"state": "success"}, "success"),
        ("ok", {}, "success"),
        ("ok", {"state": "failed"}, "failed"),
        ("fail", {"state": "failed"}, "failed"),
        ("info", {"state": "running"}, "unfinished"),
        ("info", {"state": "unknown"}, "unknown"),
    ],
)
def test_how_a_run_ended(type_: str, value: dict[str, str], state: str) -> None:
    end = op(9, "run", "ok", "r", **value).model_copy(update={"type": type_})
    run = one([op(1, "trigger", "invoke", "r"), op(2, "trigger", "ok", "r"), end])
    assert run.state == state
    assert run.ended == (at(9) if state in ("success", "failed") else None)


def test_a_run_that_ended_has_ended_though_it_is_followed_again() -> None:
    assert one([*dag_run("r", 1, 2, 5), op(6, "run", "invoke", "r")]).state == "success"


@pytest.mark.parametrize(
    "records",
    [
        [op(1, "trigger", "invoke", "r"), op(2, "trigger", "invoke", "r")],
        [op(1, "trigger", "ok", "r")],
        [op(1, "trigger", "invoke", "")],
        [op(1, "trigger", "invoke", "r", tasks=[["load"]])],
        [op(1, "trigger", "invoke", "r", tasks=7)],
    ],
)
def test_a_record_that_contradicts_itself_is_an_error(records: list[Record]) -> None:
    with pytest.raises(HistoryError):
        runs(whole(records))


def test_operations_of_other_kinds_are_left_alone() -> None:
    assert runs(whole([op(1, "login", "invoke", "")])) == {}


def attempts(*marks: Mark) -> list[tuple[float, float | None]]:
    (done,) = work(marks).values()
    return [(a.start / at(1), None if a.end is None else a.end / at(1)) for a in done.attempts]


def test_starts_and_ends_go_together_by_try_and_host_first_come_first_served() -> None:
    assert attempts(mark(1, "start"), mark(2, "start"), mark(3, "end"), mark(4, "end")) == [(1, 3), (2, 4)]
    other = mark(2, "start", try_=2), mark(3, "end", try_=2)
    assert attempts(mark(1, "start"), *other) == [(1, None), (2, 3)]
    elsewhere = mark(2, "start", host="worker-1"), mark(3, "end", host="worker-1")
    assert attempts(mark(1, "start"), *elsewhere, mark(5, "end")) == [(1, 5), (2, 3)]


def tries(*marks: Mark) -> list[tuple[float, float | None, int]]:
    (done,) = work(marks).values()
    return [(a.start / at(1), None if a.end is None else a.end / at(1), a.try_) for a in done.attempts]


def test_an_attempt_has_the_number_of_its_try_whether_it_ended_or_not() -> None:
    assert tries(mark(1, "start", try_=2), mark(3, "end", try_=2), mark(4, "start", try_=3)) == [
        (1, 3, 2),
        (4, None, 3),
    ]


def test_a_deferred_task_may_end_elsewhere_than_it_began_in_the_same_try() -> None:
    began = mark(1, "start", host="worker-0"), mark(2, "start", try_=2, host="worker-1")
    assert tries(*began, mark(5, "end", try_=2, host="worker-2", resumed=True)) == [(1, None, 1), (2, 5, 2)]
    assert tries(*began, mark(5, "end", try_=1, host="worker-2", resumed=True)) == [(1, 5, 1), (2, None, 2)]
    assert tries(*began, mark(5, "end", try_=2, host="worker-2")) == [(1, None, 1), (2, None, 2)]
    assert tries(*began, mark(5, "end", try_=3, host="worker-2", resumed=True)) == [(1, None, 1), (2, None, 2)]


def test_a_resumed_task_that_ends_where_one_began_ends_that_one() -> None:
    began = mark(1, "start", host="worker-0"), mark(2, "start", host="worker-1")
    assert tries(*began, mark(5, "end", host="worker-1", resumed=True)) == [(1, None, 1), (2, 5, 1)]
    # Nothing waits on worker-2, and of those that wait elsewhere the first that began is taken.
    assert tries(*began, mark(5, "end", host="worker-2", resumed=True)) == [(1, 5, 1), (2, None, 1)]


def test_only_ends_look_elsewhere() -> None:
    again = mark(1, "start", host="worker-0"), mark(2, "start", host="worker-1", resumed=True)
    assert tries(*again, mark(3, "end", host="worker-1"), mark(4, "end", host="worker-0")) == [(1, 4, 1), (2, 3, 1)]


def test_an_end_without_a_start_is_a_stray() -> None:
    (done,) = work([mark(1, "start"), mark(2, "end"), mark(3, "end"), mark(4, "end", resumed=True)]).values()
    assert (len(done.attempts), done.ends, done.strays) == (1, 3, 2)


def test_a_mapped_task_is_named_with_its_index_from_the_first_on() -> None:
    assert [str(Task("r", "load", index)) for index in (-1, 0, 1)] == ["r/load", "r/load[0]", "r/load[1]"]


def overlap(*spans: tuple[float, float | None]) -> tuple[int, int] | None:
    marks: list[Mark] = []
    for number, (start, end) in enumerate(spans):
        marks.append(mark(start, "start", try_=number))
        marks += [mark(end, "end", try_=number)] if end is not None else []
    (done,) = work(marks).values()
    return done.overlap


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(1, 3), (2, 4)], (at(2), at(3))),
        ([(1, 9), (2, 3)], (at(2), at(3))),
        ([(1, 3), (1, 3)], (at(1), at(3))),
        ([(1, 2), (2, 3)], None),
        ([(1, 2), (3, 4)], None),
        ([(1, None), (2, 3)], None),
        ([(1, None), (2, None)], None),
        ([(1, 3), (2, None)], (at(2), at(2) + 1)),
        ([(1, 3), (3, None)], None),
        ([(1, None), (1, 3)], (at(1), at(1) + 1)),
        ([(2, 2), (1, 3)], None),
        ([(1, 2), (3, 5), (4, 6)], (at(4), at(5))),
    ],
)
def test_overlaps_are_only_those_that_are_proved(
    spans: list[tuple[float, float | None]], expected: tuple[int, int] | None
) -> None:
    assert overlap(*spans) == expected


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=5)


@given(SPANS)
def test_overlaps_agree_with_looking_at_every_moment(spans: list[tuple[int, int]]) -> None:
    truth = any(sum(s <= t + 0.5 < s + n for s, n in spans) > 1 for t in range(40))
    assert (overlap(*((s, s + n) for s, n in spans)) is not None) is truth


@given(SPANS, st.randoms())
def test_attempts_do_not_depend_on_the_order_of_tries(spans: list[tuple[int, int]], rnd: object) -> None:
    assert overlap(*((s, s + n) for s, n in spans)) == overlap(*((s, s + n) for s, n in reversed(spans)))


def test_an_empty_history_has_no_runs() -> None:
    assert runs(History(meta=None)) == {}
