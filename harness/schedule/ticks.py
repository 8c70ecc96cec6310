"""What a timetable owes: when its runs are due, worked out from what it says, never asked of Airflow.

Moments are nanoseconds since the epoch. What a tick is follows Airflow 3.3.2: `timetables/interval.py` and `trigger.py`
(`next_dagrun_info`) and `_cron.py` (`_get_next`). When clocks go back, what comes every hour comes in both hours of the
same name, anything else in the second; what falls into a skipped hour comes an hour later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from harness.errors import HistoryError
from harness.records import NS, Schedule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 100_000
# A DAG that does not catch up may begin with a tick from before it was unpaused: the newest when its file was read.
LOOK_BACK = 600 * NS
EACH = "*"
Next = Callable[[int], int]


class Tick(NamedTuple):
    """A run that is owed: its logical date, when it is due, and when the next one is, which supersedes it."""

    logical: int
    due: int
    superseded: int


def moment(text: object) -> int:
    """The moment of a wall time in ISO 8601; UTC if it names no zone. Raises `HistoryError` if it is not one."""
    try:
        read = datetime.fromisoformat(str(text))
    except ValueError as cause:
        raise HistoryError(f"{text!r} is no time in ISO 8601") from cause
    aware = read if read.tzinfo else read.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1) * 1000


def shown(t: int) -> str:
    """A moment for people."""
    return (EPOCH + timedelta(microseconds=t // 1000)).isoformat().removesuffix("+00:00") + "Z"


def named(dag: str, tick: Tick) -> str:
    """What checks call a tick in their windows."""
    return f"{dag}, due {shown(tick.due)}"


def ticks(schedule: Schedule, until: int) -> list[Tick]:
    """What is due by `until`, in order. Without catch-up, this includes ticks from before it was unpaused, since a few
    of those may run. Raises `HistoryError` if the timetable is invalid, or its ticks depend on more than itself."""
    end = moment(schedule.end) if schedule.end else None
    found: list[Tick] = []
    for tick in _from(schedule):
        if tick.due > until or (end is not None and tick.logical > end):
            return found
        if len(found) == MOST:
            raise HistoryError(f"the timetable {schedule.expression or schedule.every_s!r} has over {MOST} ticks")
        found.append(tick)
    return found


def _from(schedule: Schedule) -> Iterator[Tick]:
    after, start = _timetable(schedule), moment(schedule.start)
    one = _first(after, start) if schedule.catchup else _before(after, start, moment(schedule.unpaused))
    two = after(one)
    while True:
        three = after(two)
        yield Tick(one, two, three) if schedule.interval else Tick(one, one, two)
        one, two = two, three


def _first(after: Next, since: int) -> int:
    one = after((since - 1) // NS * NS)
    while one < since:
        one = after(one)
    return one


def _before(after: Next, start: int, unpaused: int) -> int:
    """The first tick to look at: far enough before it was unpaused for three more to follow, if the start allows."""
    back = LOOK_BACK
    while True:
        since = max(start, unpaused - back)
        one = _first(after, since)
        if since == start or after(after(after(one))) <= unpaused:
            return one
        back *= 4


def _timetable(schedule: Schedule) -> Next:
    if schedule.kind == "cron":
        return _cron(schedule.expression, schedule.timezone)
    if schedule.kind == "delta":
        return _delta(schedule)
    raise HistoryError("runs that updates of assets ask for have no timetable")


def _delta(schedule: Schedule) -> Next:
    """With catch-up, ticks count from the start; without, intervals are aligned to the epoch (`_skip_to_latest`)."""
    every, start = round(schedule.every_s * NS), moment(schedule.start)
    if every <= 0:
        raise HistoryError(f"a timetable that comes every {schedule.every_s} s never goes on")
    if not schedule.catchup and not schedule.interval:
        raise HistoryError("a DeltaTriggerTimetable without catch-up ticks from whenever it was last looked at")
    if not schedule.catchup and start % every:
        raise HistoryError("without catch-up, the start of a delta timetable must be a multiple of its delta")
    return lambda t: t + every - (t - start) % every


def _cron(expression: str, timezone: str) -> Next:
    try:
        zone = ZoneInfo(timezone)
        cron = croniter(expression)
    except (CroniterError, ValueError, OSError, KeyError) as cause:
        raise HistoryError(f"{expression!r} in {timezone!r} is no cron timetable: {cause}") from cause

    fields: list[list[int | str]] = [*cron.expanded, [0]]
    hourly = fields[1] == [EACH]
    if all(field == [EACH] for field in fields[:5]) and len(cron.expanded) < 7:
        return _every_minute(fields[5])

    def after(t: int) -> int:
        local = (EPOCH + timedelta(seconds=t // NS)).astimezone(zone).replace(tzinfo=None)
        try:
            then: datetime = cron.get_next(datetime, start_time=local)
            if hourly:
                return t // NS * NS + (then - local) // timedelta(seconds=1) * NS
            while (found := _instant(then, zone)) <= t:
                then = cron.get_next(datetime)
            return found
        except CroniterError as cause:
            raise HistoryError(f"{expression!r} never comes again after {local}: {cause}") from cause

    return after


def _every_minute(seconds: list[int | str]) -> Next:
    """Independent of day and hour: no clock change moves it, and counting is quicker than asking croniter for each."""
    places = sorted(range(60) if seconds == [EACH] else map(int, seconds))
    places.append(places[0] + 60)

    def after(t: int) -> int:
        minute, second = divmod(t // NS, 60)
        return (60 * minute + places[bisect_right(places, second)]) * NS

    return after


def _instant(local: datetime, zone: ZoneInfo) -> int:
    """In an hour that comes twice, the second; in a skipped one, an hour later."""
    late = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    left_out = late.astimezone(zone).replace(tzinfo=None) != local
    there = local.replace(tzinfo=zone, fold=0).astimezone(UTC) if left_out else late
    return (there - EPOCH) // timedelta(microseconds=1) * 1000
