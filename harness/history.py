"""The record of one run, format 1: JSON Lines that producers append to and checkers read.

Times are integer nanoseconds of the host's monotonic clock since the run began. Unknown fields and unknown kinds are
ignored, so a newer harness may add some; a line that is not what its kind says is an error, never skipped.
"""

from __future__ import annotations

import errno
import gzip
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeVar, cast

import msgspec
from pydantic import ValidationError

from harness.errors import HistoryError
from harness.records import ADAPTER, KINDS, MOST_T, NS, End, Event, Fault, Mark, Meta, Op, Phase, Record, Sample
from harness.samples import Intake, Request, Samples

__all__ = [
    "FORMAT", "NAMES", "NS", "End", "Event", "Fault", "History", "Mark", "Meta", "Op", "Phase", "Record", "Recorder",
    "Sample", "grouped", "wall_now",
]  # fmt: skip

FORMAT = 1
NAMES = ("history.jsonl", "history.jsonl.gz")
MOST_LINE = 1 << 20
MOST_OTHERS = 1_000_000
R = TypeVar("R", bound=Record)
T = TypeVar("T")
K = TypeVar("K")


def wall_now() -> str:
    """The time, for people: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, tuple[T, ...]]:
    """Items by their key, each group in the order given."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return {of: tuple(group) for of, group in groups.items()}


