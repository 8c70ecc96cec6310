"""What the prober saw of a life, as columns: each request of each series, due on its grid whatever became of others."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import cast

import numpy as np

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import PROBED_UNTIL, TIMEOUT, Key, Life
from benchmarks.worlds.measures import ANSWERED_MS
from harness.asking import VARIABLES
from harness.samples import NO_STATUS, Column, Conn, Samples

MS = 1_000_000
OK, FAIL, INFO = 0, 1, 2


def sampled(life: Life, world: World) -> Samples:
    rng = np.random.default_rng(world.seed)
    columns = {key: _column(life, key, rng) for key in life.intervals}
    _spoil(columns, world)
    return Samples(columns.values())


def _column(life: Life, key: Key, rng: np.random.Generator) -> Column:
    target, conn, write = key
    first, step = life.intervals[key]
    due = np.arange(first, PROBED_UNTIL, step, dtype=np.int64) * MS
    t = due + rng.integers(0, 4 * MS, len(due))
    took = np.full(len(due), ANSWERED_MS * MS, dtype=np.int64)
    outcome = np.zeros(len(due), dtype=np.int8)
    for series, begin, end, slow in life.slow:
        if series == key:
            took[(t >= begin * MS) & (t < end * MS)] = slow * MS
    for outage in life.outages:
        if outage.key == key:
            inside = (t >= outage.begin * MS) & (t < outage.end * MS)
            outcome[inside] = FAIL if outage.kind == "fail" else INFO
            took[inside] = 10 * MS if outage.kind == "fail" else TIMEOUT * MS
    status = np.select([outcome == OK, outcome == FAIL], [200, 503], NO_STATUS).astype(np.int32)
    method, path = ("PATCH", f"{VARIABLES}{target}") if write else ("GET", f"/api/v2/{target}")
    errors = dict.fromkeys(np.flatnonzero(outcome).tolist(), "not answered")
    return Column(method, path, target, cast("Conn", conn), t, due, t + took, outcome, status, errors)


def _spoil(columns: dict[Key, Column], world: World) -> None:
    """What the prober did wrong, or a damaged record says of it."""
    first = next(iter(columns))
    column = columns[first]
    place = random.Random(world.seed).randrange(80, 120)  # noqa: S311
    every = np.ones(len(column), dtype=np.bool_)
    if world.way("prober") == 1:
        every[place : place + 10] = False
        columns[first] = column.where(every)
    if world.way("lines-missing") == 1:
        every[place : place + 1] = False
        columns[first] = column.where(every)
    if world.way("prober") == 2:
        columns[first] = replace(column, t=column.t + 600 * MS, end=column.end + 600 * MS)
    if world.way("prober") == 3:
        del columns[("pools", "new", False)]
    _impossible(columns, first, world)


def _impossible(columns: dict[Key, Column], first: Key, world: World) -> None:
    """Answers that ended before they began, or that were good with a status of 503."""
    column = columns[first]
    good = int(np.flatnonzero(column.outcome == OK)[-3])
    if world.way("impossible") == 0:
        end = column.end.copy()
        end[good] = column.t[good] - MS
        columns[first] = replace(column, end=end)
    if world.way("impossible") == 1:
        status = column.status.copy()
        status[good] = 503
        columns[first] = replace(column, status=status)
