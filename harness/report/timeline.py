"""The picture of a run: phases, fault, recovery, outages, heartbeats and how long requests took, on one axis of time.

Lanes bear their names inside the plot, so that a phone's width is left to what happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
import plotly.io
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from harness.history import NS, History, Sample
from harness.outcome import Outcome, Verdict, Window
from harness.report.facts import MS, fault_time, series, spans
from harness.samples import Column

BINS = 600
LANE_PX, REQUESTS_PX, MARGIN_PX = 30, 330, 110
TINTS = {"baseline": "#e8f1ec", "fault": "#f9e3df", "recovery": "#fbf1dc", "cooldown": "#eceff4"}
COLOURS = ("#1f5fa8", "#b8791f", "#8a5ab5", "#2f8f6b", "#a04f7e", "#4f7f99", "#7a6a53", "#5d7a2c")
BAD = "#c0311f"
BEAT = "#1c7c54"
JUDGED = {Verdict.PASS: "#1c7c54", Verdict.INVALID: "#a86a00", Verdict.FAIL: BAD}
Places = NDArray[np.intp]
STEPS = {"injected": "hit", "proved": "proved", "rolled-back": "undone"}


@dataclass(frozen=True)
class _Lane:
    """One row above the requests: stretches or moments, each with what it says when pointed at."""

    label: str
    colour: str
    windows: tuple[Window, ...]
    symbol: str = "line-ns-open"


def draw(history: History, outcome: Outcome) -> str:
    """An HTML fragment; the page must hold plotly's script before it."""
    lanes = [*_fault(history), *_recovery(outcome), *_outages(outcome), *_beats(history)]
    heights = (LANE_PX * (len(lanes) + 1), REQUESTS_PX)
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=list(heights), vertical_spacing=24 / sum(heights)
    )
    for place, lane in enumerate(lanes):
        _lane(figure, lane, -place)
    _requests(figure, history)
    _phases(figure, history)
    figure.update_layout(
        template="none",
        height=sum(heights) + MARGIN_PX,
        margin={"l": 52, "r": 12, "t": 28, "b": 80},
        legend={"orientation": "h", "y": -44 / sum(heights), "yanchor": "top", "x": 0, "itemsizing": "constant"},
        font={"family": "system-ui, sans-serif", "size": 12},
        hovermode="closest",
    )
    figure.update_xaxes(title_text="seconds since the run began", title_standoff=6, row=2, col=1)
    figure.update_xaxes(zeroline=False, range=[0, max(1.0, history.last_t / NS)])
    figure.update_yaxes(title_text="request took, ms", type="log", dtick=1, title_standoff=4, row=2, col=1)
    figure.update_yaxes(visible=False, range=[0.5 - max(1, len(lanes)), 0.9], fixedrange=True, row=1, col=1)
    return str(
        plotly.io.to_html(
            figure,
            include_plotlyjs=False,
            full_html=False,
            div_id="timeline",
            config={"responsive": True, "displayModeBar": False},
        )
    )


def _phases(figure: go.Figure, history: History) -> None:
    for name, (begin, end) in spans(history).items():
        figure.add_vrect(
            x0=begin / NS,
            x1=end / NS,
            fillcolor=TINTS[name],
            line_width=0,
            layer="below",
            row="all",
            col=1,
        )
        figure.add_annotation(x=(begin + end) / 2 / NS, y=1, yref="paper", yanchor="bottom", text=name, showarrow=False)
    fault = fault_time(history)
    if fault is not None:
        figure.add_vline(x=fault / NS, line={"color": BAD, "width": 1.5, "dash": "dot"}, row="all", col=1)


def _fault(history: History) -> list[_Lane]:
    """From the hit to the proof, and the undo."""
    steps = [
        Window(start=f.t, end=f.t, what=f"{STEPS[f.phase]} {f.target.get('name', '')}".strip())
        for f in history.faults
        if f.phase in STEPS
    ]
    return [_Lane("fault: hit, proved, undone", BAD, tuple(steps), "diamond")] if steps else []


def _recovery(outcome: Outcome) -> list[_Lane]:
    """How long each phase of the recovery took, as the judge found it."""
    return [
        _Lane(f"{c.name} {c.measure:.1f} {c.unit}", JUDGED[c.verdict], c.windows)
        for c in outcome.checks
        if c.name.startswith("recovery.") and c.windows and c.measure is not None
    ]


