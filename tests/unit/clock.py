"""A clock that only sleeping moves, in place of the module `time`."""

from __future__ import annotations


class Clock:
    """It begins at 0; `now` is in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
