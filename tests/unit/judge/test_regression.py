"""A regression is told from chance, and never from too few runs."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from harness.judge.regression import MOST_EXACT, Compared, Finding, earlier_needed, exit_code, findings, measure, rate

few = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=5)
many = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=40)
verdicts = st.lists(st.booleans(), min_size=1, max_size=20)


@given(few, few)
def test_a_rank_test_counts_every_order_ties_or_not(newest: list[float], earlier: list[float]) -> None:
    ranks = stats.rankdata([*newest, *earlier])
    sums = [sum(some) for some in combinations(ranks, len(newest))]
    expected = np.mean([one >= sum(ranks[: len(newest)]) for one in sums])
    assert measure("m", newest, earlier, "at most").p == pytest.approx(expected)


@given(st.permutations(range(20)), st.integers(1, 19))
def test_without_ties_it_is_that_of_scipy(order: list[int], cut: int) -> None:
    newest, earlier = order[:cut], order[cut:]
    expected = stats.mannwhitneyu(newest, earlier, alternative="greater", method="exact").pvalue
    assert measure("m", newest, earlier, "at most").p == pytest.approx(expected)


def test_beyond_the_exact_count_the_approximation_is_close() -> None:
    source = np.random.default_rng(1)
    earlier, newest = source.normal(size=MOST_EXACT - 10).tolist(), source.normal(0.5, size=10).tolist()
    exact = measure("m", newest, earlier, "at most").p
    assert measure("m", newest, [*earlier, float(np.median(earlier))], "at most").p == pytest.approx(exact, rel=0.2)


@given(verdicts, verdicts)
def test_a_rate_is_compared_by_the_hypergeometric_distribution(newest: list[bool], earlier: list[bool]) -> None:
    n, m, bad = len(newest), len(earlier), sum(newest) + sum(earlier)
    ways = sum(comb(n, k) * comb(m, bad - k) for k in range(sum(newest), min(n, bad) + 1))
    assert rate("r", newest, earlier).p == pytest.approx(ways / comb(n + m, bad))


@given(many, many, st.randoms(use_true_random=False))
def test_the_order_of_runs_says_nothing(newest: list[float], earlier: list[float], random: object) -> None:
    before = measure("m", newest, earlier, "at most").p
    for some in (newest, earlier):
        random.shuffle(some)  # type: ignore[attr-defined]
    assert measure("m", newest, earlier, "at most").p == pytest.approx(before)


@given(
    st.lists(st.integers(0, 1000).map(float), min_size=2, max_size=30, unique=True),
    st.integers(1, 29),
    st.integers(0, 39),
    st.integers(1, 500),
)
def test_a_worse_run_is_never_weaker_evidence(every: list[float], cut: int, which: int, more: int) -> None:
    """Of runs that all differ: where some are alike, chance has other ways to deal them once one of those changes."""
    newest, earlier = every[: (at := min(cut, len(every) - 1))], every[at:]
    before = measure("m", newest, earlier, "at most").p
    newest[which % len(newest)] += more + 0.5
    assert measure("m", newest, earlier, "at most").p <= before + 1e-9


@given(many, many)
def test_the_other_sense_is_the_mirror_image(newest: list[float], earlier: list[float]) -> None:
    mirrored = measure("m", [-v for v in newest], [-v for v in earlier], "at least").p
    assert measure("m", newest, earlier, "at most").p == pytest.approx(mirrored)


@given(many, verdicts, st.integers(1, 30))
def test_runs_like_those_before_are_no_regression(values: list[float], bad: list[bool], tests: int) -> None:
    same = [measure("m", values, values, "at most"), rate("r", bad, bad)] * tests
    assert Finding.REGRESSION not in findings(same, 0.95)


@given(st.integers(1, 3), st.integers(1, 3))
def test_too_few_runs_cannot_tell_however_bad_they_are(newest: int, earlier: int) -> None:
    worst = [measure("m", [9.0] * newest, [1.0] * earlier, "at most"), rate("r", [True] * newest, [False] * earlier)]
    found = findings(worst, 0.96)
    assert found == [Finding.UNKNOWN] * 2
    assert exit_code(found) == 2


@given(st.integers(1, 20), st.integers(1, 100), st.floats(0.5, 0.999))
@example(1, 33, 0.5)
def test_as_many_runs_as_it_takes_can_tell_and_one_fewer_cannot(newest: int, tests: int, confidence: float) -> None:
    needed = earlier_needed(newest, tests, confidence)
    others = [Compared("other", 99, 99, 1.0)] * (tests - 1)
    for earlier, said in ((needed, Finding.REGRESSION), (needed - 1, Finding.UNKNOWN)):
        if earlier:
            worst = rate("r", [True] * newest, [False] * earlier)
            assert findings([worst, *others], confidence)[0] is said


def test_enough_runs_that_are_all_worse_are_found() -> None:
    worse = measure("m", [9.0] * 5, [1.0] * 20, "at most")
    found = findings([worse, *[Compared("other", 5, 20, 1.0)] * 19], 0.95)
    assert found == [Finding.REGRESSION, *[Finding.AS_BEFORE] * 19]
    assert exit_code(found) == 1
    assert exit_code(found[1:]) == 0


@given(st.integers(0, 200))
def test_what_has_too_few_runs_weakens_nothing_else(new: int) -> None:
    worse = measure("m", [9.0] * 5, [1.0] * 20, "at most")
    found = findings([*[Compared("new", 1, 1, 0.5)] * new, worse], 0.95)
    assert found == [*[Finding.UNKNOWN] * new, Finding.REGRESSION]


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=40), st.floats(0.001, 0.5))
def test_whoever_is_compared_could_be_found_and_nobody_else_could(runs: list[tuple[int, int]], alpha: float) -> None:
    every = [Compared("m", newest, earlier, 1 / comb(newest + earlier, newest)) for newest, earlier in runs]
    found = findings(every, 1 - alpha)
    told = [one for one, said in zip(every, found, strict=True) if said is not Finding.UNKNOWN]
    level = (1 - (1 - alpha)) / max(1, len(told))
    assert all(one.least_p <= level * (1 + 1e-9) for one in told)
    if left := [one for one in every if one not in told]:
        assert min(one.least_p for one in left) > (1 - (1 - alpha)) / (len(told) + 1)


def test_nothing_compared_cannot_tell() -> None:
    assert exit_code(findings([], 0.95)) == 2
    assert findings([measure("m", [], [1.0], "at most")], 0.95) == [Finding.UNKNOWN]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_correction_is_that_of_holm(values: list[float]) -> None:
    adjusted, highest = {}, 0.0
    for step, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, values[place] * (len(values) - step))
        adjusted[place] = highest
    found = findings([Compared("m", 40, 40, p) for p in values], 0.95)
    for place, one in enumerate(found):
        if adjusted[place] != pytest.approx(0.05):
            assert (one is Finding.REGRESSION) == (adjusted[place] < 0.05)