def _outages(outcome: Outcome) -> list[_Lane]:
    """Outages as the judge found them, a lane for each series."""
    found = [w for c in outcome.checks if _of_outages(c.name) for w in c.windows]
    lanes: dict[str, list[Window]] = {}
    for window in sorted(found, key=lambda w: w.what):
        lanes.setdefault(window.what.split(" did not answer")[0], []).append(window)
    return [_Lane(f"outages: {name}", BAD, tuple(windows)) for name, windows in lanes.items()]


def _of_outages(name: str) -> bool:
    return name == "evidence.baseline" or (name.startswith("availability.") and name.endswith(".outage"))


def _beats(history: History) -> list[_Lane]:
    """One lane for each scheduler's heartbeats."""
    lanes: dict[str, list[Window]] = {}
    for event in history.events:
        if event.source == "job" and event.what == "heartbeat":
            name = f"{event.value.get('hostname', '')} ({event.object})".strip()
            lanes.setdefault(name, []).append(Window(start=event.t, end=event.t, what="heartbeat"))
    return [_Lane(f"♥ {name}", BEAT, tuple(beats)) for name, beats in lanes.items()]


def _lane(figure: go.Figure, lane: _Lane, y: int) -> None:
    x: list[float | None] = []
    for window in lane.windows:
        x += [window.start / NS, window.end / NS, None]
    lasting = any(window.end > window.start for window in lane.windows)
    figure.add_trace(
        go.Scatter(
            x=x,
            y=[y] * len(x),
            mode="lines+markers" if lasting else "markers",
            line={"color": lane.colour, "width": 7},
            marker={"symbol": lane.symbol, "size": 9, "color": lane.colour},
            hovertext=[escape(w.what) for w in lane.windows for _ in range(3)],
            hoverinfo="text+x",
            showlegend=False,
        ),
        row=1,
        col=1,
    )
    figure.add_annotation(
        x=0,
        xref="paper",
        xanchor="left",
        xshift=4,
        y=y,
        yref="y",
        yshift=13,
        text=escape(lane.label),
        font={"size": 11, "color": "#3d4752"},
        showarrow=False,
    )


def _requests(figure: go.Figure, history: History) -> None:
    """A colour for each target; hollow points are new connections."""
    every = series(history)
    targets = list(dict.fromkeys(samples.target for samples in every.values()))
    for name, samples in every.items():
        _latency(figure, name, samples, COLOURS[targets.index(samples.target) % len(COLOURS)])


def _latency(figure: go.Figure, name: str, samples: Column, colour: str) -> None:
    good = "circle-open" if samples.conn == "new" else "circle"
    for bad in (False, True):
        places = _slowest(samples, np.flatnonzero(samples.bad if bad else ~samples.bad))
        if not len(places):
            continue
        shown = [samples.at(place) for place in places]
        figure.add_trace(
            go.Scatter(
                x=[round(s.due / NS, 3) for s in shown],
                y=[round(max(s.end - s.due, MS // 100) / MS, 2) for s in shown],
                mode="markers",
                name=escape(f"{name}, not answered well" if bad else name),
                legendgroup=escape(name),
                showlegend=not bad,
                marker={"symbol": "x" if bad else good, "size": 8 if bad else 5, "color": BAD if bad else colour},
                hovertext=[escape(_said(s)) for s in shown],
                hoverinfo="text+x+y",
            ),
            row=2,
            col=1,
        )


def _slowest(samples: Column, places: Places) -> Places:
    """At most one sample for each 600th of the time: a page must stay small enough to open on a phone."""
    if len(places) <= BINS:
        return places
    due, took = samples.due[places], (samples.end - samples.due)[places]
    width = max(1, -(-int(due[-1] - due[0] + 1) // BINS))
    slots = (due - due[0]) // width
    slowest_first = np.lexsort((np.arange(len(places)), -took, slots))
    _, first = np.unique(slots[slowest_first], return_index=True)
    return np.sort(places[slowest_first[first]])


def _said(sample: Sample) -> str:
    status = f" {sample.status}" if sample.status is not None else ""
    error = f" {sample.error}" if sample.error else ""
    return f"{sample.method} {sample.path}: {sample.outcome}{status}{error}"
