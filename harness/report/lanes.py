"""Rows of a picture: each has a label, and bars and points that say what they are when pointed at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar

from harness.foreign import visible
from harness.history import NS

LABEL = 34  # characters; pointing at its bars shows what is cut off
LONGEST = 400  # characters; servers say more than anybody reads
ROW = 0.5  # what each row after the first adds to the height of a lane
SHORTEST = NS // 1000  # a bar of no length would not be drawn
COLOURS = ("#3b82d6", "#c98016", "#9a63cc", "#1d9a8a", "#c2558f", "#5c8a3a", "#93805f", "#4a92ad")
GREEN, RED, AMBER, GREY, BLUE = "#2f9e6e", "#dd4430", "#d08a1d", "#8a94a0", "#5b87c7"
Drawing = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """How something looks, in light and in dark: `thick` is the share of a lane, `over` says what lies on top."""

    colour: str
    thick: float = 0.4
    over: int = 0
    symbol: str = "square"
    size: int = 9

    @property
    def sign(self) -> str:
        """How a key shows it."""
        return {"x": "✕", "diamond": "◆", "line-ns-open": "|"}.get(self.symbol, "■")


@dataclass(frozen=True)
class Bar:
    """A stretch of time, in nanoseconds since the run began. However short, it is at least two pixels wide."""

    start: int
    end: int
    look: Look
    said: str
    row: int = 0


@dataclass(frozen=True)
class Point:
    """A moment."""

    t: int
    look: Look
    said: str
    row: int = 0


@dataclass(frozen=True)
class Lane:
    """One thing over time. `swatch` is the sign and colour at its label, `name` the series that a click toggles."""

    label: str
    bars: tuple[Bar, ...] = ()
    points: tuple[Point, ...] = ()
    swatch: tuple[str, str] | None = None
    name: str = ""

    @property
    def height(self) -> float:
        return 1 + ROW * max([0, *(bar.row for bar in self.bars), *(point.row for point in self.points)])


@dataclass(frozen=True)
class Band:
    """Lanes that belong together, below one title, and what their colours mean."""

    title: str
    lanes: tuple[Lane, ...] = ()
    key: tuple[tuple[str, Look], ...] = ()

    @property
    def height(self) -> float:
        return 1 + sum(lane.height for lane in self.lanes)


T = TypeVar("T", Bar, Point)
Placed = tuple[T, float]


def plain(text: str) -> str:
    """Text that a plot shows as it is: plotly would interpret tags, entities and %{names}."""
    shown = visible(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
    return escape(shown, quote=False).replace("\n", "<br>").replace("%{", "%&#123;")


def seconds(t: int) -> float:
    return round(t / NS, 3)


def draw(bands: list[Band], axis: str) -> tuple[list[Drawing], list[Drawing]]:
    """Traces and labels of bands on the y axis of this name, which reaches from 0 down."""
    labels: list[Drawing] = []
    bars: list[Placed[Bar]] = []
    points: list[Placed[Point]] = []
    top = 0.0
    for band in bands:
        labels.append(_title(band, top - 0.5, axis))
        top -= 1
        for lane in band.lanes:
            labels.append(_label(lane, top - 0.5, axis))
            bars += [(bar, top - 0.5 - ROW * bar.row) for bar in lane.bars]
            points += [(point, top - 0.5 - ROW * point.row) for point in lane.points]
            top -= lane.height
    traces = [_bars(look, of, axis) for look, of in _by_look(bars)]
    return traces + [_points(look, of, axis) for look, of in _by_look(points)], labels


def _by_look(things: list[Placed[T]]) -> Iterator[tuple[Look, list[Placed[T]]]]:
    """One trace for each look keeps a page quick; what must be seen is drawn last."""
    found: dict[Look, list[Placed[T]]] = {}
    for thing in things:
        found.setdefault(thing[0].look, []).append(thing)
    yield from sorted(found.items(), key=lambda pair: pair[0].over)


def _bars(look: Look, placed: list[Placed[Bar]], axis: str) -> Drawing:
    return {
        "type": "bar",
        "orientation": "h",
        "base": [seconds(bar.start) for bar, _ in placed],
        "x": [seconds(max(SHORTEST, bar.end - bar.start)) for bar, _ in placed],
        "y": [round(y, 3) for _, y in placed],
        "width": look.thick,
        "marker": {"color": look.colour, "line": {"color": look.colour, "width": 1}},
        "hovertext": [plain(bar.said) for bar, _ in placed],
        "hoverinfo": "text",
        "showlegend": False,
        "yaxis": axis,
    }


def _points(look: Look, placed: list[Placed[Point]], axis: str) -> Drawing:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [seconds(point.t) for point, _ in placed],
        "y": [round(y, 3) for _, y in placed],
        "marker": {
            "symbol": look.symbol,
            "size": look.size,
            "color": look.colour,
            "line": {"color": look.colour, "width": 1.5},
        },
        "hovertext": [plain(point.said) for point, _ in placed],
        "hoverinfo": "text",
        "showlegend": False,
        "cliponaxis": False,
        "yaxis": axis,
    }


def _title(band: Band, y: float, axis: str) -> Drawing:
    key = "".join(f'  <span style="color:{look.colour}">{look.sign}</span> {plain(word)}' for word, look in band.key)
    return {**_text(f"<b>{plain(band.title)}</b>{key}", y, axis), "name": "title"}


def _label(lane: Lane, y: float, axis: str) -> Drawing:
    text = plain(lane.label if len(lane.label) <= LABEL else lane.label[: LABEL - 1] + "…")
    if lane.swatch:
        sign, colour = lane.swatch
        text = f'{text} <span style="color:{colour}">{sign}</span>'
    return {**_text(text, y, axis), "name": f"lane {plain(lane.name)}", "captureevents": bool(lane.name)}


def _text(text: str, y: float, axis: str) -> Drawing:
    """The page puts it beside or above its lane, depending on its width."""
    return {"text": text, "x": 0, "xref": "paper", "y": round(y, 3), "yref": axis, "showarrow": False}
