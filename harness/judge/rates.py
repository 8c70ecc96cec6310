"""How often something truly happens, by how often it was seen: exact bounds (Clopper and Pearson, 1934).

They assume only that runs are alike and independent: each holds the true share with 95 % or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """`bad` of `runs`; with no runs, anything is possible."""

    bad: int
    runs: int

    @property
    def most(self) -> float:
        """The true share is no larger than this: the upper bound alone, which is what a promise needs."""
        return self._bounds("less")[1]

    @property
    def within(self) -> tuple[float, float]:
        """The true share lies between these."""
        return self._bounds("two-sided")

    def _bounds(self, sides: Literal["less", "two-sided"]) -> tuple[float, float]:
        if not self.runs:
            return 0.0, 1.0
        found = stats.binomtest(self.bad, self.runs, alternative=sides).proportion_ci(CONFIDENCE, method="exact")
        return float(found.low), float(found.high)


def sure_of_p95(runs: int) -> float:
    """How likely the largest measure of so many runs is at or above the true p95: each is below with 0.95."""
    return float(1 - 0.95**runs)
