"""Are acknowledged writes still there? Judged by what each Variable holds once nobody writes it any more.

Each series has a Variable to itself, and its requests are numbered in the order in which they were due. Several may be
under way at once, so the last to be sent need not be the last to be written. One that was never acknowledged may have
been written at any time after it was sent, or never.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from harness.asking import VARIABLES
from harness.history import History, Op
from harness.judge.checks import measured, some, unknown, when, worst_of
from harness.judge.faults import fault_time
from harness.judge.observers import unsampled
from harness.outcome import Check, Window
from harness.samples import Column
from harness.slo import Bound

NAME = "availability.write.kept"


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    bound = bounds.get(NAME)
    return (_kept(history, bound),) if bound else ()


def _kept(history: History, bound: Bound) -> Check:
    """The worst series speaks for all."""
    written = [c for c in history.samples.columns.values() if c.series.write and c.path.startswith(VARIABLES)]
    if not written:
        return unknown(bound, "No Variable was written")
    if why := unsampled(history):
        return unknown(bound, f"It is not known which request had which number, since {some(why)}")
    return worst_of(_series(history, bound, column) for column in written)


def _series(history: History, bound: Bound, column: Column) -> Check:
    read = [op for op in history.ops if op.f == "kept" and op.value.get("path") == column.path]
    if not read:
        return unknown(bound, f"What {column.series} left was never read back at the end")
    return worst_of(_read(history, bound, column, op) for op in read)


def _read(history: History, bound: Bound, column: Column, op: Op) -> Check:
    asked, said = op.value.get("asked"), op.value.get("value")
    if op.type not in ("ok", "fail") or not (said is None if op.type == "fail" else isinstance(said, str)):
        return unknown(bound, f"What {column.series} left could not be read back at the end")
    if isinstance(asked, bool) or not isinstance(asked, int) or not int(column.end.max()) <= asked <= op.t:
        return unknown(bound, f"What {column.series} left was not read after the last request had ended")
    if len(set(np.diff(column.due).tolist())) > 1:
        return unknown(bound, f"It is not known which request of {column.series} had which number: some are missing")
    good = ~column.bad
    if not good.any():
        return unknown(bound, f"No request of {column.series} was acknowledged, so none is owed")
    place = _place(history, column, said)
    last = int(column.t[good].max())  # when the newest acknowledged one was sent
    if place is not None and column.end[place] < last and not good[place]:
        sent = when(int(column.t[place]), fault_time(history))
        why = f"{column.series} left what was sent {sent} and never acknowledged"
        return unknown(bound, f"{why}: it was written late, or what was acknowledged after it is lost")
    since = -1 if place is None else int(column.end[place])
    # Requests sent before the one that is there had ended may have been written before it.
    return _said(history, bound, column, np.flatnonzero(good & (column.t > since)), op)


def _place(history: History, column: Column, said: object) -> int | None:
    """Which request of this run wrote it, or None if none did."""
    run_id = history.meta.run_id if history.meta else ""
    found = re.fullmatch(re.escape(run_id) + r"\.(\d{1,18})", said, re.ASCII) if isinstance(said, str) else None
    return int(found[1]) if found and int(found[1]) < len(column) else None


def _said(history: History, bound: Bound, column: Column, lost: NDArray[np.intp], op: Op) -> Check:
    good = np.flatnonzero(~column.bad)
    first = f", the first was sent {when(int(column.t[lost[0]]), fault_time(history))}" if len(lost) else ""
    what = f"acknowledged writes of {column.series} that are not there"
    return measured(
        bound,
        len(lost),
        f"Of {len(good)} acknowledged writes of {column.series}, those that are not there in the end:",
        first,
        windows=[Window(start=int(column.t[lost[0]]), end=op.t, what=what)] if len(lost) else [],
    )
