"""The picture of a run: everything that was seen, on one axis of time.

Plotly's data and layout; the page adds whatever depends on the width and the colours of the screen.
"""

from __future__ import annotations

from harness.history import NS, History
from harness.outcome import Outcome
from harness.report import attempts, heartbeats, latency, machine, milestones, pods, schedules, strips
from harness.report.facts import fault_time, spans
from harness.report.lanes import RED, Band, Drawing, draw

LANE_PX, LATENCY_PX, TOP_PX, BOTTOM_PX = 22, 200, 26, 44
TINTS = {
    "baseline": "rgba(60,160,110,.09)",
    "fault": "rgba(221,68,48,.20)",
    "recovery": "rgba(225,165,50,.13)",
    "cooldown": "rgba(120,140,180,.13)",
}
NAME_SHARE = 0.05  # of the axis: the width of a phase's name on a screen of 1440 pixels
LATENCY = Band("Latency by series, ms")


def draw_run(history: History, outcome: Outcome) -> Drawing:
    """Data and layout of one figure. What was judged is above the latency of requests, what ran is below it."""
    parts = (milestones.band(history, outcome), strips.band(history), schedules.band(history, outcome))
    above = [b for b in parts if b.lanes]
    every = (heartbeats, attempts, pods, machine)
    below = [b for b in (part.band(history) for part in every) if b.lanes]
    top, top_labels = draw([*above, LATENCY], "y")
    bottom, bottom_labels = draw(below, "y3")
    layout = {
        **_axes(sum(b.height for b in [*above, LATENCY]), sum(b.height for b in below), history),
        "annotations": top_labels + bottom_labels + _phase_names(history),
        "shapes": _phases(history),
        "barmode": "overlay",
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "namelength": 0},
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 11},
    }
    # Plotly draws no axis without a trace on it.
    nothing: list[Drawing] = [{"type": "scatter", "x": [], "y": [], "yaxis": axis} for axis in ("y", "y2", "y3")]
    lines = latency.limits(history, outcome, "y2")
    return {"data": [*nothing, *top, *lines, *latency.traces(history, "y2"), *bottom], "layout": layout}


def _axes(above: float, below: float, history: History) -> Drawing:
    """One axis of time; three of y: lanes, latency, lanes, each as high as what it holds."""
    heights = (above * LANE_PX, LATENCY_PX, below * LANE_PX)
    whole = sum(heights)
    lanes = {"visible": False, "fixedrange": True}
    end = max(1.0, history.last_t / NS)
    return {
        "height": round(whole + TOP_PX + BOTTOM_PX),
        "margin": {"l": 226, "r": 14, "t": TOP_PX, "b": BOTTOM_PX},
        "xaxis": {
            "title": {"text": "seconds since the run began", "standoff": 6},
            "range": [0, end],
            "minallowed": 0,
            "maxallowed": end,
            "zeroline": False,
            "anchor": "free",
            "position": 0,
            "showspikes": True,
            "spikemode": "across",
            "spikesnap": "cursor",
            "spikethickness": 1,
        },
        "yaxis": {**lanes, "range": [-above, 0], "domain": [1 - heights[0] / whole, 1]},
        "yaxis2": {
            "type": "log",
            "dtick": 1,
            "fixedrange": True,
            "zeroline": False,
            "domain": [heights[2] / whole, 1 - heights[0] / whole],
        },
        "yaxis3": {**lanes, "range": [-max(1.0, below), 0], "domain": [0, heights[2] / whole]},
    }


def _phases(history: History) -> list[Drawing]:
    whole: Drawing = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    shapes: list[Drawing] = [
        {**whole, "type": "rect", "x0": begin / NS, "x1": end / NS, "fillcolor": TINTS[name], "line": {"width": 0}}
        for name, (begin, end) in spans(history).items()
    ]
    fault = fault_time(history)
    if fault is not None:
        line = {"color": RED, "width": 1.5, "dash": "dot"}
        shapes.append({**whole, "type": "line", "x0": fault / NS, "x1": fault / NS, "line": line})
    return shapes


def _phase_names(history: History) -> list[Drawing]:
    """A label that would overlap the previous one is left out, such as that of a very short phase in a long run."""
    named: list[Drawing] = []
    room = NAME_SHARE * history.last_t
    before = -room
    for name, (begin, end) in spans(history).items():
        middle = (begin + end) / 2
        if middle - before >= room:
            place = {"x": end / NS, "xanchor": "right"} if middle > history.last_t - room / 2 else {"x": middle / NS}
            named.append({"text": name, **place, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False})
            before = middle
    return named
