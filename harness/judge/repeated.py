"""One experiment run several times over: what its measures come to, and how much so few runs can say.

Quantiles are those of the runs themselves. Their confidence needs no assumption about how measures are distributed:
how likely the median lies between the k-th smallest and the k-th largest follows from n throws of a coin (David and
Nagaraja, Order Statistics).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median

from pydantic import BaseModel, ConfigDict

from harness.judge.rates import CONFIDENCE, sure_of_p95
from harness.outcome import Outcome, Verdict, worst_verdict


class Measure(BaseModel):
    """One measure over all runs that have it, in the unit of its bound.

    `low` to `high` holds the true median with probability `sure`; `most` is at or above the true p95 with probability
    `sure_p95`.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    limit: float | None
    runs: int
    least: float
    median: float
    p95: float
    most: float
    low: float
    high: float
    sure: float
    sure_p95: float


class Repeated(BaseModel):
    """N runs of one experiment, and the verdict over them: the worst one's. No run is left out or repeated."""

    model_config = ConfigDict(frozen=True)

    experiment: str
    stack: str
    verdict: Verdict
    wanted: int
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    measures: tuple[Measure, ...]

    @property
    def because(self) -> str:
        """In one sentence, what the verdict rests on."""
        counts = ", ".join(f"{self.verdicts.count(v)} {v}" for v in Verdict if v in self.verdicts)
        return f"It rests on {len(self.runs)} of {self.wanted} runs: {counts or 'none was made'}."


def summed_up(outcomes: Sequence[Outcome], seeds: Sequence[int], wanted: int, experiment: str, stack: str) -> Repeated:
    """The verdict over several runs. Fewer runs than wanted are never a PASS."""
    verdicts = tuple(outcome.verdict for outcome in outcomes)
    short = (Verdict.INVALID,) if len(outcomes) < wanted else ()
    names = dict.fromkeys(c.name for o in outcomes for c in o.checks if c.measure is not None)
    return Repeated(
        experiment=experiment,
        stack=stack,
        verdict=worst_verdict(verdicts + short),
        wanted=wanted,
        seeds=tuple(seeds),
        runs=tuple(outcome.run_id for outcome in outcomes),
        verdicts=verdicts,
        measures=tuple(_measure(name, outcomes) for name in names),
    )


def _measure(name: str, outcomes: Sequence[Outcome]) -> Measure:
    checks = [c for o in outcomes for c in o.checks if c.name == name and c.measure is not None]
    values = sorted(c.measure for c in checks if c.measure is not None)
    place, sure = median_interval(len(values))
    return Measure(
        name=name,
        unit=checks[0].unit,
        limit=checks[0].limit,
        runs=len(values),
        least=values[0],
        median=median(values),
        p95=values[p95_place(len(values))],
        most=values[-1],
        low=values[place],
        high=values[-1 - place],
        sure=sure,
        sure_p95=sure_of_p95(len(values)),
    )


def p95_place(count: int) -> int:
    """The place of the smallest of `count` sorted values that at least 95 % of them do not exceed."""
    return -(-95 * count // 100) - 1


def median_interval(count: int) -> tuple[int, float]:
    """How far from both ends the median's interval may begin, and how sure it is then.

    The narrowest that is 95 % sure; with fewer than six values none is, so it spans them all.
    """
    place, tail = 0, 0.5**count
    while 1 - 2 * (wider := tail + comb(count, place + 1) * 0.5**count) >= CONFIDENCE:
        place, tail = place + 1, wider
    return place, 1 - 2 * tail
