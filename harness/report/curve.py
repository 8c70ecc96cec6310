"""A measure at one setting after another, as a curve."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.outcome import Check, Outcome

WIDTH, HEIGHT = 560, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 40, 30, 40


@dataclass(frozen=True)
class Dot:
    """One setting and its measure, at their place in the picture."""

    x: float
    y: float
    setting: float
    measure: float


@dataclass(frozen=True)
class Curve:
    """The settings are evenly spaced, lowest first; the height is from zero to the largest measure."""

    check: Check
    dots: tuple[Dot, ...]

    @property
    def line(self) -> str:
        """The points of an SVG polyline."""
        return " ".join(f"{dot.x:g},{dot.y:g}" for dot in self.dots)


def curves(outcome: Outcome) -> tuple[Curve, ...]:
    """One for each check that was measured at two settings or more."""
    return tuple(Curve(check, _dots(check.curve)) for check in outcome.checks if len(check.curve) >= 2)


def _dots(measured: Iterable[tuple[float, float]]) -> tuple[Dot, ...]:
    ordered = sorted(measured)
    step = (WIDTH - LEFT - RIGHT) / (len(ordered) - 1)
    top = max(measure for _, measure in ordered) or 1.0
    high = HEIGHT - TOP - BOTTOM
    return tuple(
        Dot(round(LEFT + place * step, 1), round(TOP + high * (1 - measure / top), 1), setting, measure)
        for place, (setting, measure) in enumerate(ordered)
    )
