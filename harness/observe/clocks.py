"""Two clocks that cannot be read at once, brought together: what one of them shows when the other shows this.

Each is monotonic, and each runs on a machine of its own, so that they differ by when these were switched on, and drift
apart. A question that is asked at a and answered at b by our clock was read somewhere in between: the middle is taken,
and half of the way there and back is the error. So a quick answer is a good one.
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
        """By so much theirs is ahead."""
        return self.theirs - self.ours


def read(ask: Callable[[], int], now: Callable[[], int], tries: int = TRIES) -> Reading:
    """The best of several: `ask` gives their time, and takes as long as that takes."""
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
        """By so much theirs was ahead when it was first read."""
        return self._readings[0].offset

    @property
    def drift(self) -> int:
        """The most by which the offset changed from one reading to the next."""
        offsets = [one.offset for one in self._readings]
        return max((abs(b - a) for a, b in pairwise(offsets)), default=0)

    @property
    def error(self) -> int:
        """By so much a translated time may be wrong: as the readings may be, and, between two of them, as far as the
        offset was seen to move in such a time."""
        return max(one.error for one in self._readings) + self.drift

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last reading, by our clock."""
        return self._readings[0].ours, self._readings[-1].ours

    def ours(self, theirs: Ints) -> Ints:
        """Their times by our clock. Between two readings the offset goes from one to the other, evenly; it stays what
        it was before the first and after the last. What was in order stays so."""
        base = self._readings[0]
        at = np.array([one.theirs - base.theirs for one in self._readings], dtype=np.float64)
        by = np.array([one.offset - base.offset for one in self._readings], dtype=np.float64)
        moved = np.rint(np.interp((theirs - base.theirs).astype(np.float64), at, by)).astype(np.int64)
        return np.asarray(theirs - base.offset - moved, dtype=np.int64)
