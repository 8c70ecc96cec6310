"""From the samples of one series to windows: when it did not answer, and when nobody asked.

Times are nanoseconds since the run began. A window is half-open and lies between due times, so the error of its
length is less than one probe interval either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

from harness.history import NS, Sample

GAP_FACTOR = 2.5
_READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, order=True)
class Series:
    """Samples that are judged together: one target over one kind of connection, reads apart from writes."""

    target: str
    conn: str
    write: bool

    def __str__(self) -> str:
        return f"{self.target} over {self.conn} connections"


@dataclass(frozen=True)
class Outage:
    """From the due time of the first bad sample to that of the next good one.

    `open`: no good one came, so the end is the last bad sample's due time, and the length a lower bound.
    """

    start: int
    end: int
    requests: int
    open: bool

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / NS


@dataclass(frozen=True)
class Gap:
    """A stretch in which samples were due but none was made."""

    start: int
    end: int


def split(samples: Iterable[Sample]) -> dict[Series, tuple[Sample, ...]]:
    """The samples of each series, in the order in which they were due."""
    found: dict[Series, list[Sample]] = {}
    for sample in samples:
        key = Series(sample.target, sample.conn, sample.method.upper() not in _READS)
        found.setdefault(key, []).append(sample)
    return {key: _in_order(found[key]) for key in sorted(found)}


def outages(samples: Iterable[Sample]) -> tuple[Outage, ...]:
    """The windows in which one series did not answer. `info` may have been served, but was not answered: bad."""
    windows: list[Outage] = []
    bad: list[int] = []
    for sample in _in_order(samples):
        if sample.outcome != "ok":
            bad.append(sample.due)
        elif bad:
            windows.append(Outage(bad[0], sample.due, len(bad), open=False))
            bad = []
    if bad:
        windows.append(Outage(bad[0], bad[-1], len(bad), open=True))
    return tuple(windows)


def error_share(samples: Sequence[Sample]) -> float:
    """Percent of samples that were not answered well; NaN where there are none."""
    if not samples:
        return float("nan")
    return 100 * sum(s.outcome != "ok" for s in samples) / len(samples)


def interval(samples: Iterable[Sample]) -> int | None:
    """The usual distance of due times of one series (their median), or None where it cannot be told."""
    dues = [s.due for s in _in_order(samples)]
    steps = [b - a for a, b in pairwise(dues)]
    usual = median_low(steps) if steps else 0
    return usual if usual > 0 else None


def gaps(samples: Iterable[Sample], usual: int, until: int | None = None) -> tuple[Gap, ...]:
    """Stretches longer than 2.5 of the usual interval between due times, and from the last one to `until`."""
    dues = [s.due for s in _in_order(samples)]
    ends = dues[1:] + ([until] if until is not None else [])
    return tuple(Gap(a, b) for a, b in zip(dues, ends, strict=False) if b - a > GAP_FACTOR * usual)


def _in_order(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda s: s.due))
