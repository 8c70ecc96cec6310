"""The words for a run under way: a line for where it is, and a line for each event."""

from __future__ import annotations

from dataclasses import dataclass

from harness.experiment import Phases
from harness.foreign import one_line
from harness.history import NS
from harness.outcome import Outcome
from harness.progress.seen import News, Seen, called

SHORT_S = 100  # beyond this, minutes are exact enough


@dataclass(frozen=True)
class Place:
    """One run of several: the `number`-th of `of`. `takes_s` is how long it should take, `later_s` all that follow."""

    experiment: str
    stack: str
    number: int
    of: int
    phases: Phases
    takes_s: float
    later_s: float = 0.0

    @property
    def mark(self) -> str:
        return f"{self.number}/{self.of}"


def opening(place: Place) -> str:
    """What is about to run, and how long all of it should take."""
    rest = f", {about(place.takes_s + place.later_s)} for all that remain" if place.later_s else ""
    return one_line(f"{place.mark} {place.experiment} on {place.stack}: {about(place.takes_s)}{rest}")


def told(place: Place, seen: Seen, news: News) -> str:
    """One thing that happened; where a phase begins, with its length and the requests so far."""
    length = length_s(place.phases, news.what)
    more = f", {length:g} s{counted(seen)}" if length else ""
    return one_line(f"{place.mark} {news.t / NS:6.1f} s {news.what}{more}")


def ended(place: Place, seen: Seen, outcome: Outcome) -> str:
    """What came of it."""
    return one_line(f"{place.mark} {outcome.verdict} {place.experiment} on {place.stack} in {seen.t / NS:.0f} s")


def line(place: Place, seen: Seen, now_t: int) -> str:
    """Where the run is at `now_t`, nanoseconds since it began. What matters most comes first: terminals are narrow."""
    parts = [f"{place.mark} {place.experiment}", where(place.phases, seen, now_t)]
    if seen.hit:
        parts.append(f"{len(seen.hit)} hit, {len(seen.proved)} proved")
    if seen.requests:
        parts.append(f"{seen.bad} of {seen.requests} requests bad")
    parts.append(f"{about(left_s(place, seen, now_t))} left")
    parts += [f"{called(name)} {took:.1f} s" for name, took in seen.recovered.items()]
    return one_line(" · ".join(parts))


def where(phases: Phases, seen: Seen, now_t: int) -> str:
    """The phase under way, with its seconds left."""
    if not seen.phase:
        return "being judged" if seen.over else "winding up" if seen.requests else "looking at the stack"
    lasted = max(0.0, (now_t - seen.since) / NS)
    length = length_s(phases, seen.phase)
    if length is None:
        return f"{seen.phase} for {lasted:.0f} s"
    left = length - lasted
    return f"{seen.phase}, {left:.0f} s left" if left >= 0 else f"{seen.phase}, {-left:.0f} s more than {length:g}"


def length_s(phases: Phases, name: str) -> float | None:
    """How long a phase should take; a fault takes as long as its actions. None for anything else."""
    return {"baseline": phases.baseline_s, "recovery": phases.recovery_s, "cooldown": phases.cooldown_s}.get(name)


def left_s(place: Place, seen: Seen, now_t: int) -> float:
    """Seconds until everything is over, going by earlier runs."""
    return (0.0 if seen.over else max(0.0, place.takes_s - now_t / NS)) + place.later_s


def counted(seen: Seen) -> str:
    return f"; {seen.bad} of {seen.requests} requests bad so far" if seen.requests else ""


def about(seconds: float) -> str:
    """A length of time for people."""
    if seconds < SHORT_S:
        return f"about {seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < SHORT_S else f"about {minutes / 60:.1f} h"
