"""What is made fewer to be drawn loses nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.thin import groups, rows

spans = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=60)


def laid(pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Stretches in order and apart: so far after the last one, and so long."""
    starts, ends, now = [], [], 0
    for gap, length in pairs:
        starts.append(now + gap)
        now = starts[-1] + length
        ends.append(now)
    return starts, ends


@given(spans, st.integers(1, 20))
def test_every_place_is_in_one_group_and_only_the_nearest_are_joined(pairs: list[tuple[int, int]], most: int) -> None:
    starts, ends = laid(pairs)
    found = groups(np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64), most)
    assert [place for i, j in found for place in range(i, j + 1)] == list(range(len(pairs)))
    assert len(found) == min(len(pairs), most)
    between = [starts[j + 1] - ends[j] for _, j in found[:-1]]
    within = [starts[k + 1] - ends[k] for i, j in found for k in range(i, j)]
    assert not within or not between or max(within) <= min(between)


def test_the_widest_gaps_stay() -> None:
    starts, ends = np.array([0, 2, 10, 12, 30]), np.array([1, 3, 11, 13, 31])
    assert groups(starts, ends, 3) == [(0, 1), (2, 3), (4, 4)]


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=40).map(sorted), st.integers(1, 50))
def test_what_shares_a_row_does_not_overlap_unless_rows_run_out(pairs: list[tuple[int, int]], most: int) -> None:
    whole = [(start, start + length) for start, length in pairs]
    places = rows(whole, most)
    assert len(places) == len(whole)
    assert all(0 <= place < most for place in places)
    for row in set(places) - {most - 1}:
        own = [span for span, place in zip(whole, places, strict=True) if place == row]
        assert all(one[1] <= two[0] for one, two in pairwise(own))


@pytest.mark.parametrize("most", [1, 5])
def test_nothing_makes_nothing(most: int) -> None:
    nothing = np.array([], dtype=np.int64)
    assert groups(nothing, nothing, most) == []
    assert rows([], most) == []
