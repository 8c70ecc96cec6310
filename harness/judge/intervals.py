"""From the samples of one series to windows: when it did not answer, and when nobody asked.

Times are nanoseconds since the run began. A window is half-open and lies between due times, so the error of its
length is less than one probe interval either way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.history import NS
from harness.samples import Column

GAP_FACTOR = 2.5


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


def outages(column: Column, most: int | None = None) -> tuple[Outage, ...]:
    """The windows in which one series did not answer, in order; with `most`, only the longest, and an open one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], column.bad, [False]))))
    first, after = edges[0::2], edges[1::2]
    closed = after < len(column)
    # The last window may be open: it then ends with the last bad sample.
    ends = column.due[np.where(closed, after, after - 1)]
    chosen = np.arange(len(first))
    if most is not None and len(first) > most:
        longest = np.argsort(column.due[first] - ends, kind="stable")[:most]
        chosen = np.union1d(longest, np.flatnonzero(~closed))
    return tuple(
        Outage(int(column.due[first[i]]), int(ends[i]), int(after[i] - first[i]), open=not closed[i]) for i in chosen
    )


def outage_count(column: Column) -> int:
    """How many windows there are, however short."""
    return int(column.bad[:1].sum()) + int((~column.bad[:-1] & column.bad[1:]).sum())


def error_share(column: Column) -> float:
    """Percent of samples that were not answered well; NaN where there are none."""
    return 100 * int(column.bad.sum()) / len(column) if len(column) else math.nan


def interval(column: Column) -> int | None:
    """The usual time between due times of one series (the lower median), or None if it cannot be told."""
    steps = np.diff(column.due)
    if not len(steps):
        return None
    middle = (len(steps) - 1) // 2
    usual = int(np.partition(steps, middle)[middle])
    return usual or None


def gaps(column: Column, usual: int, until: int | None = None) -> tuple[Gap, ...]:
    """Stretches without a due time longer than 2.5 usual intervals, including the one from the last to `until`."""
    dues = column.due if until is None or not len(column) else np.append(column.due, until)
    wide = np.flatnonzero(np.diff(dues) > GAP_FACTOR * usual)
    return tuple(Gap(int(dues[i]), int(dues[i + 1])) for i in wide)
