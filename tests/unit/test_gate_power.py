"""The simulation of the gate finds nothing where nothing changed, and more where more did; its table is in the page."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gate import CALLS, CHANGES, Bench, Call, Change, section
from harness.judge.regression import measure
from harness.trends.counts import PAGE

SMALL = Call("", 3, 10, 20)


def bench(trials: int) -> Bench:
    return Bench(trials, np.random.default_rng(7))


def test_a_regression_is_found_by_chance_in_five_of_a_hundred_calls_at_most() -> None:
    trials = 400
    by_chance = 3 * (0.05 * 0.95 / trials) ** 0.5
    assert bench(trials).found(Change(""), SMALL) <= 0.05 + by_chance


@pytest.mark.parametrize(
    ("little", "much"),
    [
        (Change("", check_s=12), Change("", check_s=30)),
        (Change("", later_s=0.5), Change("", later_s=4)),
        (Change("", failing=0.05), Change("", failing=0.9)),
    ],
)
def test_a_large_change_is_found_and_a_small_one_seldom(little: Change, much: Change) -> None:
    simulated = bench(100)
    assert simulated.found(little, SMALL) < 0.5
    assert simulated.found(much, SMALL) > 0.7


def test_what_was_worked_out_for_a_sum_of_ranks_holds_for_all_runs_of_that_sum() -> None:
    simulated = bench(60)
    simulated.found(Change("", check_s=15), Call("", 1, 4, 6))
    assert len(simulated.known) > 5
    for (newest, earlier, places), kept in simulated.known.items():
        fresh = list(range(newest))
        for place in reversed(range(newest)):  # as far up as there is room, from the highest on
            fresh[place] += min(earlier, places - sum(fresh))
        old = [rank for rank in range(newest + earlier) if rank not in fresh]
        assert (sum(fresh), len(old)) == (places, earlier)
        assert measure("m", fresh, old, "at most").p == pytest.approx(kept.p)


def test_the_page_has_the_table_of_these_calls_and_changes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    titles = [line.split(" | ")[0] for line in section(1, 1).splitlines() if line.startswith("| ")]
    assert len(titles) == len(CHANGES) + 2
    assert all(f"\n{title} |" in text for title in titles), "run: python benchmarks/gate.py --write"
    assert all(f"{call.newest} after {call.earlier} runs" in text for call in CALLS)
