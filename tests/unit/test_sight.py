"""How long requests must fail to be seen: against windows that are thrown at the grids, and plain arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiment import Plan, check
from harness.history import NS
from harness.sight import SURE, hit, smallest
from tests.unit.plans import experiment

RATES = [1, 2, 4, 5, 10]


def plan(*targets: dict[str, Any], **block: Any) -> Plan:
    return check("x", experiment(probe={"timeout_s": 2, "targets": targets}, **block)).plan


def reads(rate_hz: float, *conn: str, name: str = "version") -> dict[str, Any]:
    return {"name": name, "path": "/x", "rate_hz": rate_hz, "conn": conn or ("new", "reused")}


def writes(rate_hz: float) -> dict[str, Any]:
    return {"name": "variable", "path": "/api/v2/variables/x", "rate_hz": rate_hz, "login": True, "write": True}


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_single_series_sees_what_lasts_for_almost_its_interval(rate_hz: float) -> None:
    assert smallest(plan(reads(rate_hz, "new")), write=False) == pytest.approx(SURE / rate_hz, rel=0.01)


@pytest.mark.parametrize("rate_hz", RATES)
def test_two_series_of_a_target_see_what_is_half_as_long(rate_hz: float) -> None:
    assert smallest(plan(reads(rate_hz)), write=False) == pytest.approx(SURE / rate_hz / 2, rel=0.01)


def test_a_trigger_a_second_is_a_grid_of_its_own() -> None:
    writer = {"dag": "chaos_noop", "every_s": 1, "accept_within_s": 20}
    assert smallest(plan(reads(5)), write=True) is None
    alone = smallest(plan(reads(5), writer=writer), write=True)
    assert alone == pytest.approx(0.95, rel=0.01)
    together = smallest(plan(writes(5), writer=writer), write=True)
    assert together is not None
    assert together < SURE / 10


@given(
    st.lists(st.sampled_from(RATES), min_size=1, max_size=4),
    st.floats(0.005, 1.5),
    st.sampled_from([1.0, 0.5]),
    st.randoms(use_true_random=False),
)
def test_windows_that_are_thrown_at_a_grid_hit_it_as_often_as_was_said(
    rates: Sequence[int], seconds: float, share: float, random: Any
) -> None:
    grid = np.unique(np.concatenate([np.arange(random.randrange(NS // r), 60 * NS, NS // r) for r in rates]))
    said = hit([grid], seconds, share)
    starts = np.linspace(grid[0], grid[-1] - seconds * NS, 40_000)
    due = np.searchsorted(grid, starts + seconds * NS) - np.searchsorted(grid, starts)
    assert said == pytest.approx(float(np.mean(1 - (1 - share) ** due)), abs=0.01)


@given(st.lists(st.sampled_from(RATES), min_size=1, max_size=3), st.sampled_from([1.0, 0.5]))
def test_more_requests_never_see_less_and_half_of_them_never_more(rates: list[int], share: float) -> None:
    grids = [np.arange(0, 60 * NS, NS // rate, dtype=np.int64) for rate in rates]
    for seconds in (0.01, 0.1, 0.4):
        assert hit(grids, seconds, share) >= hit(grids[:1], seconds, share) - 1e-9
        assert hit(grids, seconds, share) <= hit(grids, seconds) + 1e-9
        assert hit(grids, seconds, share) <= hit(grids, 2 * seconds, share) + 1e-9
