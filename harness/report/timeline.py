"""The picture of a run: phases, fault, outages, heartbeats and how long requests took, on one axis of time."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go
import plotly.io
from plotly.subplots import make_subplots

from harness.history import NS, History, Sample
from harness.outcome import Outcome, Window
from harness.report.facts import MS, fault_time, series, spans

BINS = 600
TINTS = {"baseline": "#e8f1ec", "fault": "#f9e3df", "recovery": "#fbf1dc", "cooldown": "#eceff4"}
COLOURS = ("#1f5fa8", "#2f8f6b", "#8a5ab5", "#b8791f", "#4f7f99", "#7a6a53", "#a04f7e", "#5d7a2c")
BAD = "#c0311f"
BEAT = "#1c7c54"


def draw(history: History, outcome: Outcome) -> str:
    """An HTML fragment; the page must hold plotly's script before it."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.42, 0.58], vertical_spacing=0.05)
    _beats(figure, history)
    _windows(figure, outcome)
    _fault(figure, history)
    for colour, (name, samples) in zip(_endless(len(series(history))), series(history).items(), strict=True):
        _latency(figure, name, samples, colour)
    _phases(figure, history)
    figure.update_layout(
        template="none",
        height=680,
        margin={"l": 150, "r": 16, "t": 40, "b": 120},
        legend={"orientation": "h", "y": -0.16},
        font={"family": "system-ui, sans-serif", "size": 12},
        hovermode="closest",
    )
    figure.update_xaxes(title_text="seconds since the run began", row=2, col=1)
    figure.update_yaxes(title_text="request took, ms", type="log", row=2, col=1)
    figure.update_yaxes(automargin=True, row=1, col=1)
    return str(
        plotly.io.to_html(
            figure,
            include_plotlyjs=False,
            full_html=False,
            div_id="timeline",
            config={"responsive": True, "displaylogo": False},
        )
    )


def _endless(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


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
        figure.add_annotation(
            x=(begin + end) / 2 / NS, y=1.02, yref="paper", yanchor="bottom", text=name, showarrow=False
        )
    fault = fault_time(history)
    if fault is not None:
        figure.add_vline(x=fault / NS, line={"color": BAD, "width": 1.5, "dash": "dot"}, row="all", col=1)


def _fault(figure: go.Figure, history: History) -> None:
    """From the hit to the proof, and the undo."""
    for fault in history.faults:
        target = f"{fault.target.get('name', '')}"
        figure.add_trace(
            go.Scatter(
                x=[fault.t / NS],
                y=["fault"],
                mode="markers",
                marker={"symbol": "diamond", "size": 10, "color": BAD},
                hovertext=escape(f"{fault.phase} {target}"),
                hoverinfo="text+x",
                showlegend=False,
            ),
            row=1,
            col=1,
        )


def _windows(figure: go.Figure, outcome: Outcome) -> None:
    """Outages as the judge found them."""
    found = [w for c in outcome.checks if _of_outages(c.name) for w in c.windows]
    lanes: dict[str, list[Window]] = {}
    for window in sorted(found, key=lambda w: w.what, reverse=True):
        lanes.setdefault(window.what.split(" did not answer")[0], []).append(window)
    for lane, windows in lanes.items():
        x: list[float | None] = []
        for window in windows:
            x += [window.start / NS, window.end / NS, None]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[escape(lane)] * len(x),
                mode="lines+markers",
                line={"color": BAD, "width": 9},
                marker={"symbol": "line-ns-open", "size": 9, "color": BAD},
                hovertext=[escape(w.what) for w in windows for _ in range(3)],
                hoverinfo="text+x",
                showlegend=False,
            ),
            row=1,
            col=1,
        )


def _of_outages(name: str) -> bool:
    return name == "evidence.baseline" or (name.startswith("availability.") and name.endswith(".outage"))


def _beats(figure: go.Figure, history: History) -> None:
    """One lane for each scheduler's heartbeats."""
    lanes: dict[str, list[float]] = {}
    for event in history.events:
        if event.source == "job" and event.what == "heartbeat":
            host = event.value.get("hostname", "")
            lanes.setdefault(f"{event.object} {host}".strip(), []).append(event.t / NS)
    for lane, times in sorted(lanes.items(), reverse=True):
        figure.add_trace(
            go.Scatter(
                x=times,
                y=[escape(f"♥ {lane}")] * len(times),
                mode="markers",
                marker={"symbol": "line-ns-open", "size": 9, "color": BEAT},
                hoverinfo="x",
                showlegend=False,
            ),
            row=1,
            col=1,
        )


def _latency(figure: go.Figure, name: str, samples: list[Sample], colour: str) -> None:
    for bad in (False, True):
        shown = _slowest([s for s in samples if (s.outcome != "ok") is bad])
        if not shown:
            continue
        figure.add_trace(
            go.Scatter(
                x=[round(s.due / NS, 3) for s in shown],
                y=[round(max(s.end - s.due, MS // 100) / MS, 2) for s in shown],
                mode="markers",
                name=escape(f"{name}, not answered well" if bad else name),
                legendgroup=escape(name),
                marker={"symbol": "x" if bad else "circle", "size": 7 if bad else 4, "color": BAD if bad else colour},
                hovertext=[escape(_said(s)) for s in shown],
                hoverinfo="text+x+y",
            ),
            row=2,
            col=1,
        )


def _slowest(samples: list[Sample]) -> list[Sample]:
    """At most one sample for each 600th of the time: a page must stay small enough to open on a phone."""
    if len(samples) <= BINS:
        return samples
    first, last = samples[0].due, samples[-1].due
    width = max(1, -(-(last - first + 1) // BINS))
    kept: dict[int, Sample] = {}
    for sample in samples:
        slot = (sample.due - first) // width
        if slot not in kept or sample.end - sample.due > kept[slot].end - kept[slot].due:
            kept[slot] = sample
    return list(kept.values())


def _said(sample: Sample) -> str:
    status = f" {sample.status}" if sample.status is not None else ""
    error = f" {sample.error}" if sample.error else ""
    return f"{sample.method} {sample.path}: {sample.outcome}{status}{error}"
