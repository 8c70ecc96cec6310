"""Two clocks brought together: the truth is within the stated error, and what was in order stays so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.clocks import Clock, Reading, read

S, MS = 1_000_000_000, 1_000_000


class Far:
    """A clock elsewhere: `ahead` at the beginning, and faster by `ppm`. Ours is moved by what a question takes."""

    def __init__(self, ahead: int, ppm: int, ways: Iterator[tuple[int, int]]) -> None:
        self.ours, self._ahead, self._ppm, self._ways = 10 * S, ahead, ppm, ways

    def shows(self, ours: int) -> int:
        return ours + self._ahead + ours * self._ppm // 1_000_000

    def ask(self) -> int:
        there, back = next(self._ways)
        self.ours += there
        theirs = self.shows(self.ours)
        self.ours += back
        return theirs

    def now(self) -> int:
        return self.ours


ways = st.tuples(st.integers(1, 20 * MS), st.integers(1, 20 * MS))


@given(st.integers(-(10**15), 10**15), st.integers(-500, 500), st.data())
def test_the_truth_is_within_the_stated_error(ahead: int, ppm: int, data: st.DataObject) -> None:
    """Whichever way took longer, and however fast it drifts: 500 ppm is what Linux corrects at the most."""

    def each() -> Iterator[tuple[int, int]]:
        while True:
            yield data.draw(ways)

    far = Far(ahead, ppm, each())
    readings = []
    for _ in range(5):
        readings.append(read(far.ask, far.now, tries=3))
        far.ours += 5 * S
    clock = Clock(readings)
    first, last = clock.span
    true = np.linspace(first, last, 200).astype(np.int64)
    found = clock.ours(np.array([far.shows(int(t)) for t in true], dtype=np.int64))
    # Half a nanosecond is lost in rounding, here and there.
    assert int(np.abs(found - true).max()) <= clock.error + 2


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=50), st.integers(-(10**15), 10**15))
def test_what_was_in_order_stays_so(times: list[int], ahead: int) -> None:
    clock = Clock([Reading(t, t + ahead + t // 5000, 1000) for t in range(0, 10**12 + 1, 10**11)])
    theirs = np.array(sorted(times), dtype=np.int64) + max(ahead, 0)
    assert bool((np.diff(clock.ours(theirs)) >= 0).all())


def test_of_several_answers_the_quickest_counts() -> None:
    far = Far(7 * S, 0, iter([(9 * MS, MS), (MS, MS), (30 * MS, 2 * MS)]))
    found = read(far.ask, far.now, tries=3)
    assert found.error == MS
    assert found.offset == 7 * S


def test_a_slow_way_in_one_direction_is_an_error_that_is_stated() -> None:
    far = Far(0, 0, iter([(40 * MS, 0)]))
    found = read(far.ask, far.now, tries=1)
    assert (found.offset, found.error) == (20 * MS, 20 * MS)


def test_before_the_first_reading_and_after_the_last_the_offset_is_theirs() -> None:
    clock = Clock([Reading(10 * S, 12 * S, MS), Reading(20 * S, 23 * S, MS)])
    assert clock.ours(np.array([2 * S, 12 * S, 23 * S, 33 * S])).tolist() == [0, 10 * S, 20 * S, 30 * S]
    assert clock.drift == S
    assert clock.error == S + MS


def test_one_that_was_never_read_shows_nothing() -> None:
    with pytest.raises(ValueError, match="never read"):
        Clock([])