class Recorder:
    """Appends records to a history. Several processes may append to one file, each through its own recorder:
    every write is whole lines in one call on a descriptor opened for appending."""

    def __init__(self, path: Path, t0: int) -> None:
        self.path = path
        self.t0 = t0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    @classmethod
    def create(cls, path: Path) -> Recorder:
        """Begin a history: its clock starts now. Raises FileExistsError if there is one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        return cls(path, time.monotonic_ns())

    def now(self) -> int:
        """Nanoseconds since the run began."""
        return time.monotonic_ns() - self.t0

    def write(self, *records: Record) -> None:
        """Append whole lines, in one call. Raises OSError if the disk takes only a part of them."""
        lines = "".join(r.model_dump_json(by_alias=True) + "\n" for r in records).encode()
        if os.write(self._fd, lines) != len(lines):
            raise OSError(errno.ENOSPC, "the history could be written in part only", str(self.path))

    def newline(self) -> None:
        """End a line that a killed writer left unfinished, so that later records get their own lines."""
        os.write(self._fd, b"\n")

    def close(self) -> None:
        """Flush everything to disk; closing twice is allowed."""
        if self._fd >= 0:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1


@dataclass(frozen=True)
class History:
    """A run as checkers read it. `problem` says why it is incomplete, or is None.

    `marks` are of triggered runs, `scheduled_marks` of scheduled ones. `last_t` is how far it
    reaches: to its end, whatever claims to be later, or to its last record if it has no end.
    """

    meta: Meta | None
    samples: Samples = field(default_factory=Samples)
    ops: tuple[Op, ...] = ()
    marks: tuple[Mark, ...] = ()
    scheduled_marks: tuple[Mark, ...] = ()
    faults: tuple[Fault, ...] = ()
    events: tuple[Event, ...] = ()
    phases: tuple[Phase, ...] = ()
    problem: str | None = None
    last_t: int = field(default=0)
    ended: int | None = None  # when the end was recorded, if it was

    def seen(self, source: str) -> tuple[Event, ...]:
        """The events of one source, grouped only once: as many faults may ask as there are events."""
        return self._by_source.get(source, ())

    def of_pod(self, uid: str | None) -> tuple[Event, ...]:
        """The events of one pod."""
        return self._by_pod.get(uid, ())

    def once(self, work: Callable[[History], T]) -> T:
        """The result of a function on this history, computed once for all checkers. Do not change it."""
        if work not in self._kept:
            self._kept[work] = work(self)
        return cast("T", self._kept[work])

    @cached_property
    def _kept(self) -> dict[Callable[[History], object], object]:
        return {}

    @cached_property
    def _by_source(self) -> dict[str, tuple[Event, ...]]:
        return grouped(self.events, lambda event: event.source)

    @cached_property
    def _by_pod(self) -> dict[str | None, tuple[Event, ...]]:
        return grouped(self.seen("pod"), lambda event: event.uid)

    @classmethod
    def of(cls, records: Iterable[Record], problem: str | None = None) -> History:
        """Sort records by kind and time. `problem` is what the reader found wrong."""
        pile = Pile()
        for record in records:
            pile.add(record)
        return cls._from(pile, problem)

    @classmethod
    def _from(cls, pile: Pile, problem: str | None) -> History:
        ordered = sorted(pile.others, key=lambda r: r.t)
        kinds: dict[type[Record], list[Record]] = {}
        for record in ordered:
            kinds.setdefault(type(record), []).append(record)

        def only(kind: type[R]) -> tuple[R, ...]:
            return cast("tuple[R, ...]", tuple(kinds.get(kind, ())))

        if problem is None and len(only(Meta)) > 1:
            problem = "it holds a second meta record, and a history is of one run"
        if problem is None and len(only(End)) > (pile.end is not None):
            problem = "it goes on after an end record, which is the last of a history"
        if problem is None and pile.meta is None:
            problem = "its first line is not a meta record"
        if problem is None and not (pile.end and pile.end.complete):
            problem = "its last line is not an end record with complete: true, so the run was cut short"
        return cls(
            meta=pile.meta,
            samples=pile.intake.samples(),
            ops=only(Op),
            marks=tuple(mark for mark in only(Mark) if not mark.dag),
            scheduled_marks=tuple(mark for mark in only(Mark) if mark.dag),
            faults=only(Fault),
            events=only(Event),
            phases=only(Phase),
            problem=problem,
            ended=pile.end.t if pile.end else None,
            last_t=pile.end.t if pile.end else max(ordered[-1].t if ordered else 0, pile.intake.last_t),
        )

    @classmethod
    def read(cls, path: Path) -> History:
        """Read a file, compressed or not. A damaged line ends the reading and becomes `problem`.

        Raises `HistoryError` if the file names a format that this reader does not know.
        """
        pile = Pile()
        problem = None
        try:
            for number, line in enumerate(_lines(path), start=1):
                _take(line, number, pile)
        except _Damaged as damage:
            problem = str(damage)
        if pile.meta and pile.meta.format != FORMAT:
            raise HistoryError(
                f"{path} is of history format {pile.meta.format}; this harness reads format {FORMAT}: "
                "judge it with the version that recorded it"
            )
        return cls._from(pile, problem)


class Pile:
    """Records as they come in: samples into columns, since they are many; the others as they are, up to a bound."""

    def __init__(self) -> None:
        self.intake = Intake()
        self.others: list[Record] = []
        self.meta: Meta | None = None
        self.end: End | None = None  # the last record, if it is one
        self._empty = True

    def add(self, record: Record) -> None:
        """Raises `ValueError` or `OverflowError` if it cannot be held."""
        if isinstance(record, Sample):
            self.sample(record)
            return
        if len(self.others) == MOST_OTHERS:
            raise ValueError(f"it holds more than {MOST_OTHERS} records that are no samples")
        if self._empty and isinstance(record, Meta):
            self.meta = record
        self.others.append(record)
        self._empty, self.end = False, record if isinstance(record, End) else None

    def sample(self, sample: Request) -> None:
        """As `add`, for a sample, however it was read."""
        self.intake.add(sample)
        self._empty, self.end = False, None


class _Damaged(Exception):
    """A line that is not valid in a history."""


_Time = Annotated[int, msgspec.Meta(ge=0, le=MOST_T)]


class _SampleLine(msgspec.Struct, gc=False):
    """A sample as in its line; decoded separately, since there may be a million of them."""

    kind: Literal["sample"]
    t: _Time
    target: str
    conn: Literal["new", "reused"]
    method: str
    path: str
    due: _Time
    end: _Time
    outcome: Literal["ok", "fail", "info"]
    status: int | None = None
    error: str | None = None
    vantage: str = ""


class _AnyLine(msgspec.Struct, gc=False):
    """Any other line, by its kind."""

    kind: str | None = None


_ANY = msgspec.json.Decoder(_AnyLine)
_SAMPLE = msgspec.json.Decoder(_SampleLine)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            while line := file.readline(MOST_LINE):
                if len(line) == MOST_LINE:
                    raise _Damaged(f"a line is longer than {MOST_LINE} bytes")
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as cause:
        raise _Damaged(f"the file is damaged: {cause}") from cause


def _take(line: bytes, number: int, pile: Pile) -> None:
    """Put one line where it belongs. Unknown kinds are ignored."""
    try:
        if b'"sample"' in line:
            try:
                pile.sample(_SAMPLE.decode(line))
            except msgspec.ValidationError:
                pass  # the word is in a record of another kind; or the sample is not valid, which is reported below
            else:
                return
        if _ANY.decode(line).kind in KINDS:
            pile.add(ADAPTER.validate_json(line))
    except (ValueError, OverflowError, RecursionError, msgspec.DecodeError) as cause:
        reason = cause.errors()[0]["msg"] if isinstance(cause, ValidationError) else cause
        raise _Damaged(f"line {number} cannot be read: {reason}") from cause
