"""The true share lies within the bounds as often as they say, whatever it is."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.rates import CONFIDENCE, Rate, sure_of_p95

counts = st.integers(1, 40).flatmap(lambda runs: st.tuples(st.integers(0, runs), st.just(runs)))


def chance(bad: int, runs: int, share: float) -> float:
    return float(comb(runs, bad) * share**bad * (1 - share) ** (runs - bad))


@given(st.integers(1, 20), st.floats(0, 1))
def test_the_bounds_hold_the_true_share_with_95_percent_at_least(runs: int, share: float) -> None:
    rates = [(Rate(bad, runs), chance(bad, runs, share)) for bad in range(runs + 1)]
    within = sum(p for rate, p in rates if rate.within[0] <= share <= rate.within[1])
    below = sum(p for rate, p in rates if share <= rate.most)
    assert min(within, below) >= CONFIDENCE - 1e-9


@given(counts)
def test_beyond_a_bound_what_was_seen_is_as_unlikely_as_it_says(seen: tuple[int, int]) -> None:
    bad, runs = seen
    rate, tail = Rate(bad, runs), 1 - CONFIDENCE
    low, high = rate.within

    def at_most(share: float) -> float:
        return sum(chance(k, runs, share) for k in range(bad + 1))

    if bad < runs:
        assert at_most(rate.most) == pytest.approx(tail)
        assert at_most(high) == pytest.approx(tail / 2)
    if bad:
        assert 1 - at_most(low) + chance(bad, runs, low) == pytest.approx(tail / 2)
    assert low <= bad / runs <= rate.most <= high


@pytest.mark.parametrize("runs", [1, 5, 59, 200])
def test_where_nothing_was_bad_it_is_the_rule_of_three(runs: int) -> None:
    assert Rate(0, runs).most == pytest.approx(1 - 0.05 ** (1 / runs))
    low, high = Rate(0, runs).within
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / runs))
    assert Rate(runs, runs).most == 1


def test_of_no_run_everything_is_possible() -> None:
    assert (Rate(0, 0).most, Rate(0, 0).within) == (1, (0, 1))


def test_59_runs_are_the_first_that_are_sure_of_the_p95() -> None:
    assert (sure_of_p95(58) < CONFIDENCE, sure_of_p95(59) >= CONFIDENCE, sure_of_p95(0)) == (True, True, 0)
    assert sure_of_p95(5) == pytest.approx(0.226, abs=0.001)
