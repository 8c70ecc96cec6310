"""What was seen from each vantage point, and from all of them: one that is served does not make up for one that is not.

Every series of every point is judged like those from the harness, and the worst speaks for all (`availability`). This
module judges each point alone, and whether their records can be compared at all: their times are translated from clocks
of their own, with a stated error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.errors import HistoryError
from harness.history import NS, History
from harness.judge import availability
from harness.judge.checks import amount, plain, some
from harness.judge.intervals import interval, outages
from harness.outcome import Check, Verdict
from harness.samples import Column, Samples
from harness.slo import Bound

NAME = "evidence.vantage"
MOST = 20  # points that are reported one by one; of more, the worst
READS = "availability.read."
PROBER = "prober"


@dataclass(frozen=True)
class Point:
    """What a point said of itself in the end: by how many nanoseconds its times may be wrong, and where it was."""

    name: str
    node: str
    error_ns: int


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Nothing if all was seen from one place. Raises `HistoryError` if meta is malformed."""
    names = wanted(history)
    if not names:
        return ()
    reads = {name: bound for name, bound in bounds.items() if name.startswith(READS)}
    each = {name: _of_point(history, reads, name) for name in names}
    told = sorted(names, key=lambda name: -max((c.verdict.rank for c in each[name]), default=0))[:MOST]
    return (_evidence(history, names), _together(history, names), *(c for name in sorted(told) for c in each[name]))


def wanted(history: History) -> tuple[str, ...]:
    """The points that the run said it would have."""
    said: Any = history.meta.probe.get("vantage", {}) if history.meta else {}
    try:
        return tuple(str(name) for name in said.get("points", ()))
    except (AttributeError, TypeError) as cause:
        raise HistoryError(f"meta.probe.vantage must have points and targets; it is {said!r}") from cause


def columns(history: History, name: str) -> list[Column]:
    """What was seen from one point."""
    return [column for series, column in history.samples.columns.items() if series.vantage == name]


def _of_point(history: History, bounds: dict[str, Bound], name: str) -> list[Check]:
    """The bounds of availability, for one point alone."""
    alone = replace(history, samples=Samples(columns(history, name)))
    found = availability.check(alone, bounds)
    return [one.model_copy(update={"name": f"vantage.{name}.{one.name.removeprefix(READS)}"}) for one in found]


def _points(history: History) -> Iterator[Point]:
    for event in history.seen("probe"):
        said = event.value
        if event.object == PROBER and event.what == "stopped" and "vantage" in said:
            error = said.get("error_ns")
            if isinstance(error, int) and error >= 0:
                yield Point(str(said["vantage"]), str(said.get("node", "")), error)


def _evidence(history: History, names: tuple[str, ...]) -> Check:
    """Can what the points recorded be compared? Each owes its samples, and a clock that is known well enough."""
    known = {point.name: point for point in _points(history)}
    reasons = [f"{name} never said what it recorded, by which clock" for name in names if name not in known]
    strange = {series.vantage for series in history.samples.columns} - {"", *names}
    reasons += [f"{name} was not to be one" for name in sorted(strange)]
    told = []
    for name in (name for name in names if name in known):
        own, point = columns(history, name), known[name]
        steps = [step for column in own if (step := interval(column))]
        if not own or len(steps) < len(own):
            reasons.append(f"{name} has too few samples to tell their interval")
            continue
        if point.error_ns > min(steps):
            error, every = amount(point.error_ns / 1e6, "ms"), amount(min(steps) / 1e6, "ms")
            reasons.append(f"the clock of {name} is known within {error} only, and it sampled every {every}")
        told.append(f"{name} on {point.node}: {_late(own)} late, clock within {amount(point.error_ns / 1e6, 'ms')}")
    if reasons:
        return plain(NAME, Verdict.INVALID, f"The vantage points cannot be compared: {some(reasons)}.")
    because = f"{len(names)} vantage points recorded all that was due (p99 late): {'; '.join(told[:MOST])}."
    return plain(NAME, Verdict.PASS, because)


def _late(own: list[Column]) -> str:
    """The most that 99 % of its requests were late."""
    late = np.concatenate([column.t - column.due for column in own])
    return amount(float(np.percentile(late, 99)) / 1e6, "ms")


def _together(history: History, names: tuple[str, ...]) -> Check:
    """From how many points was the longest outage seen? One that all see is of the stack; else, of the way there."""
    found = {
        name: [o for column in columns(history, name) for o in outages(column, availability.MOST_WINDOWS)]
        for name in names
    }
    name = "vantage.together"
    if absent := [at for at in names if not columns(history, at)]:
        return plain(name, Verdict.INVALID, f"Nothing is known of what was seen from {some(absent)}.")
    every = [(o.seconds, at, o) for at, some_of in found.items() for o in some_of]
    if not every:
        return plain(name, Verdict.PASS, f"None of {len(names)} vantage points saw an outage.")
    seconds, at, worst = max(every, key=lambda one: one[0])
    saw = [
        other for other, some_of in found.items() if any(o.start < worst.end and o.end > worst.start for o in some_of)
    ]
    begun = amount(worst.start / NS, "s")
    because = (
        f"The longest outage, {amount(seconds, 's')} from {begun} on, was seen from {at}; within it, "
        f"{len(saw)} of {len(names)} vantage points had no answer ({some(saw, MOST)})."
    )
    return plain(name, Verdict.PASS, because)
