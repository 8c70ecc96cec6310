"""One at a time on a machine: experiments, since two faults at once prove nothing, and changes of the stack.

A lock ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
from typing import IO, Literal

from harness.errors import UsageError
from harness.settings import Settings

BUSY = {
    "run": "another experiment is running on this machine",
    "stack": "another harness is bringing the stack up or down on this machine",
}


def only_one(settings: Settings, what: Literal["run", "stack"] = "run") -> IO[str]:
    """Take the lock, held as long as the returned file is open. Raises `UsageError` if another process has it."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    lock = (settings.cache / f"{what}.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        lock.close()
        raise UsageError(f"{BUSY[what]}; wait until it ends") from cause
    return lock
