"""The brake: it checks every second whether users suffer more than was declared, and if so ends the run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

Gauge = Callable[[], str | None]
EVERY_S = 1.0


class Brake:
    """A thread that asks each gauge whether the run may go on, and calls `pull` once, with the first reason not to.

    A gauge that fails is a reason too: nobody should drive blind.
    """

    def __init__(self, gauges: Sequence[Gauge], pull: Callable[[str], None]) -> None:
        self._gauges = gauges
        self._pull = pull
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="brake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def release(self) -> None:
        """Never pull from here on. Does not wait for a gauge that is still looking; can be called twice."""
        with self._lock:
            self._released.set()

    def _watch(self) -> None:
        while not self._released.wait(EVERY_S):
            if because := self._look():
                with self._lock:
                    if not self._released.is_set():
                        self._released.set()
                        self._pull(because)

    def _look(self) -> str | None:
        try:
            return next((because for gauge in self._gauges if (because := gauge())), None)
        except Exception as problem:
            return f"it cannot see any more: {type(problem).__name__}: {problem}"
