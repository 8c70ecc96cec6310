"""Did the stack have the machine to itself while it was measured, and was it as fast as usual? The stack does not
answer for what others take, nor for slow processors.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from harness.errors import HistoryError
from harness.history import NS, Event, History
from harness.judge.checks import amount, in_doubt, plain, when
from harness.judge.faults import fault_time
from harness.outcome import Check, Verdict, Window
from harness.pace import USUAL_MS, slowly
from harness.slo import CATALOGUE

NAME = "evidence.machine"
MOST = 25.0  # percent of all processors: half a core of two, on which the stack needs most of both
WITHIN_NS = 10 * NS
HIGHEST = 1e6  # percent; anything above is nonsense


def check(history: History) -> tuple[Check, ...]:
    """No check if the history says nothing of others: it is too old, or they could not be told apart."""
    loads = [e for e in history.seen("node") if e.what == "load" and "others" in e.value]
    if len(loads) < 2:
        return ()
    shares = [_taken(event) for event in loads]
    begin, end, most = max(_windows(loads, shares), key=lambda found: found[2])
    top = max((e for e in loads if begin < e.t <= end), key=_taken).value.get("top")
    mean = amount(round(sum(shares) / len(shares), 1), "%")
    because = (
        f"Everything but the stack and the harness had {mean} of the processors, "
        f"and at most {amount(round(most, 1), '%')} over {amount((end - begin) / NS, 's')} "
        f"(most of it {top or 'the machine below'}, from {when(begin, fault_time(history))})"
    )
    if most <= MOST:
        slowly = f"; {found}" if (found := slow(history)) else ""
        return (plain(NAME, Verdict.PASS, f"{because}{slowly}."),)
    window = Window(start=begin, end=end, what=f"others had {amount(round(most, 1), '%')} of the processors")
    why = f"{because}; above {amount(MOST, '%')} it was not the stack alone that was measured. End it, and run again."
    return (plain(NAME, Verdict.INVALID, why, [window]),)


def alone(history: History) -> bool:
    """Whether the stack had the machine to itself, as far as anybody knows."""
    return all(found.verdict is Verdict.PASS for found in check(history))


def slow(history: History) -> str | None:
    """Says so if the processors were much slower than where the bounds were measured."""
    ms = _work_ms(history)
    return None if ms is None else slowly(ms)


def undecided(history: History, checks: Iterable[Check]) -> list[Check]:
    """A time may be over its limit only because the processors were slow: checks that would have kept it at the usual
    pace are in doubt, and keep their measure."""
    checks = list(checks)
    ms = _work_ms(history)
    if ms is None or (said := slowly(ms)) is None:
        return checks
    return [in_doubt(check, said) if _would_hold(check, ms / USUAL_MS) else check for check in checks]


def _would_hold(check: Check, slowness: float) -> bool:
    """Whether it fails on a time that is within the limit once divided by the slowness."""
    if check.verdict is not Verdict.FAIL or check.measure is None or check.limit is None or check.unit != "s":
        return False
    return CATALOGUE[check.name].sense == "at most" and check.measure / slowness <= check.limit


def _work_ms(history: History) -> float | None:
    """How long a fixed piece of work took, by the median; None if the history does not tell."""
    loads = (event.value for event in history.seen("node") if event.what == "load")
    told = [value["work_ms"] for value in loads if "work_ms" in value]
    if any(isinstance(v, bool) or not isinstance(v, int | float) or not 0 < v <= HIGHEST for v in told):
        raise HistoryError(f"the time of fixed work must be a number above 0, not {told!r}; the history is damaged")
    return median(told) if told else None


def _windows(loads: list[Event], shares: list[float]) -> list[tuple[int, int, float]]:
    """From each reading on, the mean of those that follow within ten seconds; readings are evenly spaced."""
    found = []
    for first in range(len(loads)):
        last = first + 1
        while last + 1 < len(loads) and loads[last + 1].t - loads[first].t <= WITHIN_NS:
            last += 1
        inside = shares[first + 1 : last + 1]
        found.append((loads[first].t, loads[last].t, sum(inside) / len(inside)))
        if last + 1 == len(loads):
            break  # those that follow are parts of this one
    return found


def _taken(event: Event) -> float:
    values = [event.value.get("others"), event.value.get("steal", 0.0)]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= HIGHEST for v in values):
        raise HistoryError(f"what others took of the machine must be numbers, not {values!r}; the history is damaged")
    return float(sum(values))
