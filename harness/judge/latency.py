"""How long did answers take? From when a request was due to the end of its answer, weighted by time, not by requests.

Each sample stands for the time until the next of its series is due. Time without an answer counts as slower than any
limit. Whatever the other promises allow to be missing may also be slow, since slow is better than gone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.history import NS, History
from harness.judge.checks import amount, broken, measured, unknown
from harness.judge.faults import fault_time
from harness.judge.intervals import interval
from harness.outcome import Check, Verdict
from harness.samples import Column, Ints, Series
from harness.slo import Bound

SLOW_SHARE = 10.0  # percent of the time: a p90, since of 45 to 200 samples of a series two at most are beyond its p99
FEWEST = 2  # samples that may be slow in a short time: of fewer than 10, one is more than a tenth
REPLACING = 0.5  # of the time: a server that starts takes 14 s of processor time from those that answer


@dataclass(frozen=True)
class Allowance:
    """What may be slow: a percentage of the time judged, or so many seconds or samples if that is more; plus half of
    the nanoseconds in which what was hit was being replaced."""

    percent: float = SLOW_SHARE
    seconds: float = 0.0
    samples: int = 0
    replacing: int = 0

    @classmethod
    def of(cls, outage: Bound | None, errors: Bound | None, replacing: int = 0) -> Allowance:
        """What the bounds on outages and errors allow to be missing altogether."""
        seconds = outage.limit if outage else 0.0
        return cls(max(SLOW_SHARE, errors.limit if errors else 0.0), seconds, replacing=replacing)

    def within(self, time: int, usual: int) -> float:
        """How many of `time` nanoseconds may be slow, if a sample stands for `usual`."""
        least = max(time * self.percent / 100, self.seconds * NS, self.samples * usual)
        return least + REPLACING * self.replacing


def replacing(history: History, bounds: dict[str, Bound]) -> int:
    """Nanoseconds from T until the undo found everything as before, but no more than its bound allows."""
    since, bound = fault_time(history), bounds.get("rollback.time")
    if since is None or bound is None:
        return 0
    found = max((f.t for f in history.faults if f.phase == "rolled-back"), default=None)
    most = int(bound.limit * NS)
    return most if found is None else max(0, min(most, found - since))


def judge(bound: Bound, series: Series, samples: Column, allowed: Allowance) -> Check:
    """Judge the latency that was kept, except for what may be slow."""
    usual = interval(samples)
    if usual is None:
        return unknown(bound, f"How long an answer of {series} stands for cannot be told from {len(samples)} samples")
    judged = stands_for(samples, usual)
    time, free = int(judged.sum()), allowed.within(int(judged.sum()), usual)
    kept = quantile(samples, usual, free, samples.due)
    but = f"{amount(free / NS, 's')} of the {amount(time / NS, 's')} judged"
    if kept is None:
        return unknown(bound, f"All of the {amount(time / NS, 's')} in which {series} was sampled may be slow")
    if math.isinf(kept):
        gone = amount(int(judged[samples.bad].sum()) / NS, "s")
        return broken(bound, f"{series} did not answer at all for {gone}, and may be slow or silent for {but}")
    found = measured(bound, kept / NS, f"For all but {but}, {series} answered within")
    if found.verdict is Verdict.PASS:
        return found
    served = quantile(samples, usual, free, samples.t)
    if served is not None and bound.holds(served / NS):
        late = f"{amount(kept / NS, 's')} of when it was due, and {amount(served / NS, 's')} of when it was asked"
        return unknown(bound, f"For all but {but}, {series} answered within {late}: it was the prober that came late")
    return found


def stands_for(samples: Column, usual: int) -> Ints:
    """Nanoseconds for each sample: until the next was due; the last one stands for the usual interval."""
    return np.append(np.diff(samples.due), usual)


def quantile(samples: Column, usual: int, free: float, since: Ints) -> float | None:
    """The least latency in nanoseconds, counted from `since`, that was exceeded for no longer than `free` nanoseconds.

    Infinite if nothing was answered well for longer than that, and None if all of the time is free.
    """
    latency = np.where(samples.bad, np.inf, samples.end - since)
    slowest_first = np.argsort(-latency, kind="stable")
    beyond = np.flatnonzero(np.cumsum(stands_for(samples, usual)[slowest_first]) > free)
    return float(latency[slowest_first[beyond[0]]]) if len(beyond) else None
