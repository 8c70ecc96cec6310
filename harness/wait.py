"""Wait for a condition instead of sleeping, with a bound and a message that says what was seen last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from harness.errors import WaitTimeout

T = TypeVar("T")


class Clock(Protocol):
    """What `until` needs of time; tests give one that does not sleep."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def until(
    look: Callable[[], T],
    ready: Callable[[T], bool],
    *,
    what: str,
    timeout: float,
    every: float = 0.5,
    successes: int = 1,
    clock: Clock | None = None,
) -> T:
    """Call `look` every `every` seconds until `ready` holds `successes` times in a row, and return what was seen.

    Raises `WaitTimeout` after `timeout` seconds; errors of `look` are not caught.
    """
    clock = clock or SystemClock()
    deadline = clock.monotonic() + timeout
    in_a_row = 0
    while True:
        seen = look()
        in_a_row = in_a_row + 1 if ready(seen) else 0
        if in_a_row >= successes:
            return seen
        if clock.monotonic() >= deadline:
            raise WaitTimeout(f"{what} did not come true within {timeout:g} s; last seen: {seen}")
        clock.sleep(every)
