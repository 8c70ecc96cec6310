"""A run that the guard or the brake cut short: whatever was measured, nothing can be concluded."""

from __future__ import annotations

from collections.abc import Iterable

from harness.history import History
from harness.judge.checks import in_doubt
from harness.outcome import Check, Verdict
from harness.records import ABORTED


def why(history: History) -> str | None:
    """Who ended the run and why, or None if it ran to its end."""
    for event in history.seen("probe"):
        if event.what == ABORTED:
            return f"the {event.object} ended the run: {event.value.get('because', 'it does not say why')}"
    return None


def undecided(history: History, checks: Iterable[Check]) -> list[Check]:
    """A promise may look broken only because the run was cut short: failed checks are in doubt."""
    checks = list(checks)
    if why(history) is None:
        return checks
    said = "the run was ended before its time"
    return [in_doubt(check, said) if check.verdict is Verdict.FAIL else check for check in checks]
