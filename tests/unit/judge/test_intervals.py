"""Outage windows are measured as far as samples can tell, and never further."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import NS, Sample
from harness.judge.intervals import error_share, gaps, interval, outage_count, outages
from tests.unit.builders import at, column, sample, series


def windows(pattern: str) -> list[tuple[float, float, bool]]:
    return [(o.start / NS, o.end / NS, o.open) for o in outages(column(series(pattern)))]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", []),
        ("...", []),
        (".x.", [(1, 2, False)]),
        (".xxx.", [(1, 4, False)]),
        (".x?x.", [(1, 4, False)]),
        ("?..", [(0, 1, False)]),
        (".x.x.", [(1, 2, False), (3, 4, False)]),
        ("..x", [(2, 2, True)]),
        (".xx", [(1, 2, True)]),
        ("xxx", [(0, 2, True)]),
        (".x.xx", [(1, 2, False), (3, 4, True)]),
    ],
)
def test_windows_are_half_open_from_bad_to_good(pattern: str, expected: list[tuple[float, float, bool]]) -> None:
    assert windows(pattern) == expected
    assert outage_count(column(series(pattern))) == len(expected)


@pytest.mark.parametrize(
    ("pattern", "most", "kept"),
    [
        (".x.xxx.x.", 1, [(3, 6)]),
        (".xx.xxx.x.", 2, [(1, 3), (4, 7)]),
        (".xxx.xx.x", 1, [(1, 4), (8, 8)]),
        (".x" * 200 + ".", 50, [(i, i + 1) for i in range(1, 100, 2)]),
        (
            ".x.xx" * 100 + ".",
            150,
            sorted([(5 * i + 3, 5 * i + 5) for i in range(100)] + [(5 * i + 1, 5 * i + 2) for i in range(50)]),
        ),
        (".x.", 0, []),
    ],
)
def test_of_many_the_longest_are_kept_and_of_those_alike_the_first(
    pattern: str, most: int, kept: list[tuple[float, float]]
) -> None:
    assert [(o.start / NS, o.end / NS) for o in outages(column(series(pattern)), most)] == kept


def test_order_of_arrival_does_not_matter() -> None:
    assert outages(column(reversed(series(".xx.x.")))) == outages(column(series(".xx.x.")))


def test_due_time_counts_not_start_nor_end() -> None:
    (found,) = outages(column([sample(1, "fail", late=0.4, took=9), sample(2, late=0.7, took=3)]))
    assert (found.start, found.end) == (at(1), at(2))


MS = NS // 1000
STEPS = st.integers(min_value=1, max_value=1000).map(lambda ms: ms * MS)


def answers(step: int, count: int, down: list[tuple[int, int]]) -> list[Sample]:
    """What an open-loop prober sees of a target that is down in the given stretches."""
    out = []
    for i in range(count):
        due = i * step
        outcome = "fail" if any(a <= due < b for a, b in down) else "ok"
        out.append(sample(0).model_copy(update={"t": due, "due": due, "end": due, "outcome": outcome}))
    return out


@given(step=STEPS, start=st.floats(0, 40), length=st.floats(0, 40))
def test_an_outage_is_measured_within_one_interval(step: int, start: float, length: float) -> None:
    begin, end = int(start * step), int((start + length) * step)
    found = outages(column(answers(step, 100, [(begin, end)])))
    if not found:
        assert end - begin < step
        return
    (outage,) = found
    assert not outage.open
    assert abs((outage.end - outage.start) - (end - begin)) < step
    assert 0 <= outage.start - begin < step
    assert 0 <= outage.end - end < step


@given(step=STEPS, start=st.floats(0, 90))
def test_an_outage_that_does_not_end_is_open_and_a_lower_bound(step: int, start: float) -> None:
    begin, count = int(start * step), 100
    (outage,) = outages(column(answers(step, count, [(begin, 10**18)])))
    assert outage.open
    assert outage.end - outage.start <= count * step - begin


@given(st.lists(st.sampled_from(".x?"), max_size=60).map("".join))
def test_windows_hold_every_bad_sample_and_no_good_one(pattern: str) -> None:
    samples = series(pattern)
    found = outages(column(samples))
    for s in samples:
        inside = any(o.start <= s.due < o.end or (o.open and s.due == o.end) for o in found)
        assert inside == (s.outcome != "ok")
    assert sum(o.requests for o in found) == sum(s.outcome != "ok" for s in samples)


@given(st.lists(st.sampled_from(".x?"), min_size=1, max_size=60).map("".join))
def test_error_share_counts_what_was_not_answered_well(pattern: str) -> None:
    share = 100 * (len(pattern) - pattern.count(".")) / len(pattern)
    assert error_share(column(series(pattern))) == pytest.approx(share)


def test_error_share_of_nothing_is_not_a_number() -> None:
    assert math.isnan(error_share(column([])))


@given(step=STEPS, count=st.integers(10, 60), lost=st.sets(st.integers(1, 8), max_size=8))
def test_gaps_are_found_exactly_where_samples_are_missing(step: int, count: int, lost: set[int]) -> None:
    samples = [s for i, s in enumerate(answers(step, count * 3, [])) if i not in lost]
    usual = interval(column(samples))
    assert usual == step
    found = gaps(column(samples), usual)
    kept = sorted(set(range(count * 3)) - lost)
    assert len(found) == sum(b - a > 2.5 for a, b in pairwise(kept))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_the_interval_is_the_lower_median_of_the_distances(steps: list[int]) -> None:
    dues = accumulate(steps, initial=0)
    found = interval(column(sample(0).model_copy(update={"due": due}) for due in dues))
    assert (found or 0) == median_low(steps)


def test_one_sample_has_no_interval() -> None:
    assert interval(column(series("."))) is None
    assert interval(column([])) is None


def test_samples_due_at_the_same_time_have_no_interval() -> None:
    assert interval(column([sample(1), sample(1), sample(1)])) is None


def test_the_end_of_sampling_is_a_gap_too() -> None:
    assert gaps(column(series("....")), at(1), until=at(5.5)) == ()
    (gap,) = gaps(column(series("....")), at(1), until=at(6))
    assert (gap.start, gap.end) == (at(3), at(6))


@given(st.lists(st.sampled_from(".x?"), max_size=60).map("".join), st.integers(1, 5))
def test_of_many_windows_the_longest_are_kept_and_one_that_is_open(pattern: str, most: int) -> None:
    every = outages(column(series(pattern)))
    some = outages(column(series(pattern)), most)
    assert set(some) <= set(every)
    assert [o for o in every if o.open] == [o for o in some if o.open]
    longest = sorted((o.seconds for o in every), reverse=True)[:most]
    assert sorted((o.seconds for o in some), reverse=True)[: len(longest)] == longest
