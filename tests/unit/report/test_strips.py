"""No bad stretch is ever dropped from a strip, however short it was and however many there were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import NS, Record
from harness.report import latency, strips
from harness.samples import Column
from tests.unit.builders import column, healthy, sample, series, whole

patterns = st.text(alphabet=st.sampled_from(".....x?"), min_size=1, max_size=300)


def stretches(pattern: str, most: int) -> list[strips.Stretch]:
    return strips.bad_stretches(column(series(pattern)), most)


def runs(pattern: str) -> list[str]:
    return [run for run in pattern.replace("?", "x").split(".") if run]


@given(patterns, st.integers(1, 30))
def test_every_bad_sample_is_in_a_stretch_that_says_how_many_there_are(pattern: str, most: int) -> None:
    found = stretches(pattern, most)
    bad = [place * NS for place, char in enumerate(pattern) if char != "."]
    for due in bad:
        assert any(s.start <= due <= s.end for s in found)
    for s in found:
        until = s.end if s.end < (len(pattern) - 1) * NS or pattern[-1] == "." else s.end + 1
        assert s.bad == sum(s.start <= due < until for due in bad)
    assert len(found) <= most + strips.LONGEST
    if len(runs(pattern)) <= most:
        assert [s.bad for s in found] == [len(run) for run in runs(pattern)]
        assert not any(s.mixed for s in found)


@given(patterns)
def test_the_longest_outage_is_there_by_itself_even_where_all_became_one(pattern: str) -> None:
    longest = max(map(len, runs(pattern)), default=0)
    pure = [s.bad for s in stretches(pattern, 1) if not s.mixed]
    assert max(pure, default=0) == longest


def test_a_stretch_ends_with_the_next_good_sample_or_the_last_one_of_all() -> None:
    assert [(s.start / NS, s.end / NS) for s in stretches("..x.xx", 9)] == [(2, 3), (4, 5)]


def test_when_nobody_asked_the_strip_is_blank() -> None:
    asked = strips.asked(column([*series("....."), *series("...", start=20)]), 9)
    assert asked == [(0, 4 * NS, 5), (20 * NS, 22 * NS, 3)]
    assert strips.asked(column([sample(3)]), 9) == [(3 * NS, 3 * NS, 1)]


def test_a_strip_for_each_series_says_what_went_wrong() -> None:
    records: list[Record] = [*healthy(), sample(20.7, "fail", "slow")]
    lanes = {lane.label: lane for lane in strips.band(whole(records)).lanes}
    assert set(lanes) == {
        "GET dags, new connections", "GET slow, new connections", "GET version, new connections",
        "GET version, reused connections", "POST trigger, new connections",
    }  # fmt: skip
    said = lanes["GET slow, new connections"].bars[-1]
    assert said.look is strips.BAD
    assert "1 request not answered well" in said.said
    assert "fail 503 not answered" in said.said


def many(count: int, slow: int) -> Column:
    return column([sample(0).model_copy(update={"due": i, "end": i + (9 if i == slow else 5)}) for i in range(count)])


@pytest.mark.parametrize("bins", [1, 400, 6000])
def test_latency_keeps_the_slowest_of_each_part_of_the_time(bins: int) -> None:
    samples = many(5000, slow=777)
    places, counts = latency.slowest(samples, samples.due.astype("intp"), bins)
    assert len(places) <= bins
    assert places.tolist() == sorted(places.tolist())
    assert 777 in places
    assert counts.sum() == 5000
