"""Two clocks that cannot be read at the same moment, brought together: what one shows when the other shows this.

Each is monotonic and runs on a machine of its own, so they differ by when those were switched on, and drift apart. If
we ask at a and are answered at b, by our clock, theirs was read somewhere in between: we take the middle, and half the
round trip is the error. So a quick answer is a good one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
TRIES = 5


@dataclass(frozen=True)
class Reading:
    """Nanoseconds of our clock and of theirs at one moment, give or take `error`."""

    ours: int
    theirs: int
    error: int

    @property
    def offset(self) -> int:
        """How far theirs is ahead."""
        return self.theirs - self.ours


def read(ask: Callable[[], int], now: Callable[[], int], tries: int = TRIES) -> Reading:
    """The best of several readings: `ask` returns their time, however long that takes."""
    found = []
    for _ in range(tries):
        before, theirs, after = now(), ask(), now()
        found.append(Reading((before + after) // 2, theirs, (after - before + 1) // 2))
    return min(found, key=lambda one: one.error)


class Clock:
    """Their clock, as it was read now and then during a run; at least once."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._readings = sorted(readings, key=lambda one: one.theirs)
        if not self._readings:
            raise ValueError("a clock that was never read shows nothing")

    @property
    def offset(self) -> int:
        """How far theirs was ahead when it was first read."""
        return self._readings[0].offset

    @property
    def drift(self) -> int:
        """The most by which the offset changed from one reading to the next."""
        offsets = [one.offset for one in self._readings]
        return max((abs(b - a) for a, b in pairwise(offsets)), default=0)

    @property
    def error(self) -> int:
        """How far a translated time may be off: the error of the worst reading, and the most that the offset moved
        between two readings."""
        return max(one.error for one in self._readings) + self.drift

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last reading, by our clock."""
        return self._readings[0].ours, self._readings[-1].ours

    def ours(self, theirs: Ints) -> Ints:
        """Their times by our clock. Between two readings the offset is interpolated; before the first and after the
        last it is theirs. The order is kept."""
        base = self._readings[0]
        at = np.array([one.theirs - base.theirs for one in self._readings], dtype=np.float64)
        by = np.array([one.offset - base.offset for one in self._readings], dtype=np.float64)
        moved = np.rint(np.interp((theirs - base.theirs).astype(np.float64), at, by)).astype(np.int64)
        return np.asarray(theirs - base.offset - moved, dtype=np.int64)
