"""The runs of one session: those that began soon after one another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

APART = timedelta(hours=2)  # the longest run takes one hour, and rebuilding the stack before it a quarter
LONGEST = timedelta(days=1)  # for machines that never rest


def newest(walls: Sequence[str]) -> list[int]:
    """The places of the newest session's runs, newest first; `walls` says when each began, in RFC 3339.

    A run whose start cannot be read is in no session.
    """
    known = [(t, place) for place, wall in enumerate(walls) if (t := _moment(wall)) is not None]
    found: list[tuple[datetime, int]] = []
    for t, place in sorted(known, key=lambda one: one[0], reverse=True):
        if found and (found[-1][0] - t > APART or found[0][0] - t > LONGEST):
            break
        found.append((t, place))
    return [place for _, place in found]


def _moment(wall: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(wall)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
