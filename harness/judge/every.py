"""Every checker over one history: a checker that crashes proves nothing, and a bound that none judges is not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.history import History
from harness.judge.checks import plain, some
from harness.outcome import Check, Verdict
from harness.slo import Bound

Checker = Callable[[History, dict[str, Bound]], tuple[Check, ...]]


def every(
    history: History, bounds: dict[str, Bound], owed: frozenset[str], checkers: Mapping[str, Checker]
) -> list[Check]:
    """`owed` are the names of the bounds that must be there. Never raises."""
    checks: list[Check] = []
    crashed: set[str] = set()
    for name, checker in checkers.items():
        try:
            checks += checker(history, bounds)
        except Exception as cause:
            crashed.add(name)
            why = f"The checker {name} raised {type(cause).__name__}: {cause}"
            checks.append(plain(name, Verdict.INVALID, why))
    return checks + _unjudged({check.name for check in checks}, bounds, owed, crashed)


def _unjudged(judged: set[str], bounds: dict[str, Bound], owed: frozenset[str], crashed: set[str]) -> list[Check]:
    """Bounds that are owed but missing, and bounds that no checker judged, perhaps because it crashed."""
    missing, ignored = sorted(owed - bounds.keys() - judged), sorted(bounds.keys() - judged)
    absent = "The history holds no bound of this name, so nothing was judged."
    raised = f"; these raised an error: {some(sorted(crashed))}" if crashed else ""
    return [
        *(plain(name, Verdict.INVALID, absent) for name in missing),
        *(plain(name, Verdict.INVALID, f"No checker judged this bound{raised}.") for name in ignored),
    ]
