"""What Airflow says of its runs and of its clock, as it was recorded; and which run goes with which tick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import NS, Record
from harness.schedule.listed import Listing, clock_of, listings, paired
from harness.schedule.ticks import named
from tests.unit.builders import at, meta
from tests.unit.judge.airflow_times import ASKED, Dag, Run, listed, probe, scheduled, wall, whole

EVEN = Dag("even", period=10)


def reading(t: float, ahead: float = 0.0, error: Any = 0) -> Record:
    return probe(t, "clock", "offset", wall=wall(t + ahead), error_ns=error)


def listing(runs: Iterable[Run], known: int | None = None) -> Listing:
    lines = [scheduled(run) for run in runs]
    there = len(lines) if known is None else known
    records = [meta({}, schedules={"even": EVEN.schedule()}), listed("invoke", "even", 0), *lines]
    return listings(whole([*records, listed("ok", "even", 2, runs=there)]))["even"]


def asked() -> int:
    clock, _ = clock_of(whole([reading(1), reading(2)]))
    assert clock is not None
    return clock.wall(at(ASKED))


@given(st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(0, 0.2)), min_size=2, max_size=5))
def test_the_offset_lies_within_what_every_reading_allows(readings: list[tuple[float, float]]) -> None:
    records = [reading(1 + i, ahead, at(error)) for i, (ahead, error) in enumerate(readings)]
    clock, _ = clock_of(whole(records))
    assert clock is not None
    exact = clock_of(whole([reading(1), reading(2)]))[0]
    assert exact is not None
    for ahead, error in readings:
        for end in (ahead - error, ahead + error):
            assert abs(exact.offset + at(end) - clock.offset) <= clock.error + NS // 100_000
    assert clock.here(clock.wall(5)) == 5


def test_a_clock_that_was_read_once_or_jumped_is_unknown_and_one_that_makes_no_sense_is_damage() -> None:
    assert clock_of(whole([reading(1)]))[0] is None
    clock, why = clock_of(whole([reading(1), reading(2, ahead=1.5)]))
    assert (clock, "known to 1.5 s only" in why) == (None, True)
    for error in (-1, True, "0", None):
        with pytest.raises(HistoryError, match="how far it may be wrong"):
            clock_of(whole([reading(1, error=error)]))


def test_runs_that_are_not_all_there_are_a_problem() -> None:
    runs = [Run(EVEN, 0, 10, 10.5), Run(EVEN, 10, 20, 20.5)]
    assert listing(runs).problem is None
    assert listing(runs, known=3).problem == "Of the 3 runs that Airflow knows of even, 2 were recorded"
    silent = whole([meta({}, schedules={"even": EVEN.schedule()}), listed("info", "even", 0)])
    assert "could not be asked" in (listings(silent)["even"].problem or "")


def test_each_tick_goes_with_the_first_of_its_runs_and_the_others_are_left_over() -> None:
    runs = [Run(EVEN, 10, 20, 25.0), Run(EVEN, 10, 20, 20.5), Run(EVEN, 13, 23, 24.0)]
    pairs, extra = paired(listing(runs), asked())
    came = [(named("even", tick), run.made) for tick, run in pairs if run]
    assert came == [("even, due 2026-06-01T12:00:20Z", asked() - at(ASKED - 20.5))]
    assert sorted(why for _, why in extra) == ["a second one of the same tick", "of no tick"]


def test_what_somebody_asked_for_goes_with_no_tick_and_is_none_too_many() -> None:
    found = listing([Run(EVEN, 10, 20, 20.5)])
    manual = replace(found, runs=tuple(replace(run, run_type="manual") for run in found.runs))
    pairs, extra = paired(manual, asked())
    assert not [run for _, run in pairs if run]
    assert extra == []
