"""When did a thing come, if its observer was blind for a while? Then it is known at least, and at most."""

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
    """What was waited for from `since` on, by an observer (None: no observer is needed, its record says it).

    `seen` is its first sight, or None where it was never seen.
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
    """`after` says what `since` was. FAIL only where even the least breaks the bound, PASS where the most keeps it."""
    least = coming.least(history)
    blind = least < (history.last_t if coming.seen is None else coming.seen)
    if coming.seen is not None:
        seen = (coming.seen - coming.since) / NS
        window = Window(start=coming.since, end=coming.seen, what=coming.what)
        found = measured(
            bound, seen, f"{coming.what} came", f" after {after} ({when(coming.seen, None)})", windows=[window]
        )
        if not blind or found.verdict is not Verdict.FAIL:
            return found
    if blind and bound.holds((least - coming.since) / NS):
        sight = "never seen" if coming.seen is None else f"first seen {when(coming.seen, None)}"
        return unknown(bound, f"{coming.what}: {sight}, but nobody could look from {when(least, None)} on")
    before = f"{coming.what} {'was not seen before its observer went blind,' if blind else NEVER}"
    return measured(bound, (least - coming.since) / NS, before, f" after {when(coming.since, None)}", whole=False)
