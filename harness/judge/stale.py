"""Can everybody see what was accepted? Judged by looks at accepted runs, each over a connection of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import HistoryError
from harness.history import NS, History, Op
from harness.judge.checks import measured, some, unknown, when
from harness.judge.faults import fault_time
from harness.judge.runs import Run, runs
from harness.outcome import Check
from harness.slo import Bound

NAME = "availability.read.stale"
SEEN_WITHIN_NS = 2 * NS
FEWEST = 10  # if one of two servers is stale, all looks then miss it in one run of 1,000


@dataclass(frozen=True)
class _Look:
    asked: int
    seen: bool


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` if a look does not say when it was asked."""
    bound = bounds.get(NAME)
    return (_stale(history, bound),) if bound else ()


def _stale(history: History, bound: Bound) -> Check:
    asked = history.once(runs)
    looks = _looks(history)
    late = {
        name: [look for look in found if look.asked >= run.answered + SEEN_WITHIN_NS]
        for name, found in looks.items()
        if (run := asked.get(name)) and run.accepted and run.answered is not None
    }
    known = [name for name, found in late.items() if found]
    if len(known) < FEWEST:
        return unknown(bound, f"Only {len(known)} accepted runs were looked for 2 s later, of {FEWEST} at least")
    stale = [name for name in known if _vanished(looks[name]) or not all(look.seen for look in late[name])]
    names = f" ({some(stale)}; the first was accepted {_accepted(asked[stale[0]], history)})" if stale else ""
    before = f"Of {len(known)} accepted runs, those that somebody else could not see after 2 s, or no longer:"
    return measured(bound, len(stale), before, names)


def _vanished(looks: Iterable[_Look]) -> bool:
    """Whether it was seen, and then not."""
    seen = False
    for look in sorted(looks, key=lambda look: look.asked):
        if seen and not look.seen:
            return True
        seen = seen or look.seen
    return False


def _accepted(run: Run, history: History) -> str:
    return when(run.answered or run.invoked, fault_time(history))


def _looks(history: History) -> dict[str, list[_Look]]:
    """By run; looks that nobody answered say nothing."""
    found: dict[str, list[_Look]] = {}
    for op in history.ops:
        if op.f == "look" and op.type in ("ok", "fail"):
            found.setdefault(str(op.value.get("dag_run")), []).append(_Look(_asked(op), op.type == "ok"))
    return found


def _asked(op: Op) -> int:
    asked = op.value.get("asked")
    if isinstance(asked, bool) or not isinstance(asked, int) or not 0 <= asked <= op.t:
        raise HistoryError(f"the look at {op.value.get('dag_run')} says that it was asked at {asked!r}")
    return asked
