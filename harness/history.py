"""The record of one run, format 1: JSON Lines that producers append to and checkers read.

Times are integer nanoseconds of the host's monotonic clock since the run began. Unknown fields and unknown kinds are
ignored, so a newer harness may add some; a line that is not what its kind says is an error, never skipped.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import HistoryError

FORMAT = 1
NAMES = ("history.jsonl", "history.jsonl.gz")
NS = 1_000_000_000


class Record(BaseModel):
    """One line; `t` is nanoseconds since the run began."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    t: int = Field(ge=0)


class Meta(Record):
    """The first line: what ran, on what, and the bounds in force (name → limit, unit, origin)."""

    kind: Literal["meta"] = "meta"
    format: int
    run_id: str
    experiment: str
    stack: str
    wall: str
    versions: dict[str, str] = {}
    replicas: dict[str, int] = {}
    slo: dict[str, dict[str, Any]] = {}
    probe: dict[str, Any] = {}
    seed: int = 0


class Sample(Record):
    """One request: `t` is when it started, `due` when it should have, `end` when its answer or error was there."""

    kind: Literal["sample"] = "sample"
    target: str
    conn: Literal["new", "reused"]
    method: str
    path: str
    due: int
    end: int
    outcome: Literal["ok", "fail", "info"]
    status: int | None = None
    error: str | None = None


class Op(Record):
    """One step of an operation: `invoke`, then one of `ok`, `fail`, `info`."""

    kind: Literal["op"] = "op"
    process: str
    f: str
    type: Literal["invoke", "ok", "fail", "info"]
    value: dict[str, Any] = {}


class Mark(Record):
    """What a task wrote of itself, outside Airflow: that one attempt of it started or ended."""

    kind: Literal["ledger"] = "ledger"
    dag_run: str
    task: str
    map_index: int = -1
    try_: int = Field(alias="try")
    mark: Literal["start", "end"]
    executor_host: str

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, populate_by_name=True)


class Fault(Record):
    """One step in the life of a fault."""

    kind: Literal["fault"] = "fault"
    id: str
    action: str
    phase: Literal["begin", "injected", "proved", "ended", "rolled-back"]
    target: dict[str, Any] = {}
    evidence: dict[str, Any] = {}


class Event(Record):
    """Something seen in the cluster or in Airflow."""

    kind: Literal["event"] = "event"
    source: Literal["pod", "endpoint", "node", "job", "probe"]
    object: str
    uid: str | None = None
    what: str
    value: dict[str, Any] = {}


class Phase(Record):
    """The edge of a phase."""

    kind: Literal["phase"] = "phase"
    name: Literal["baseline", "fault", "recovery", "cooldown"]
    edge: Literal["begin", "end"]


class End(Record):
    """The last line; without it the history is truncated."""

    kind: Literal["end"] = "end"
    complete: bool


AnyRecord = Annotated[Meta | Sample | Op | Mark | Fault | Event | Phase | End, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[AnyRecord] = TypeAdapter(AnyRecord)
_KINDS = frozenset({"meta", "sample", "op", "ledger", "fault", "event", "phase", "end"})
R = TypeVar("R", bound=Record)


def wall_now() -> str:
    """The time for people: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Recorder:
    """Appends records to a history. Several processes may append to one file, each through a recorder of its own:
    every write is whole lines in one call on a descriptor opened for appending."""

    def __init__(self, path: Path, t0: int) -> None:
        self.path = path
        self.t0 = t0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    @classmethod
    def create(cls, path: Path) -> Recorder:
        """Begin a history: its clock starts now. Raises FileExistsError where there is one already."""
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        return cls(path, time.monotonic_ns())

    def now(self) -> int:
        """Nanoseconds since the run began."""
        return time.monotonic_ns() - self.t0

    def write(self, *records: Record) -> None:
        """Append whole lines, in one call. Raises OSError where the disk takes only a part of them."""
        lines = "".join(r.model_dump_json(by_alias=True) + "\n" for r in records).encode()
        if os.write(self._fd, lines) != len(lines):
            raise OSError(errno.ENOSPC, "the history could be written in part only", str(self.path))

    def newline(self) -> None:
        """End a line that a killed writer left unended, so that what follows stands on lines of its own."""
        os.write(self._fd, b"\n")

    def close(self) -> None:
        """Put all that was written on disk; closing twice is allowed."""
        if self._fd >= 0:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1


@dataclass(frozen=True)
class History:
    """A run as checkers read it. `problem` says why it is not whole, or is None."""

    meta: Meta | None
    samples: tuple[Sample, ...] = ()
    ops: tuple[Op, ...] = ()
    marks: tuple[Mark, ...] = ()
    faults: tuple[Fault, ...] = ()
    events: tuple[Event, ...] = ()
    phases: tuple[Phase, ...] = ()
    problem: str | None = None
    last_t: int = field(default=0)

    @classmethod
    def of(cls, records: Iterable[Record], problem: str | None = None) -> History:
        """Sort records by kind and time. `problem` is what the reader already found."""
        every = list(records)
        first = every[0] if every else None
        meta = first if isinstance(first, Meta) else None
        whole = bool(every) and isinstance(every[-1], End) and every[-1].complete
        if problem is None and meta is None:
            problem = "its first line is not a meta record"
        if problem is None and not whole:
            problem = "its last line is not an end record with complete: true, so the run was cut short"
        ordered = sorted(every, key=lambda r: r.t)

        def only(kind: type[R]) -> tuple[R, ...]:
            return tuple(r for r in ordered if isinstance(r, kind))

        return cls(
            meta=meta,
            samples=tuple(sorted(only(Sample), key=lambda s: s.due)),
            ops=only(Op),
            marks=only(Mark),
            faults=only(Fault),
            events=only(Event),
            phases=only(Phase),
            problem=problem,
            last_t=max((r.t for r in every), default=0),
        )

    @classmethod
    def read(cls, path: Path) -> History:
        """Read a file, compressed or not. A damaged line ends the reading and becomes `problem`.

        Raises `HistoryError` where the file names a format that this reader does not know.
        """
        records: list[Record] = []
        problem = None
        try:
            for record in _parse(_lines(path)):
                records.append(record)  # noqa: PERF402 what was read before a damaged line is kept
        except _Damaged as damage:
            problem = str(damage)
        if records and isinstance(records[0], Meta) and records[0].format != FORMAT:
            raise HistoryError(
                f"{path} is of history format {records[0].format}; this harness reads format {FORMAT}: "
                "judge it with the version that recorded it"
            )
        return cls.of(records, problem)


class _Damaged(Exception):
    """A line that is not what a history line must be."""


def _lines(path: Path) -> Iterator[str]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as packed:
                yield from packed
        else:
            with path.open(encoding="utf-8") as plain:
                yield from plain
    except (EOFError, UnicodeDecodeError, gzip.BadGzipFile, zlib.error) as cause:
        raise _Damaged(f"the file is damaged: {cause}") from cause


def _parse(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        try:
            raw = json.loads(line)
            if not isinstance(raw, dict):
                raise ValueError("it is not an object")
            if raw.get("kind") in _KINDS:
                yield _ADAPTER.validate_json(line)
        except (ValueError, ValidationError) as cause:
            reason = cause.errors()[0]["msg"] if isinstance(cause, ValidationError) else cause
            raise _Damaged(f"line {number} cannot be read: {reason}") from cause
