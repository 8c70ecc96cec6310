"""How far are measurements from the truth? The prober, tested on outages whose times are known."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import HistoryError
from harness.history import NS, History
from harness.judge.checks import amount, plain
from harness.judge.intervals import Outage, interval, outages
from harness.outcome import Check, Verdict
from harness.samples import Column

NAME = "evidence.calibration"
PUNCTUAL_NS = 5_000_000  # a request may start this late (docs/install.md)
Span = tuple[int, int]


class Row(BaseModel):
    """One kind of outage over one kind of connection: measured minus true, in milliseconds."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    kind: str
    conn: str
    outages: int
    least_ms: float
    median_ms: float
    most_ms: float
    unfounded: int

    @property
    def worst_ms(self) -> float:
        return max(abs(self.least_ms), abs(self.most_ms))


class Calibration(BaseModel):
    """What was found on one machine at one time. `stated_ms` is the error allowed at this probe interval."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    wall: str
    machine: str
    interval_ms: float
    stated_ms: float
    rows: list[Row]

    @property
    def worst(self) -> Row:
        return max(self.rows, key=lambda row: row.worst_ms)

    @property
    def holds(self) -> bool:
        """What was not measured does not hold."""
        return bool(self.rows) and all(r.outages > 0 for r in self.rows) and self.worst.worst_ms <= self.stated_ms


def compare(kind: str, samples: Column, true: Sequence[Span]) -> Row:
    """Measured minus true length of each outage. An outage that was measured but never happened counts in full."""
    found = list(outages(samples))
    slack = stated_ns(samples)
    errors = []
    for span in true:
        near = [o for o in found if o.start <= span[1] + slack and o.end >= span[0] - slack]
        longest = max(near, key=lambda o: o.end - o.start, default=None)
        if longest:
            found.remove(longest)
        errors.append(_length(longest) - (span[1] - span[0]))
    errors += [_length(outage) for outage in found]
    return Row(
        kind=kind,
        conn=samples.conn,
        outages=len(true),
        least_ms=min(errors, default=0) / 1e6,
        median_ms=median(errors or [0]) / 1e6,
        most_ms=max(errors, default=0) / 1e6,
        unfounded=len(found),
    )


def stated_ns(samples: Column) -> int:
    """The error that an outage of this series may have: one probe interval, plus how late requests may start."""
    usual = interval(samples)
    if usual is None:
        raise HistoryError(f"the interval of {samples.series} cannot be told from {len(samples)} samples")
    return usual + PUNCTUAL_NS


def check(history: History) -> tuple[Check, ...]:
    """Judge the calibration that the run was given; a history without one has no check."""
    said: Any = history.meta.probe.get("calibration") if history.meta else None
    if said is None:
        return ()
    try:
        found = Calibration.model_validate(said)
    except ValidationError as cause:
        error = cause.errors()[0]
        where = ".".join(map(str, error["loc"]))
        raise HistoryError(f"meta.probe.calibration cannot be read: {where}: {error['msg']}") from cause
    if not found.rows:
        why = "The prober was calibrated against no outage at all; run harness calibrate."
        return (plain(NAME, Verdict.INVALID, why),)
    worst = found.worst
    because = (
        f"Measured minus true was at most {amount(worst.worst_ms, 'ms')} (kind {worst.kind}, {worst.conn} connections) "
        f"in {sum(r.outages for r in found.rows)} outages made on this machine ({found.wall}); stated is "
        f"{amount(found.stated_ms, 'ms')}: one probe interval, and {amount(PUNCTUAL_NS / NS * 1000, 'ms')} for "
        "requests that start late"
    )
    if found.holds:
        return (plain(NAME, Verdict.PASS, f"{because}."),)
    return (plain(NAME, Verdict.INVALID, f"{because}. Find out what delays the prober, and run harness calibrate."),)


def _length(outage: Outage | None) -> int:
    return outage.end - outage.start if outage else 0
