"""A measure over many runs as a line no larger than a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from harness.outcome import Check, Verdict

WIDTH, HEIGHT, EDGE = 160, 36, 4
MOST = 60  # runs; the newest
NEAR = 1.5  # a limit further away than this many times the largest measure would flatten the line


@dataclass(frozen=True)
class Dot:
    """One run's measure, at its place in the picture."""

    x: float
    y: float
    verdict: Verdict
    run: str
    measure: float


@dataclass(frozen=True)
class Spark:
    """One measure, the newest run last. `limit_y` is None where the limit is too far away to be drawn."""

    name: str
    unit: str
    limit: float | None
    median: float
    dots: tuple[Dot, ...]
    limit_y: float | None

    @property
    def newest(self) -> Dot:
        return self.dots[-1]

    @property
    def line(self) -> str:
        """The points of an SVG polyline."""
        return " ".join(f"{dot.x:g},{dot.y:g}" for dot in self.dots)


def spark(name: str, checks: Sequence[tuple[str, Check]]) -> Spark | None:
    """From each run's check of this name, oldest first. None if nothing was measured."""
    found = [(run, check, check.measure) for run, check in checks if check.measure is not None][-MOST:]
    if not found:
        return None
    limit, largest = found[-1][1].limit, max(measure for _, _, measure in found)
    top = max(largest, limit if limit is not None and limit <= NEAR * largest else 0.0) or 1.0
    step = (WIDTH - 2 * EDGE) / max(1, len(found) - 1)

    def height(value: float) -> float:
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / top, 1)

    dots = tuple(
        Dot(round(EDGE + step * place, 1), height(measure), check.verdict, run, measure)
        for place, (run, check, measure) in enumerate(found)
    )
    return Spark(
        name=name,
        unit=found[-1][1].unit,
        limit=limit,
        median=median(measure for _, _, measure in found),
        dots=dots,
        limit_y=height(limit) if limit is not None and limit <= top else None,
    )
