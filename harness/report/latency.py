"""How long requests took from when they were due: points, each the slowest of its stretch of time, and their limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.history import NS, History
from harness.outcome import Outcome
from harness.report.facts import MS, series
from harness.report.lanes import GREY, RED, Drawing, plain
from harness.report.strips import colours_of, told
from harness.samples import Column

MOST = 4000  # points of all series together, and of one series no more than there are pixels
PIXELS = 600
LEAST_MS = 0.01  # the scale is logarithmic, and has no 0
Places = NDArray[np.intp]
Counts = NDArray[np.intp]


def traces(history: History, axis: str) -> list[Drawing]:
    """For each series, requests that were answered well, and those that were not."""
    colours = colours_of(history)
    found = []
    every = series(history)
    bins = min(PIXELS, max(1, MOST // (2 * max(1, len(every)))))
    for name, samples in every.items():
        for bad in (False, True):
            places, counts = slowest(samples, np.flatnonzero(samples.bad if bad else ~samples.bad), bins)
            if len(places):
                drawn = _points(samples, places, counts, bad, RED if bad else colours[samples.target])
                found.append({**drawn, "name": plain(name), "legendgroup": plain(name), "yaxis": axis})
    return found


def limits(history: History, outcome: Outcome, axis: str) -> list[Drawing]:
    """A line at what reads and writes are promised; requests may exceed it only for a while."""
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [0, round(history.last_t / NS, 3)],
            "y": [check.limit * 1000] * 2,
            "line": {"color": GREY, "width": 1, "dash": "dash" if ".read." in check.name else "dot"},
            "hovertemplate": plain(f"{check.verdict} {check.name}: limit {check.limit:g} s"),
            "name": plain(check.name),
            "showlegend": False,
            "yaxis": axis,
        }
        for check in outcome.checks
        if check.name.endswith(".latency") and check.limit
    ]


def slowest(samples: Column, places: Places, bins: int) -> tuple[Places, Counts]:
    """At most one sample for each part of the time, and how many it stands for: a page must open on a phone."""
    if len(places) <= bins:
        return places, np.ones(len(places), dtype=np.intp)
    due, took = samples.due[places], (samples.end - samples.due)[places]
    width = max(1, -(-int(due[-1] - due[0] + 1) // bins))
    slots = (due - due[0]) // width
    slowest_first = np.lexsort((np.arange(len(places)), -took, slots))
    _, first, counts = np.unique(slots[slowest_first], return_index=True, return_counts=True)
    return places[slowest_first[first]], counts


def _points(samples: Column, places: Places, counts: Counts, bad: bool, colour: str) -> Drawing:
    took = np.maximum((samples.end - samples.due)[places] / MS, LEAST_MS)
    hollow = samples.conn == "new"
    return {
        "type": "scatter",
        "mode": "markers",
        "x": np.round(samples.due[places] / NS, 3).tolist(),
        "y": np.round(took, 2).tolist(),
        "text": [_said(samples, int(place), int(count)) for place, count in zip(places, counts, strict=True)],
        "hovertemplate": "%{x:.2f} s: %{y:.1f} ms%{text}",
        "marker": {
            "symbol": "x" if bad else "circle-open" if hollow else "circle",
            "size": 8 if bad else 4,
            "color": colour,
        },
        "showlegend": False,
    }


def _said(samples: Column, place: int, count: int) -> str:
    """Nothing for a request that was answered well: thousands of them would swell the page."""
    what = f"\n{told(samples.at(place))}" if samples.bad[place] else ""
    return plain(what + (f"\nthe slowest of {count}" if count > 1 else ""))
