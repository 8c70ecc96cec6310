"""When runs are due, held against the wall clock itself: each second is asked whether the timetable names it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import NS
from harness.records import Schedule
from harness.schedule.ticks import EPOCH, moment, shown, ticks

HOURLY: dict[str, Callable[[datetime], bool]] = {
    "*/10 * * * *": lambda wall: wall.minute % 10 == 0 and wall.second == 0,
    "* * * * * */10": lambda wall: wall.second % 10 == 0,
    "* * * * * 7,50": lambda wall: wall.second in (7, 50),
    "15 * * * 0,3": lambda wall: wall.isoweekday() in (7, 3) and (wall.minute, wall.second) == (15, 0),
}
ZONES = ("UTC", "Europe/Zurich", "America/St_Johns", "Asia/Kolkata", "Australia/Sydney")
# An hour before and after clocks are changed somewhere, and a quiet day.
MOMENTS = (
    "2026-03-29T00:00:00Z",
    "2026-10-25T00:00:00Z",
    "2026-11-01T03:30:00Z",
    "2026-04-04T15:00:00Z",
    "2026-06-07T09:00:00Z",
)
START = "2026-06-01T12:00:00Z"


def schedule(kind: Any = "cron", **fields: Any) -> Schedule:
    return Schedule(kind=kind, **{"start": START, "unpaused": START, "catchup": True, **fields})


def dues(owed: Schedule, until: str) -> list[str]:
    return [shown(tick.due) for tick in ticks(owed, moment(until))]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(HOURLY)), st.sampled_from(ZONES), st.sampled_from(MOMENTS), st.integers(0, 3600))
def test_what_comes_hourly_comes_whenever_the_clock_on_the_wall_says_so(
    expression: str, zone: str, begin: str, later: int
) -> None:
    since = moment(begin) + later * NS
    owed = schedule(expression=expression, timezone=zone, start=shown(since), unpaused=shown(since))
    window = range(since, since + 7200 * NS, NS)
    named = [t for t in window if HOURLY[expression]((EPOCH + timedelta(seconds=t // NS)).astimezone(ZoneInfo(zone)))]
    assert [tick.due for tick in ticks(owed, window[-1])] == named


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]),
        ("30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"]),
        ("0 */2 * * *", "2026-10-24T23:00:00Z", ["2026-10-25T01:00:00Z", "2026-10-25T03:00:00Z"]),
    ],
    ids=["left out", "twice", "every other hour"],
)
def test_what_comes_daily_comes_once_on_the_day_that_clocks_are_changed(
    expression: str, start: str, expected: list[str]
) -> None:
    owed = schedule(expression=expression, timezone="Europe/Zurich", start=start)
    assert dues(owed, "2026-12-01T00:00:00Z")[:2] == expected


@given(st.integers(1, 90), st.integers(0, 10**6), st.booleans(), st.integers(0, 900))
def test_a_delta_counts_from_its_start(every: int, micros: int, interval: bool, seconds: int) -> None:
    start = moment(START) + micros * 1000
    owed = schedule("delta", every_s=float(every), start=shown(start), interval=interval)
    found = ticks(owed, start + seconds * NS)
    assert [t.logical for t in found] == [
        start + n * every * NS for n in range(1 + seconds // every - interval) if seconds >= every * interval
    ]
    assert all(t.due - t.logical == every * interval * NS and t.superseded - t.due == every * NS for t in found)


def test_nothing_comes_before_the_start_or_after_the_end() -> None:
    owed = schedule(expression="* * * * *", start="2026-06-01T12:00:01Z", end="2026-06-01T12:03:00Z", interval=True)
    assert dues(owed, "2026-06-02T00:00:00Z") == [f"2026-06-01T12:0{n}:00Z" for n in (2, 3, 4)]


def test_without_catching_up_it_begins_a_little_before_it_was_unpaused() -> None:
    long = schedule(expression="0 0 * * *", start="2020-01-01T00:00:00Z", catchup=False)
    short = schedule("delta", every_s=10.0, interval=True, start="2020-01-01T00:00:00Z", catchup=False)
    early = schedule("delta", every_s=10.0, interval=True, catchup=False)
    assert len([tick for tick in ticks(long, moment(START)) if tick.superseded > moment(START)]) == 1
    assert 30 < len(ticks(short, moment(START))) < 70
    assert dues(early, "2026-06-01T12:00:20Z") == ["2026-06-01T12:00:10Z", "2026-06-01T12:00:20Z"]


@pytest.mark.parametrize(
    "fields",
    [
        {"expression": "every minute"},
        {"expression": "* * * * *", "timezone": "Mars/Olympus"},
        {"expression": "0 0 30 2 *"},
        {"expression": "* * * * *", "start": "yesterday"},
        {"kind": "delta"},
        {"kind": "asset"},
        {"kind": "delta", "every_s": 7.0, "catchup": False},
        {"kind": "delta", "every_s": 7.0, "catchup": False, "interval": True, "start": "2026-06-01T12:00:01Z"},
        {"kind": "delta", "every_s": 0.001},
    ],
    ids=lambda fields: ", ".join(map(str, fields.values())),
)
def test_what_is_no_timetable_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(HistoryError):
        ticks(schedule(**{"kind": "cron", **fields}), moment("2026-12-01T00:00:00Z"))


def test_a_year_is_kept_to_though_every_minute_is_named() -> None:
    owed = schedule(expression="* * * * * 30 2027")
    assert dues(owed, "2027-01-01T00:01:00Z") == ["2027-01-01T00:00:30Z"]
