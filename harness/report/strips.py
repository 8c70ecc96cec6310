"""Availability, a strip for each series: when it was probed, and every stretch in which it did not answer well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.history import History, Sample
from harness.report.facts import lasting, series, step
from harness.report.lanes import AMBER, COLOURS, GREEN, RED, Band, Bar, Lane, Look
from harness.report.thin import groups
from harness.samples import Column

MOST = 1500  # bad stretches of all strips together, and as many without a gap
LONGEST = 40  # stretches that were merged with others but are also drawn as they were
LONGEST_ERROR = 80  # characters
GAP_FACTOR = 2.5
ANSWERED = Look(GREEN, 0.36)
MIXED = Look(AMBER, 0.8, over=1)
BAD = Look(RED, 0.8, over=2)
KEY = (("answered", ANSWERED), ("error or timeout", BAD), ("mixed", MIXED))


@dataclass(frozen=True)
class Stretch:
    """From the due time of the first bad sample to that of the next good one, or of the last bad one of all.

    If stretches had to be merged, `bad` of its `requests` were bad; otherwise all were.
    `first` is the place of the first sample.
    """

    start: int
    end: int
    bad: int
    requests: int
    first: int

    @property
    def mixed(self) -> bool:
        return self.bad < self.requests


def band(history: History) -> Band:
    every = series(history)
    colours = colours_of(history)
    most = max(1, MOST // max(1, len(every)))
    lanes = [_lane(name, samples, colours[samples.target], most) for name, samples in every.items()]
    return Band("Availability", tuple(lanes), KEY)


def colours_of(history: History) -> dict[str, str]:
    """A colour for each target, the same wherever it is drawn."""
    targets = dict.fromkeys(samples.target for samples in series(history).values())
    return {target: COLOURS[place % len(COLOURS)] for place, target in enumerate(targets)}


def sign(samples: Column) -> str:
    """New connections are hollow wherever they are drawn."""
    return "○" if samples.conn == "new" else "●"


def bad_stretches(samples: Column, most: int) -> list[Stretch]:
    """Every bad sample is in one of them. With more than `most`, the nearest neighbours are merged.

    The longest are then drawn separately too, so that an outage is recognizable amid errors.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], samples.bad, [False])).astype(np.int8)))
    first, after = edges[0::2], edges[1::2]
    ends = samples.due[np.minimum(after, len(samples) - 1)] if len(samples) else samples.due
    starts = samples.due[first]
    bad = np.concatenate(([0], np.cumsum(samples.bad)))
    places = groups(starts, ends, most)
    if len(first) > most:
        longest = np.argsort(starts - ends, kind="stable")[:LONGEST]
        places = sorted({*places, *((i, i) for i in longest.tolist())})
    return [
        Stretch(
            start=int(starts[i]),
            end=int(ends[j]),
            bad=int(bad[after[j]] - bad[first[i]]),
            requests=int(after[j] - first[i]),
            first=int(first[i]),
        )
        for i, j in places
    ]


def asked(samples: Column, most: int) -> list[tuple[int, int, int]]:
    """The first and last due time, and the number of requests, of each stretch without a gap in the schedule."""
    usual = step(samples)
    wide = np.flatnonzero(np.diff(samples.due) > GAP_FACTOR * usual) if usual else np.array([], dtype=np.intp)
    firsts = np.concatenate(([0], wide + 1)).astype(np.intp)
    lasts = np.concatenate((wide, [len(samples) - 1])).astype(np.intp)
    return [
        (int(samples.due[firsts[i]]), int(samples.due[lasts[j]]), int(lasts[j] - firsts[i] + 1))
        for i, j in groups(samples.due[firsts], samples.due[lasts], most)
    ]


def told(sample: Sample) -> str:
    """How one request ended."""
    status = f" {sample.status}" if sample.status is not None else ""
    error = f" {sample.error[:LONGEST_ERROR]}" if sample.error else ""
    return f"{sample.method} {sample.path}: {sample.outcome}{status}{error}"


def _lane(name: str, samples: Column, colour: str, most: int) -> Lane:
    bars = [
        Bar(start, end, ANSWERED, f"{name}\n{count} asked, {lasting(start, end)}")
        for start, end, count in asked(samples, most)
    ]
    for s in bad_stretches(samples, most):
        many = f"{s.bad} of {s.requests} requests" if s.mixed else f"{s.bad} request{'s' if s.bad > 1 else ''}"
        said = f"{name}\n{many} not answered well, {lasting(s.start, s.end)}\n{told(samples.at(s.first))}"
        bars.append(Bar(s.start, s.end, MIXED if s.mixed else BAD, said))
    return Lane(name, tuple(bars), swatch=(sign(samples), colour), name=name)
