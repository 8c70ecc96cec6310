"""Is it proved that a pod was slowed down or kept busy? What was measured in it must have grown by a good part of what
was asked for. What Chaos Mesh says it did is no proof."""

from __future__ import annotations

from harness.judge.faults import Target
from harness.judge.sightings import Sightings

SHARE = 0.5  # of what was asked for: a busy machine gives less, and noise is far below


def delay_doubt(target: Target, seen: Sightings) -> str | None:
    """By the ms that it took to connect, before and during, each way between it and the other side."""
    asked, ways = _number(target.said.get("asked_ms")), target.said.get("connect_ms")
    if not asked or not isinstance(ways, list) or not ways:
        return f"nobody measured how long {target.name} took to connect"
    for way in ways:
        before, during = (_number(value) for value in way) if isinstance(way, list) and len(way) == 2 else (None, None)
        if before is None or during is None:
            return f"it is not known how long {target.name} took to connect, before and during the delay"
        if during - before < SHARE * asked:
            return f"{target.name} took {before:.0f} ms to connect and then {during:.0f} ms, of {asked:g} ms asked for"
    return None


def stress_doubt(target: Target, seen: Sightings) -> str | None:
    """By what the container's own control group counted, before and during."""
    asked, before, during = (_number(target.said.get(key)) for key in ("asked", "before", "during"))
    if not asked or before is None or during is None:
        return f"nobody counted what {target.name} used before and during its stress"
    if during - before >= SHARE * asked:
        return None
    what = target.said.get("of")
    return f"{target.name} used {before:.3g} {what} and then {during:.3g}, of {asked:.3g} asked for"


def _number(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if known else None  # type: ignore[arg-type]
