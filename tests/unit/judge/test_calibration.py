"""Measured minus true is found as it is, and only what is within the stated error holds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import NS, History, Sample
from harness.judge import calibration
from harness.judge.calibration import PUNCTUAL_NS, Calibration, Row, Span, compare
from harness.judge.verdict import judge
from harness.outcome import Verdict
from harness.samples import Column
from tests.unit.builders import changed, column, healthy, meta, named, sample, whole

MS = NS // 1000
STEP = 20 * MS
COUNT = 200


def seen(down: list[Span], delays: list[int] | None = None) -> Column:
    """What the prober records of a stub that fails those requests that come to it in the stretches given."""
    out: list[Sample] = []
    for i in range(COUNT):
        due, delay = i * STEP, delays[i] if delays else 0
        outcome = "fail" if any(a <= due + delay < b for a, b in down) else "ok"
        out.append(sample(0).model_copy(update={"t": due + delay, "due": due, "end": due + delay, "outcome": outcome}))
    return column(out)


@st.composite
def scripts(draw: st.DrawFn) -> list[Span]:
    """Outages of any length, with at least five probe intervals between them and around all."""
    edges = sorted(draw(st.sets(st.integers(5, COUNT - 10), min_size=2, max_size=12)))
    places = [p for i, p in enumerate(edges) if i == 0 or p - edges[i - 1] >= 5][:10]
    spans = []
    for begin, after in pairwise([*places, COUNT - 5]):
        offset = draw(st.integers(0, STEP - 1))
        most = (after - begin - 5) * STEP
        if most > 0:
            spans.append((begin * STEP + offset, begin * STEP + offset + draw(st.integers(1, most))))
    return spans


@given(scripts(), st.lists(st.integers(0, PUNCTUAL_NS), min_size=COUNT, max_size=COUNT))
def test_the_error_of_a_punctual_prober_is_within_the_stated_one(spans: list[Span], delays: list[int]) -> None:
    row = compare("500", seen(spans, delays), spans)
    assert (row.outages, row.unfounded) == (len(spans), 0)
    assert row.worst_ms <= (STEP + PUNCTUAL_NS) / MS
    assert row.least_ms <= row.median_ms <= row.most_ms


def test_what_is_measured_is_set_against_what_is_true() -> None:
    spans = [(45 * MS, 145 * MS), (1000 * MS, 1010 * MS), (2001 * MS, 2009 * MS)]
    row = compare("500", seen(spans), spans)
    assert (row.least_ms, row.median_ms, row.most_ms) == (-8, 0, 10)
    assert (row.kind, row.conn, row.outages, row.unfounded) == ("500", "new", 3, 0)


def test_an_outage_that_was_measured_and_was_not_there_counts_in_full() -> None:
    row = compare("500", seen([(1000 * MS, 1200 * MS)]), [])
    assert (row.unfounded, row.most_ms, row.outages) == (1, 200, 0)


def test_an_outage_that_was_not_measured_counts_in_full() -> None:
    assert compare("hang", seen([]), [(1000 * MS, 1200 * MS)]).least_ms == -200


def test_of_an_outage_in_pieces_the_longest_is_what_was_measured() -> None:
    row = compare("flap", seen([(1000 * MS, 1100 * MS), (1140 * MS, 1440 * MS)]), [(1000 * MS, 1440 * MS)])
    assert (row.least_ms, row.most_ms, row.unfounded) == (-140, 100, 1)
    row = compare("flap", seen([(1000 * MS, 1300 * MS), (1340 * MS, 1440 * MS)]), [(1000 * MS, 1440 * MS)])
    assert (row.least_ms, row.most_ms, row.unfounded) == (-140, 100, 1)


def test_of_an_outage_of_which_only_the_beginning_was_seen_the_rest_is_the_error() -> None:
    row = compare("flap", seen([(1000 * MS, 1100 * MS)]), [(1000 * MS, 1440 * MS)])
    assert (row.least_ms, row.median_ms, row.most_ms, row.unfounded) == (-340, -340, -340, 0)


@pytest.mark.parametrize(
    ("true", "unfounded"),
    [
        ((900 * MS, 995 * MS), 0),
        ((900 * MS, 995 * MS - 1), 1),
        ((1065 * MS, 1200 * MS), 0),
        ((1065 * MS + 1, 1200 * MS), 1),
    ],
)
def test_what_is_as_near_as_the_stated_error_is_the_same_outage(true: Span, unfounded: int) -> None:
    """What is seen is 1020 to 1040 ms; an interval of 20 ms and 5 ms of lateness are allowed on either side."""
    assert compare("500", seen([(1020 * MS, 1040 * MS)]), [true]).unfounded == unfounded


def test_where_nothing_was_true_nor_measured_there_is_no_error() -> None:
    assert compare("500", seen([]), []) == Row(
        kind="500", conn="new", outages=0, least_ms=0, median_ms=0, most_ms=0, unfounded=0
    )


def test_one_that_swallows_its_neighbour_is_no_measure_of_either() -> None:
    row = compare("flap", seen([(1000 * MS, 1400 * MS)]), [(1000 * MS, 1100 * MS), (1300 * MS, 1400 * MS)])
    assert (row.most_ms, row.least_ms) == (300, -100)


def test_an_interval_that_cannot_be_told_is_an_error() -> None:
    with pytest.raises(HistoryError, match="version over new connections"):
        compare("500", column([sample(1)]), [])


GOOD: dict[str, Any] = {"kind": "500", "conn": "new", "outages": 14, "unfounded": 0}
ROWS: list[dict[str, Any]] = [
    {**GOOD, "least_ms": -10.0, "median_ms": 0.0, "most_ms": 4.0},
    {**GOOD, "kind": "hang", "conn": "reused", "outages": 3, "least_ms": -2.0, "median_ms": 0.0, "most_ms": 12.5},
]
SAID: dict[str, Any] = {"wall": "2026-01-01", "machine": "m", "interval_ms": 20.0, "stated_ms": 25.0, "rows": ROWS}


def judged(**fields: Any) -> History:
    told = meta(probe={**meta().probe, "calibration": {**SAID, **fields}})
    return whole([told, *healthy()[1:]])


def row(**fields: Any) -> dict[str, Any]:
    return {**ROWS[0], **fields}


def test_a_calibration_that_holds_is_part_of_the_evidence() -> None:
    found = named(judge(judged()), calibration.NAME)
    assert found.verdict is Verdict.PASS
    assert found.because == (
        "Measured minus true was at most 12.5 ms (kind hang, reused connections) in 17 outages made on this machine "
        "(2026-01-01); stated is 25 ms: one probe interval, and 5 ms for requests that start late."
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"rows": [ROWS[1], row(most_ms=25.001)]},
        {"rows": [row(least_ms=-25.001), ROWS[1]]},
        {"rows": [row(outages=0)]},
        {"rows": []},
        {"stated_ms": 12.4},
    ],
)
def test_one_that_does_not_hold_makes_every_run_invalid(fields: dict[str, Any]) -> None:
    found = named(judge(judged(**fields)), calibration.NAME)
    assert found.verdict is Verdict.INVALID
    assert "run harness calibrate" in found.because


def test_an_error_at_its_bound_holds() -> None:
    assert Calibration.model_validate({**SAID, "rows": [row(least_ms=-25.0)]}).holds
    assert Row.model_validate(row(least_ms=-25.0)).worst_ms == 25


@pytest.mark.parametrize("said", [[], "yes", {}, {**SAID, "rows": "none"}, {**SAID, "stated_ms": float("nan")}])
def test_one_that_cannot_be_read_is_invalid(said: Any) -> None:
    told = changed(healthy(), type(meta()), lambda m: True, lambda m: {"probe": {**m.probe, "calibration": said}})
    assert named(judge(whole(told)), "evidence").verdict is Verdict.INVALID


def test_a_history_that_says_nothing_of_it_is_judged_without() -> None:
    assert calibration.check(whole(healthy())) == ()
    assert calibration.check(History.of([])) == ()
