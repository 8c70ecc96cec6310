"""The samples of a run as columns: a million requests in about 30 MB, judged a whole column at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.records import Sample

MOST_COLUMNS = 10_000  # two kinds of connections, of a few targets, from a thousand vantage points
MOST_ERRORS = 10_000
NO_STATUS = -1
Conn = Literal["new", "reused"]
Outcome = Literal["ok", "fail", "info"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "fail", "info")
_CODES = {outcome: code for code, outcome in enumerate(OUTCOMES)}
_READS = frozenset({"GET", "HEAD"})
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, order=True)
class Series:
    """Samples that are judged together: one target over one kind of connection, reads apart from writes; from one
    vantage point, if not from where the harness is."""

    target: str
    conn: str
    write: bool
    vantage: str = ""

    def __str__(self) -> str:
        place = f" from {self.vantage}" if self.vantage else ""
        return f"{self.target} over {self.conn} connections{place}"


@dataclass(frozen=True, eq=False)
class Column:
    """Samples of one series in the order in which they were due; times in nanoseconds since the run began.

    `errors` holds the messages of the first 10,000 samples that have one, by place.
    """

    method: str
    path: str
    target: str
    conn: Conn
    t: Ints
    due: Ints
    end: Ints
    outcome: NDArray[np.int8]
    status: NDArray[np.int32]
    errors: dict[int, str] = field(default_factory=dict)
    vantage: str = ""

    def __len__(self) -> int:
        return len(self.due)

    @property
    def series(self) -> Series:
        return Series(self.target, self.conn, self.method.upper() not in _READS, self.vantage)

    @cached_property
    def bad(self) -> Flags:
        """The samples that were not answered well. `info` may have been served, but was not answered: bad."""
        return np.asarray(self.outcome != 0)

    def where(self, chosen: Flags) -> Column:
        """The samples that are chosen, in the same order."""
        return self._take(np.flatnonzero(chosen))

    def at(self, place: int) -> Sample:
        """One sample, as it was recorded."""
        status = int(self.status[place])
        return Sample.model_construct(
            t=int(self.t[place]),
            target=self.target,
            conn=self.conn,
            method=self.method,
            path=self.path,
            due=int(self.due[place]),
            end=int(self.end[place]),
            outcome=OUTCOMES[self.outcome[place]],
            status=None if status == NO_STATUS else status,
            error=self.errors.get(place),
            vantage=self.vantage,
        )

    def _take(self, places: NDArray[np.intp]) -> Column:
        return replace(
            self,
            t=self.t[places],
            due=self.due[places],
            end=self.end[places],
            outcome=self.outcome[places],
            status=self.status[places],
            errors={new: self.errors[old] for new, old in enumerate(places.tolist()) if old in self.errors},
        )

    def in_order(self) -> Column:
        """By due time; samples due at the same time stay as they were recorded."""
        steps = np.diff(self.due)
        return self if not len(steps) or steps.min() >= 0 else self._take(np.argsort(self.due, kind="stable"))


class Samples:
    """All samples of a run, a column for each series; iteration gives them in the order in which they were due."""

    def __init__(self, columns: Iterable[Column] = ()) -> None:
        found: dict[Series, list[Column]] = {}
        for column in columns:
            found.setdefault(column.series, []).append(column)
        self.columns = {series: _joined(found[series]).in_order() for series in sorted(found)}

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Samples:
        intake = Intake()
        for sample in samples:
            intake.add(sample)
        return intake.samples()

    def __len__(self) -> int:
        return sum(map(len, self.columns.values()))

    def __iter__(self) -> Iterator[Sample]:
        every = [column.at(place) for column in self.columns.values() for place in range(len(column))]
        return iter(sorted(every, key=lambda s: s.due))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Samples) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class Request(Protocol):
    """A sample, however it was read."""

    @property
    def t(self) -> int: ...
    @property
    def target(self) -> str: ...
    @property
    def conn(self) -> Conn: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def due(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def status(self) -> int | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def vantage(self) -> str: ...


class Intake:
    """Takes samples one at a time, in the order in which they were recorded."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Conn, str, str, str], _Open] = {}

    @property
    def last_t(self) -> int:
        """When the last of them started; 0 if there is none."""
        return max((max(column.t, default=0) for column in self._open.values()), default=0)

    def add(self, sample: Request) -> None:
        """Raises `OverflowError` or `ValueError` if a column cannot hold it."""
        key = (sample.target, sample.conn, sample.method, sample.path, sample.vantage)
        column = self._open.get(key)
        if column is None:
            if len(self._open) == MOST_COLUMNS:
                raise ValueError(f"there are more than {MOST_COLUMNS} kinds of requests")
            column = self._open[key] = _Open()
        column.t.append(sample.t)
        column.due.append(sample.due)
        column.end.append(sample.end)
        column.outcome.append(_CODES[sample.outcome])
        column.status.append(NO_STATUS if sample.status is None else sample.status)
        if sample.error is not None and len(column.errors) < MOST_ERRORS:
            column.errors[len(column.status) - 1] = sample.error

    def samples(self) -> Samples:
        """Everything taken so far."""
        return Samples(column.closed(*key) for key, column in self._open.items())


class _Open:
    """A column that still grows."""

    __slots__ = ("due", "end", "errors", "outcome", "status", "t")

    def __init__(self) -> None:
        self.t, self.due, self.end = array("q"), array("q"), array("q")
        self.outcome, self.status = array("b"), array("i")
        self.errors: dict[int, str] = {}

    def closed(self, target: str, conn: Conn, method: str, path: str, vantage: str) -> Column:
        whole = len(self.status)  # filled last: a sample that could be held only in part is left out
        return Column(
            method=method,
            path=path,
            target=target,
            conn=conn,
            t=np.array(self.t[:whole], dtype=np.int64),
            due=np.array(self.due[:whole], dtype=np.int64),
            end=np.array(self.end[:whole], dtype=np.int64),
            outcome=np.array(self.outcome[:whole], dtype=np.int8),
            status=np.array(self.status, dtype=np.int32),
            errors=self.errors,
            vantage=vantage,
        )


def _joined(parts: list[Column]) -> Column:
    """Requests of one series that went to several paths; the first path stands for all."""
    if len(parts) == 1:
        return parts[0]
    errors: dict[int, str] = {}
    start = 0
    for part in parts:
        errors |= {start + place: said for place, said in part.errors.items()}
        start += len(part)
    return replace(
        parts[0],
        t=np.concatenate([part.t for part in parts]),
        due=np.concatenate([part.due for part in parts]),
        end=np.concatenate([part.end for part in parts]),
        outcome=np.concatenate([part.outcome for part in parts]),
        status=np.concatenate([part.status for part in parts]),
        errors=errors,
    )
