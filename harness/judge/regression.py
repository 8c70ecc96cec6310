"""Did an experiment get worse? Its newest runs against its earlier ones, with no alarm by chance.

Rates are compared by Fisher's exact test, measures by the Mann-Whitney test, both one-sided: an improvement is no
regression. The p-values of one call are corrected by Holm's method. It keeps the chance of *any* false alarm below
1 - confidence however the measures are correlated, and those of one run are; Benjamini-Hochberg would only limit the
share of false ones among the alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb

import numpy as np
from scipy import stats

from harness.errors import EXIT_FAIL, EXIT_INVALID, EXIT_PASS
from harness.slo import Sense

MOST_EXACT = 100  # runs in all; beyond that, the normal approximation is as good and the exact count slow


class Finding(StrEnum):
    """What can be said of one comparison."""

    AS_BEFORE = "as before"
    REGRESSION = "regression"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True)
class Compared:
    """One comparison of `newest` runs with `earlier` ones. `p` is how likely so bad a change is by chance alone."""

    name: str
    newest: int
    earlier: int
    p: float

    @property
    def least_p(self) -> float:
        """No evidence from so few runs can be stronger: every newest one worse than every earlier one."""
        return 1 / comb(self.newest + self.earlier, self.newest)


def rate(name: str, newest: Sequence[bool], earlier: Sequence[bool]) -> Compared:
    """Whether bad runs (True) became more frequent."""
    table = np.array([[sum(some), len(some) - sum(some)] for some in (newest, earlier)])
    p = float(stats.fisher_exact(table, alternative="greater").pvalue)
    return Compared(name, len(newest), len(earlier), min(1.0, p))


def measure(name: str, newest: Sequence[float], earlier: Sequence[float], sense: Sense) -> Compared:
    """Whether a measure moved towards its limit, or beyond."""
    sign = 1 if sense == "at most" else -1
    fresh, old = ([sign * value for value in some] for some in (newest, earlier))
    return Compared(name, len(newest), len(earlier), _above(fresh, old) if fresh and old else 1.0)


def findings(compared: Sequence[Compared], confidence: float) -> list[Finding]:
    """One for each, in order: Holm steps down from the smallest p and stops at the first that chance explains."""
    alpha = 1 - confidence
    able = _able(compared, alpha)
    found = [Finding.AS_BEFORE if place in able else Finding.UNKNOWN for place in range(len(compared))]
    for step, place in enumerate(sorted(able, key=lambda i: compared[i].p)):
        if not _sure(compared[place].p, alpha / (len(able) - step)):
            break
        found[place] = Finding.REGRESSION
    return found


def _able(compared: Sequence[Compared], alpha: float) -> list[int]:
    """Which have enough runs to tell anything: the largest set in which each can be as sure as the set's size demands.

    A comparison that cannot tell anything weakens no other: a new experiment says nothing of the rest. The choice is by
    the numbers of runs alone, before anything is known of how they ended, so the correction holds (Tarone, 1990).
    """
    by_least = sorted(range(len(compared)), key=lambda i: compared[i].least_p)
    enough = [n for n, place in enumerate(by_least, start=1) if _sure(compared[place].least_p, alpha / n)]
    return by_least[: max(enough, default=0)]


def _sure(p: float, level: float) -> bool:
    """True at the level itself; of two ways to work out the same p, one may round up."""
    return p <= level * (1 + 1e-9)


def earlier_needed(newest: int, tests: int, confidence: float) -> int:
    """How many earlier runs it takes to tell `newest` runs from them, in one of `tests` tests."""
    level, earlier = (1 - confidence) / max(1, tests), 1
    while not _sure(1 / comb(newest + earlier, newest), level):
        earlier += 1
    return earlier


def exit_code(found: Sequence[Finding]) -> int:
    """1 on a regression, 2 if it cannot tell or nothing was compared, else 0."""
    if Finding.REGRESSION in found:
        return EXIT_FAIL
    return EXIT_INVALID if Finding.UNKNOWN in found or not found else EXIT_PASS


def _above(newest: Sequence[float], earlier: Sequence[float]) -> float:
    """How likely ranks as high as those of `newest` are if all orders are equally likely. Ties share their ranks."""
    together = len(newest) + len(earlier)
    if together > MOST_EXACT:
        return float(stats.mannwhitneyu(newest, earlier, alternative="greater", method="asymptotic").pvalue)
    ranks = np.rint(2 * stats.rankdata([*newest, *earlier])).astype(int)  # doubled, so that shared ones are whole
    ways = np.zeros((len(newest) + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank]
    seen = int(ranks[: len(newest)].sum())
    return min(1.0, float(ways[-1, seen:].sum()) / comb(together, len(newest)))
