"""Interruptions: the first is handled at once, a second one waits until everything broken is undone."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOP = signal.SIGUSR1  # Chaos Toolkit exits on it; an exception it would take for a failure of the current action
HELD = (signal.SIGINT, signal.SIGTERM, STOP)


def stop() -> None:
    """End the experiment that the main thread runs, as an interruption does; may be called by any thread."""
    signal.pthread_kill(threading.main_thread().ident or 0, STOP)


@contextmanager
def undisturbed(doing: str) -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM off until the block ends, and answer each with what is being done.

    Only the main thread can hold them; any other is not interrupted by them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    said = f"still {doing}; SIGKILL ends it, and `harness heal` repairs after that"
    before = {sign: signal.signal(sign, lambda *_: print(said, file=sys.stderr)) for sign in HELD}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
