"""Fewer things to draw, with none left out: neighbours are merged, the nearest first."""

from __future__ import annotations

import numpy as np

from harness.samples import Ints


def groups(starts: Ints, ends: Ints, most: int) -> list[tuple[int, int]]:
    """The places of the first and the last of each group, of at most `most` groups, cut where the gaps are widest.

    The input must be in order, without overlaps. Every place ends up in one group.
    """
    count = len(starts)
    if not count:
        return []
    cuts = np.arange(count - 1)
    if count > most:
        gaps = starts[1:] - ends[:-1]
        cuts = np.sort(np.argsort(-gaps, kind="stable")[: max(0, most - 1)])
    firsts = [0, *(cuts + 1).tolist()]
    return list(zip(firsts, [*cuts.tolist(), count - 1], strict=True))


def rows(spans: list[tuple[int, int]], most: int) -> list[int]:
    """A row for each span, so that spans of one row do not overlap; the last of `most` rows takes the rest.

    The spans must be in the order in which they begin.
    """
    free: list[int] = []
    found = []
    for start, end in spans:
        row = next((i for i, until in enumerate(free) if until <= start), len(free))
        if row == len(free) and len(free) < most:
            free.append(end)
        row = min(row, most - 1)
        free[row] = max(free[row], end)
        found.append(row)
    return found
