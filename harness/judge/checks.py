"""Make checks: the one place that turns a measure into a verdict, and words it.

Measures are compared unrounded. Only their display is rounded, so 100.0004 s never passes a limit of 100 s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from harness.history import NS
from harness.outcome import Check, Verdict, Window
from harness.slo import CATALOGUE, Bound

_ENDS = re.compile(r"[.\s]+(\)*)\.$")
HARDLY = NS // 20  # nobody is helped by "0.0 s before"


def measured(
    bound: Bound,
    measure: float,
    before: str,
    after: str = "",
    *,
    whole: bool = True,
    broken: Verdict = Verdict.FAIL,
    windows: Iterable[Window] = (),
) -> Check:
    """A check with a measure, in the unit of its bound; `because` reads `before` measure `after`; limit, origin.

    `whole=False`: the truth is at least the measure, so within the limit it is INVALID, never a pass.
    """
    shown, limit = amount(measure, bound.unit), amount(bound.limit, bound.unit)
    if not math.isfinite(measure) or measure < 0:
        return unknown(bound, f"{before} {shown}{after}, which cannot be; look at the history", windows)
    verdict = broken
    if bound.holds(measure):
        verdict = Verdict.PASS if whole else Verdict.INVALID
    elif shown == limit:
        shown = f"{measure!r} {bound.unit}"
    least = "" if whole else "at least "
    return Check(
        name=bound.name,
        verdict=verdict,
        measure=measure,
        limit=bound.limit,
        unit=bound.unit,
        origin=bound.origin,
        windows=tuple(windows),
        because=f"{before} {least}{shown}{after}; the limit is {bound.sense} {limit} ({_phrase(bound)}).",
    )


def unknown(bound: Bound, why: str, windows: Iterable[Window] = ()) -> Check:
    """A bound that could not be judged."""
    limit = amount(bound.limit, bound.unit)
    return Check(
        name=bound.name,
        verdict=Verdict.INVALID,
        measure=None,
        limit=bound.limit,
        unit=bound.unit,
        origin=bound.origin,
        windows=tuple(windows),
        because=f"{why}; the limit of {bound.sense} {limit} ({_phrase(bound)}) could not be judged.",
    )


def broken(bound: Bound, why: str) -> Check:
    """A bound broken by something that has no measure."""
    limit = amount(bound.limit, bound.unit)
    found = plain(bound.name, Verdict.FAIL, f"{why}; the limit is {bound.sense} {limit} ({_phrase(bound)}).")
    return found.model_copy(update={"limit": bound.limit, "origin": bound.origin})


def in_doubt(check: Check, why: str) -> Check:
    """A promise that may look broken only for this reason: nothing can be concluded; the check keeps its measure."""
    because = f"{check.because} This is in doubt, since {why}."
    return check.model_copy(update={"verdict": Verdict.INVALID, "because": because})


def plain(name: str, verdict: Verdict, because: str, windows: Iterable[Window] = ()) -> Check:
    """A check without a bound."""
    kind = CATALOGUE.get(name)
    return Check(
        name=name,
        verdict=verdict,
        measure=None,
        limit=None,
        unit=kind.unit if kind else "",
        origin="",
        windows=tuple(windows),
        because=_ended(because),
    )


def worst_of(checks: Iterable[Check]) -> Check:
    """Which of several checks of one bound to report: the worst verdict, then the worst measure."""

    def badness(check: Check) -> tuple[int, float]:
        if check.measure is None:
            return check.verdict.rank, -math.inf
        least = CATALOGUE[check.name].sense == "at least"
        return check.verdict.rank, -check.measure if least else check.measure

    return max(checks, key=badness)


def amount(value: float, unit: str) -> str:
    """A number for people: at most three decimals, with its unit unless it is a count."""
    number = f"{value:.3f}".rstrip("0").removesuffix(".")
    return number if unit == "count" else f"{number} {unit}"


def _phrase(bound: Bound) -> str:
    """A bound's origin, to fit inside a sentence."""
    return bound.origin.strip().rstrip(".")


def _ended(sentence: str) -> str:
    """With one full stop: a quoted text may have brought its own."""
    return _ENDS.sub(r"\1.", sentence)


def when(t: int, fault: int | None) -> str:
    """A moment for people, relative to the fault and to the run's beginning."""
    into = f"{t / NS:.1f} s into the run"
    if fault is None:
        return into
    side = "after" if t > fault - HARDLY else "before"
    return f"{abs(t - fault) / NS:.1f} s {side} the fault ({into})"


def some(names: Iterable[str], most: int = 3) -> str:
    """A few of many names."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
