"""The smallest defect that a load sees: how long requests must fail for a 95 % chance that one of them is hit.

The window is equally likely to begin at any moment. What it meets follows from when requests are due; nothing is
measured.
"""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from harness.experiment import Plan
from harness.history import NS
from harness.observe.sampling import phases

SURE = 0.95
LONG_ENOUGH_NS = 60 * NS  # how far we look; no grid has a longer period, and for one that had, this is enough
FINE = 60  # halvings of the answer
Grid = NDArray[np.int64]


def smallest(plan: Plan, *, write: bool, share: float = 1.0) -> float | None:
    """Seconds for which reads, or writes, must fail for a 95 % chance that one is hit. `share` of the requests meet the
    defect: half of them, if one of two replicas has it. None if the load has no such requests."""
    grids = _grids(plan, write)
    if not grids:
        return None
    least = 0.0
    most = next(2.0**n for n in range(-10, 20) if hit(grids, 2.0**n, share) >= SURE)
    for _ in range(FINE):
        middle = (least + most) / 2
        least, most = (least, middle) if hit(grids, middle, share) >= SURE else (middle, most)
    return most


def hit(grids: list[Grid], seconds: float, share: float = 1.0) -> float:
    """The chance that a window of this length meets a request. The phases of grids are independent."""
    return 1 - math.prod(_missed(grid, round(seconds * NS), share) for grid in grids)


def _missed(grid: Grid, window: int, share: float) -> float:
    """The mean, over all moments at which the window may begin, of the chance that it meets none of those due in it."""
    last = int(grid[-1]) - window
    if last <= grid[0]:
        return 0.0
    # Between two of these moments, the same requests are due in the window.
    moments = np.unique(np.concatenate((grid, grid - window)))
    moments = moments[(moments >= grid[0]) & (moments <= last)]
    due = np.searchsorted(grid, moments[:-1] + window, side="right") - np.searchsorted(grid, moments[:-1], side="right")
    lasts = np.diff(moments)
    return float(np.sum((1.0 - share) ** due * lasts) / np.sum(lasts))


def _grids(plan: Plan, write: bool) -> list[Grid]:
    """When requests are due: one grid for each process of the prober, which spaces its series, and one for the
    triggers, which are spread over two series and have their own clock."""
    entries = {t.entry for t in plan.probe.targets}
    found = [grid for entry in sorted(entries) if len(grid := _probed(plan, entry, write))]
    if write and plan.writer:
        found.append(np.arange(0, LONG_ENOUGH_NS, round(plan.writer.every_s * NS), dtype=np.int64))
    return found


def _probed(plan: Plan, entry: str, write: bool) -> Grid:
    series = [target for target in plan.probe.targets if target.entry == entry for _ in target.conn]
    intervals = [round(NS / target.rate_hz) for target in series]
    dues = (
        range(first, LONG_ENOUGH_NS, every)
        for target, first, every in zip(series, phases(intervals), intervals, strict=True)
        if target.write is write
    )
    return np.array(sorted(chain.from_iterable(dues)), dtype=np.int64)
