"""Every error that the harness raises on purpose.

    HarnessError            exit 70
    ├── UsageError          exit 64  the caller can fix it; nothing was changed
    │   └── OutOfReach               the target lacks what the experiment needs: it is skipped, and says nothing
    ├── StackError                   a set-up step did not reach its goal
    │   └── CommandFailed            a program ended with a non-zero code or ran out of time
    ├── FaultError                   a fault could not be injected, proved or undone
    │   └── FaultRefused             a fault would be more than is allowed; nothing was hit by it, and the run ends
    ├── WaitTimeout                  a condition did not come true in time
    ├── StorageError        exit 74  a file or folder cannot be read or written: a full disk, missing permission
    └── HistoryError        exit 64  a recorded run is of a format that this version does not know

A message says what happened, to what, and what to do next. It may quote a cluster or a file, and it will be printed, so
it is made safe for terminals here.
"""

from __future__ import annotations

import errno
from pathlib import Path

from harness.foreign import visible

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_INVALID = 2
EXIT_USAGE = 64
EXIT_INTERNAL = 70
EXIT_STORAGE = 74  # EX_IOERR of sysexits.h
# Errors that can only be about a disk, a file or a folder.
STORAGE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.EACCES, errno.EPERM}
    | {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
)


class HarnessError(Exception):
    """Base of all; its exit code is that of an internal error."""

    exit_code = EXIT_INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


class UsageError(HarnessError):
    """Bad input, or a machine or stack that is not in the state that the command needs."""

    exit_code = EXIT_USAGE


class OutOfReach(UsageError):
    """The target cannot do what an experiment needs. That is no verdict on it."""


class StackError(HarnessError):
    """A step from nothing to steady state did not reach its goal."""


class CommandFailed(StackError):
    """A program failed; `returncode` is None if it ran out of time."""

    def __init__(self, message: str, returncode: int | None, output: str) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.output = output


class FaultError(HarnessError):
    """A fault could not be injected, proved or undone."""


class FaultRefused(FaultError):
    """A fault would be in a forbidden place, or too large. It hit nothing, and nothing more may be hit."""


class WaitTimeout(HarnessError):
    """A condition did not come true within its bound."""


class StorageError(HarnessError):
    """The disk is full, or a file or folder may not be read or written."""

    exit_code = EXIT_STORAGE

    @classmethod
    def of(cls, cause: OSError, path: Path | None = None) -> StorageError:
        """With the system's message and the file; `path` names it if the caller knows better."""
        what = path or cause.filename or "a file"
        return cls(f"{what}: {cause.strerror or cause}; make room or give us the right to it, and try again")


class HistoryError(HarnessError):
    """A history of a format that this version does not know; one that is merely damaged is judged INVALID."""

    exit_code = EXIT_USAGE
