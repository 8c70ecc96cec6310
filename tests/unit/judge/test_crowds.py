"""What is at work at once is counted as one would count it by hand, mark for mark."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.history import History, Mark
from harness.judge.crowds import attempts, crowded, runs
from tests.unit.builders import mark

POOLS = {("dag", "work"): "pool"}


def history(*marks: Mark) -> History:
    return History.of([m.model_copy(update={"dag": "dag"}) for m in marks])


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(1, 4))
def test_one_that_begins_while_there_is_no_room_is_found(numbers: list[int], slots: int) -> None:
    """A number begins where it is not at work, and ends where it is; all of it within one tick of the clock."""
    there: set[int] = set()
    marks, found = [], 0
    for number in [*numbers, *sorted({n for n in numbers if numbers.count(n) % 2})]:
        starts = number not in there
        marks.append(mark(1.0, "start" if starts else "end", f"r{number}", "work"))
        there ^= {number}
        found += starts and len(there) > slots
    assert len(crowded(attempts(history(*marks), POOLS), slots)) == found


def test_what_never_ended_was_there_as_it_began_and_no_longer() -> None:
    killed = mark(1, "start", "a", "work")
    after = [mark(2, "start", "b", "work"), mark(3, "end", "b", "work")]
    before = [mark(0.5, "start", "b", "work"), mark(3, "end", "b", "work")]
    assert crowded(attempts(history(killed, *after), POOLS), 1) == []
    (crowd,) = crowded(attempts(history(before[0], killed, before[1]), POOLS), 1)
    assert crowd.names == "dag/b/work, dag/a/work"


def test_a_run_is_over_no_earlier_than_its_last_task_and_what_runs_twice_makes_it_no_longer() -> None:
    spans = runs(
        history(
            mark(1, "start", "a", "one"),
            mark(2, "end", "a", "one"),
            mark(3, "start", "a", "two"),
            mark(4, "end", "a", "two"),
            mark(5, "end", "a", "one"),
            mark(6, "start", "b", "one"),
        )
    )
    assert {key: (span.first, span.last) for key, span in spans.items()} == {("dag", "a"): (0, 3), ("dag", "b"): (5, 5)}
