"""When did something come, if its observer was blind for a while? Then only its earliest and latest time are known."""

from __future__ import annotations

from dataclasses import dataclass

from harness.history import NS, History
from harness.judge.checks import measured, unknown, when
from harness.judge.observers import unseen
from harness.outcome import Check, Verdict, Window
from harness.slo import Bound

NEVER = "never came while the history lasted,"


@dataclass(frozen=True)
class Coming:
    """Something awaited from `since` on, by an observer (None: none is needed, a record says it).

    `seen` is when it was first seen, or None if it never was.
    """

    what: str
    since: int
    seen: int | None
    observer: tuple[str, str] | None = None

    def least(self, history: History) -> int:
        """It came at this time or later: when its observer first went blind, or else when it was seen."""
        last = history.last_t if self.seen is None else self.seen
        gaps = unseen(history, self.observer, self.since, last) if self.observer else []
        return gaps[0][0] if gaps else last


def judged(history: History, bound: Bound, coming: Coming, after: str) -> Check:
    """FAIL only if even its earliest time breaks the bound, PASS if its latest keeps it.

    `after` ends the sentence about what came.
    """
    last, least = history.last_t if coming.seen is None else coming.seen, coming.least(history)
    if coming.seen is not None:
        window = Window(start=coming.since, end=coming.seen, what=coming.what)
        took = (coming.seen - coming.since) / NS
        found = measured(bound, took, f"{coming.what} came", after, windows=[window])
        if least == last or found.verdict is not Verdict.FAIL:
            return found
    known = (least - coming.since) / NS
    if least < last and bound.holds(known):
        sight = "never seen" if coming.seen is None else f"first seen {when(coming.seen, None)}"
        return unknown(bound, f"{coming.what}: {sight}, but its observer was blind from {when(least, None)} on")
    before = f"{coming.what} {NEVER if least == last else 'was not seen before its observer went blind,'}"
    return measured(bound, known, before, f" after {when(coming.since, None)}", whole=False)
