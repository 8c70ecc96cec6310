"""A database that was lost and restored: from what, to where, and who says so.

All of it is the word of the servers, before and after, or of the archive; whatever is missing, or does not fit
together, is no proof. Positions in the log are numbers, counted as PostgreSQL counts them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.history import NS, History, Op
from harness.judge.faults import Target, targets
from harness.judge.replaced import UnknowableError
from harness.records import MOST_T

ACTION = "lose_and_restore"
PROCESS = "archive"
_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", re.ASCII)
_FILE = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})", re.ASCII)
_MOST_SEGMENT = 1 << 30


@dataclass(frozen=True)
class Restored:
    """One restore. Times are `t` of the history: the database was `hit`, `gone`, `released` to start again, and seen
    `opened`; its backup was asked for at `backup_asked` and complete at `backed_up`.

    When it was lost, the archive had its log up to `archived`, in files of `segment` bytes; it was restored up to
    `ended`. Commits reach the archive within `timeout_ns`.
    """

    target: Target
    backup: str
    backup_asked: int
    backed_up: int
    hit: int
    gone: int
    released: int
    opened: int
    archived: int
    segment: int
    ended: int
    timeout_ns: int
    timelines: tuple[int, int]


def restored(history: History) -> Restored | None:
    """None if nothing was to be restored. Raises `UnknowableError` if it is not proved."""
    hit = [target for target in targets(history) if target.action == ACTION]
    if not hit and not any(fault.action == ACTION for fault in history.faults):
        return None
    if len(hit) != 1:
        raise UnknowableError(f"{len(hit)} databases were lost, and the proof is of one")
    return proved(hit[0], history)


def doubt(target: Target, history: History) -> str | None:
    """Why it is not proved that this database was lost and restored, or None if it is."""
    try:
        proved(target, history)
    except UnknowableError as why:
        return str(why)
    return None


def proved(target: Target, history: History) -> Restored:
    """Raises `UnknowableError` if the records lack a part of the proof."""
    before, after = target.how, target.said
    _lost(target)
    old, new = _timelines(target)
    backup, segment = _backup(target, history), _segment(target)
    gone, lost, released, opened = (_time(after.get(key), f"when {target.name} {what}") for key, what in _TIMES.items())
    if not target.injected <= gone <= lost <= released <= opened:
        raise UnknowableError(f"{target.name} was not hit, gone, lost, let start and open again in this order")
    return Restored(
        target=target,
        backup=str(backup.value["backup"]),
        backup_asked=asked(backup),
        backed_up=backup.t,
        hit=target.injected,
        gone=gone,
        released=released,
        opened=opened,
        archived=_end(after.get("archived"), segment, old),
        segment=segment,
        ended=position(after.get("ended_lsn")),
        timeout_ns=_whole(before.get("timeout_s"), f"the archive_timeout of {target.name}") * NS,
        timelines=(old, new),
    )


_TIMES = {
    "process_gone_t": "was gone",
    "lost_t": "was lost",
    "released_t": "was let start",
    "opened_t": "took writes again",
}


def _timelines(target: Target) -> tuple[int, int]:
    """Before and after. The same database must have left the one for the other, as it does only after a restore."""
    before, after, name = target.how, target.said, target.name
    if before.get("system") in (None, "") or before.get("system") != after.get("system"):
        raise UnknowableError(f"what came back in the place of {name} is not known to be the database that was lost")
    old = _whole(before.get("timeline"), f"the timeline of {name} before the loss")
    new = _whole(after.get("timeline"), f"the timeline of {name} after the restore")
    parent = _whole(after.get("parent"), f"the timeline that {name} was restored from")
    if not (new > old == parent):
        why = f"{name} was on timeline {old}, is on {new}, and came there from {parent}"
        raise UnknowableError(f"{why}: that is no restore of what was lost")
    return old, new


def _segment(target: Target) -> int:
    found = _whole(target.how.get("segment"), f"the size of the log's files of {target.name}")
    if found <= 0 or found > _MOST_SEGMENT or found & (found - 1):
        raise UnknowableError(f"the log's files of {target.name} cannot be {found} bytes large")
    return found


def asked(op: Op) -> int:
    """When the database was asked for this answer. Raises `UnknowableError` if the record does not say."""
    found = _time(op.value.get("asked"), f"when the database was asked for its {op.f}")
    if found > op.t:
        raise UnknowableError(f"the database is said to have been asked for its {op.f} after it had answered")
    return found


def position(lsn: object) -> int:
    """A position in the log. Raises `UnknowableError` if it is malformed."""
    found = _LSN.fullmatch(lsn) if isinstance(lsn, str) else None
    if found is None:
        raise UnknowableError(f"{lsn!r} is no position in a log")
    return int(found[1], 16) << 32 | int(found[2], 16)


def _lost(target: Target) -> None:
    """None of its files may be left, and it must no longer know what only these held."""
    left, sign = target.said.get("files_left"), target.how.get("sign")
    if isinstance(left, bool) or left != 0:
        raise UnknowableError(f"of the files of {target.name}, {left!r} are known to have been left, and none may be")
    if not isinstance(sign, str) or not sign:
        raise UnknowableError(f"nothing in the files of {target.name} could tell them from a backup")
    if not isinstance(target.said.get("sign"), str) or target.said["sign"] == sign:
        raise UnknowableError(f"{target.name} still has the files that it was to lose")


def _backup(target: Target, history: History) -> Op:
    """The backup that it was restored from must have been complete before it was lost."""
    name = target.said.get("backup")
    found = [
        op
        for op in history.ops
        if (op.process, op.f, op.type) == (PROCESS, "backup", "ok") and op.value.get("uid") == target.uid
    ]
    whole = [op for op in found if op.value.get("backup") == name and op.t <= target.injected]
    if not whole or name != target.how.get("backup"):
        raise UnknowableError(
            f"no base backup {name!r} of {target.name} is known to have been whole before it was lost"
        )
    return whole[-1]


def _end(name: object, segment: int, timeline: int) -> int:
    """Where a file of the log ends."""
    found = _FILE.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise UnknowableError(f"{name!r} is no file of a log, so it is not known what the archive had")
    if int(found[1], 16) != timeline:
        raise UnknowableError(f"the newest file of the log in the archive, {name}, is not of timeline {timeline}")
    per_log = (1 << 32) // segment
    return (int(found[2], 16) * per_log + int(found[3], 16) + 1) * segment


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UnknowableError(f"{what} is {value!r}, which is not a number")
    return value


def _time(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST_T:
        raise UnknowableError(f"it is not known {what}")
    return value
