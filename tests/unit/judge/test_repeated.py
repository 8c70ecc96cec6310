"""What several runs say together, and how sure so few can be."""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.rates import CONFIDENCE
from harness.judge.repeated import Measure, Repeated, median_interval, p95_place, summed_up
from harness.outcome import Check, Outcome, Verdict

values = st.lists(st.floats(0, 1e6), min_size=1, max_size=40)
verdicts = st.lists(st.sampled_from(list(Verdict)), max_size=6)


def run(number: int, measure: float | None = 1.0, verdict: Verdict = Verdict.PASS) -> Outcome:
    check = Check(name="rollback.time", verdict=verdict, measure=measure, limit=9, unit="s", origin="", because="")
    return Outcome(run_id=f"r{number}", experiment="e", stack="s", verdict=verdict, checks=(check,))


def over(outcomes: list[Outcome], wanted: int | None = None) -> Repeated:
    return summed_up(outcomes, range(len(outcomes)), len(outcomes) if wanted is None else wanted, "e", "s")


@given(values)
def test_a_measure_is_summed_up_as_it_was(measures: list[float]) -> None:
    (found,) = over([run(i, value) for i, value in enumerate(measures)]).measures
    assert (found.runs, found.least, found.most) == (len(measures), min(measures), max(measures))
    assert found.median == median(measures)
    assert found.least <= found.low <= found.median <= found.high <= found.most
    assert sum(value <= found.p95 for value in measures) >= 0.95 * len(measures)
    assert sum(value < found.p95 for value in measures) < 0.95 * len(measures)


@given(verdicts, st.integers(0, 8))
def test_the_verdict_is_the_worst_and_never_a_pass_on_fewer_runs_than_were_wanted(
    each: list[Verdict], wanted: int
) -> None:
    found = over([run(i, verdict=v) for i, v in enumerate(each)], wanted)
    ranks = [v.rank for v in each]
    assert found.verdict.rank >= max(ranks, default=Verdict.INVALID.rank)
    assert (found.verdict is Verdict.PASS) == (bool(each) and set(each) == {Verdict.PASS} and len(each) >= wanted)
    assert found.because.startswith(f"It rests on {len(each)} of {wanted} runs")


def test_each_measure_is_that_of_its_own_bound() -> None:
    """Ten runs of which one measure is 1 to 10, and another that only the first two have."""
    rare = Check(name="tasks.lost", verdict=Verdict.FAIL, measure=2, limit=0, unit="count", origin="", because="")
    each = [run(i, float(i + 1)) for i in reversed(range(10))]
    each = [o.model_copy(update={"checks": (*o.checks, rare) if i < 2 else o.checks}) for i, o in enumerate(each)]
    assert over(each).measures == (
        Measure(
            name="rollback.time", unit="s", limit=9, runs=10, least=1, median=5.5, p95=10, most=10, low=2, high=9,
            sure=1 - 22 / 1024, sure_p95=1 - 0.95**10,
        ),
        Measure(
            name="tasks.lost", unit="count", limit=0, runs=2, least=2, median=2, p95=2, most=2, low=2, high=2,
            sure=0.5, sure_p95=1 - 0.95**2,
        ),
    )  # fmt: skip


def test_a_measure_that_some_runs_lack_counts_those_that_have_it() -> None:
    (found,) = over([run(0, None), run(1, 3.0)]).measures
    assert (found.runs, found.median) == (1, 3.0)
    assert over([run(0, None)]).measures == ()


@pytest.mark.parametrize(
    ("count", "place", "sure"), [(1, 0, 0.0), (5, 0, 0.9375), (6, 0, 0.96875), (10, 1, 0.978515625)]
)
def test_the_interval_of_the_median_is_that_of_the_tables(count: int, place: int, sure: float) -> None:
    found, probability = median_interval(count)
    assert found == place
    assert probability == pytest.approx(sure)


@pytest.mark.parametrize("count", range(1, 200))
def test_the_interval_is_the_narrowest_that_is_sure_enough(count: int) -> None:
    def between(place: int) -> Fraction:
        """How likely as many heads as lie between the places are, in `count` throws of a coin."""
        return 1 - Fraction(2 * sum(comb(count, heads) for heads in range(place + 1)), 2**count)

    place, sure = median_interval(count)
    assert sure == pytest.approx(float(between(place)))
    assert sure >= CONFIDENCE or (place == 0 and count < 6)
    assert between(place + 1) < CONFIDENCE


@pytest.mark.parametrize("count", range(1, 200))
def test_the_p95_is_the_smallest_that_enough_runs_do_not_exceed(count: int) -> None:
    place = p95_place(count)
    assert 100 * place < 95 * count <= 100 * (place + 1)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    """Drawn from a skewed distribution whose median is ln 2."""
    source, count, rounds = random.Random(7), 9, 4000  # noqa: S311
    place, sure = median_interval(count)
    hits = 0
    for _ in range(rounds):
        drawn = sorted(source.expovariate(1) for _ in range(count))
        hits += drawn[place] <= 0.6931471805599453 <= drawn[-1 - place]
    assert hits / rounds == pytest.approx(sure, abs=0.015)


def test_the_largest_run_is_above_the_true_p95_as_often_as_it_says() -> None:
    source, count, rounds = random.Random(7), 5, 4000  # noqa: S311
    (found,) = over([run(i) for i in range(count)]).measures
    hits = sum(max(source.random() for _ in range(count)) >= 0.95 for _ in range(rounds))
    assert hits / rounds == pytest.approx(found.sure_p95, abs=0.02)
