"""Waiting, on a clock that does not sleep."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import WaitTimeout
from harness.wait import until
from tests.unit.clock import Clock


def wait(answers: Iterator[bool], clock: Clock, successes: int = 1, timeout: float = 10) -> bool:
    return until(
        lambda: next(answers), bool, what="the light", timeout=timeout, every=0.5, successes=successes, clock=clock
    )


def test_what_is_true_at_once_is_not_waited_for() -> None:
    clock = Clock()
    assert wait(repeat(True), clock) is True
    assert clock.now == 0


def test_what_comes_true_later_is_waited_for() -> None:
    clock = Clock()
    wait(chain([False] * 3, repeat(True)), clock)
    assert clock.now == 1.5


def test_what_never_comes_true_is_told_with_what_was_seen_last() -> None:
    clock = Clock()
    with pytest.raises(WaitTimeout, match="the light did not come true within 10 s; last seen: False"):
        wait(repeat(False), clock)
    assert clock.now == 10


def test_even_without_time_it_is_looked_at_once() -> None:
    assert wait(repeat(True), Clock(), timeout=0) is True
    with pytest.raises(WaitTimeout):
        wait(repeat(False), Clock(), timeout=0)


@given(st.lists(st.booleans(), max_size=15), st.integers(1, 4))
def test_successes_must_come_in_a_row(answers: list[bool], successes: int) -> None:
    seen = [*answers, *[True] * successes]
    first = next(i for i in range(successes, len(seen) + 1) if all(seen[i - successes : i]))
    clock = Clock()
    wait(iter(seen), clock, successes, timeout=100)
    assert clock.now == 0.5 * (first - 1)


def test_errors_of_the_look_are_not_swallowed() -> None:
    def look() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        until(look, bool, what="it", timeout=10, clock=Clock())


def test_the_real_clock_is_used_where_none_is_given() -> None:
    answers = iter([False, True])
    assert until(lambda: next(answers), bool, what="it", timeout=60, every=0.001) is True
