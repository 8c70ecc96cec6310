"""A session is what began one soon after the other, and no longer than a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from harness.report.sessions import APART, LONGEST, newest

LAST = datetime(2026, 3, 2, 1, tzinfo=UTC)


def before(*hours: float) -> list[str]:
    return [(LAST - timedelta(hours=ago)).isoformat() for ago in hours]


def test_it_goes_back_to_where_nothing_began_for_long() -> None:
    assert newest(before(0, 1, 2.5, 5, 5.5)) == [0, 1, 2]
    assert newest(before(5.5, 0, 2.5, 1)) == [1, 3, 2]
    assert newest([]) == []


def test_it_is_no_longer_than_a_day() -> None:
    assert newest(before(*range(40))) == list(range(25))


def test_what_began_at_no_time_is_in_none_and_zones_are_heeded() -> None:
    assert newest(["yesterday", "", "9999-12-31T23:59:59-23:59", *before(0)]) == [3]
    assert newest(["2026-03-02T00:00:00", "2026-03-02T02:00:00+01:00"]) == [1, 0]


@given(st.lists(st.floats(0, 60).map(lambda ago: round(ago, 2)), max_size=30))
def test_all_that_is_left_out_is_far_from_what_is_in(hours: list[float]) -> None:
    found = newest(before(*hours))
    ago = sorted(hours[place] for place in found)
    out = [one for place, one in enumerate(hours) if place not in found]
    assert [hours[place] for place in found] == ago
    if hours:
        assert ago[0] == min(hours)
        apart, longest = (limit / timedelta(hours=1) for limit in (APART, LONGEST))
        assert all(one - ago[-1] > apart or one - ago[0] > longest for one in out)
