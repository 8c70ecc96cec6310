"""One experiment at a time: two faults at once prove nothing. The lock ends with the process, however that ends."""

from __future__ import annotations

import fcntl
from typing import IO

from harness.errors import UsageError
from harness.settings import Settings


def only_one(settings: Settings) -> IO[str]:
    """Take the lock, held as long as the returned file is open. Raises `UsageError` if another run has it."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    lock = (settings.cache / "run.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        lock.close()
        raise UsageError("another experiment is running on this machine; wait until it ends") from cause
    return lock
