"""Files that are written atomically: a reader finds the old one or the new one, never a part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import StorageError


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A file to write to, which then replaces `path`. Raises `StorageError` if the disk refuses it."""
    fresh = path.with_name(f".{os.getpid()}.part")
    try:
        yield fresh
        fresh.replace(path)
    except OSError as cause:
        raise StorageError.of(cause, path) from cause
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Write a text atomically, creating its folder if needed. Raises `StorageError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise StorageError.of(cause, path.parent) from cause
    with beside(path) as fresh:
        fresh.write_text(text, encoding="utf-8", errors="backslashreplace")
