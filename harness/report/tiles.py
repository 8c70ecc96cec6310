"""What a report shows first: what its experiment is about, and what is worst."""

from __future__ import annotations

from harness.outcome import Check, Outcome, Verdict
from harness.report.matrix import main

EVIDENCE = "evidence."
CAUGHT_UP = "schedule.caught_up"


def tiles(outcome: Outcome, own: frozenset[str]) -> list[Check]:
    """The measure that tells runs of the experiment apart, then those for which it has its own bounds.

    Without any, outages and recovery are shown. Checks that did not pass come first; counts, mostly zeros, last.
    If none of these explains the verdict, one of the checks that decided it is added.
    """
    wanted = own or {c.name for c in outcome.checks if c.name.endswith(".outage") or c.name.startswith("recovery.")}
    first = main({check.name for check in outcome.checks})
    shown = [c for c in outcome.checks if c.name == first]
    shown += [
        c
        for c in outcome.checks
        if c.name in {*wanted, CAUGHT_UP} and c.name != first and not c.name.startswith(EVIDENCE)
    ]
    if outcome.verdict is not Verdict.PASS and outcome.verdict not in {check.verdict for check in shown}:
        decided = [check for check in outcome.checks if check.verdict is outcome.verdict]
        shown += sorted(decided, key=lambda check: check.measure is None)[:1]
    return sorted(shown, key=lambda check: (-check.verdict.rank, check.unit == "count"))
