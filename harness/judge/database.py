"""The servers of a database and of a broker: did two take writes at once, did another become the primary, and is what
was accepted still there?"""

from __future__ import annotations

from collections.abc import Callable

from harness.history import History
from harness.judge.checks import broken, measured, some, unknown, when
from harness.judge.faults import fault_time
from harness.judge.primaries import Reign, Story, deaf, story, unheard
from harness.judge.runs import Run, runs
from harness.judge.there import load_of, there
from harness.outcome import Check, Verdict, Window
from harness.slo import Bound

TWO, CHANGES, LOST = "database.two_primaries", "database.primary_changes", "database.lost_writes"
BROKER_CHANGES = "broker.primary_changes"
FEWEST = 10  # one run per second: as many as are accepted while another primary takes over


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` if a server's answer is malformed."""
    return tuple(judge(history, bounds[name]) for name, judge in _CHECKS.items() if name in bounds)


def _two(history: History, bound: Bound) -> Check:
    told = story(history, "database")
    pairs = told.two()
    windows = [_window(a, b) for a, b in pairs]
    at = f" ({some(f'{w.what}, {when(w.start, fault_time(history))}' for w in windows)})" if windows else ""
    before = f"Of {len(told.answers)} servers, pairs that both took writes at the same time:"
    found = measured(bound, len(pairs), before, at or _line(told), windows=windows)
    if found.verdict is not Verdict.PASS:
        return found
    if why := unheard(history, told):
        return unknown(bound, f"Not every server could be heard: {why}")
    return found if told.reigns() else unknown(bound, "No server was seen to keep what it was asked to")


def _window(a: Reign, b: Reign) -> Window:
    start, end = max(a.first.asked, b.first.asked), min(a.last.came, b.last.came)
    return Window(start=min(start, end), end=max(start, end), what=f"{a.server} and {b.server} both took writes")


def _changes(system: str) -> Callable[[History, Bound], Check]:
    def judge(history: History, bound: Bound) -> Check:
        told = story(history, system)
        turns = told.turns()
        count = max(0, len(turns) - 1)
        found = measured(bound, count, f"Times that another server of the {system} became the primary:", _line(told))
        if found.verdict is not Verdict.PASS:
            return found
        why = deaf(told) or unheard(history, told) or (None if turns else "no server was ever the primary")
        if why:
            return unknown(bound, f"It may have become another unseen: {why}")
        two = told.in_the_end()  # one that came back as if nothing had happened must stand down
        return broken(bound, f"{some(two)} each called itself the primary in the end") if len(two) > 1 else found

    return judge


def _line(told: Story) -> str:
    """Who was the primary, one after another."""
    turns = told.turns()
    if len(turns) < 2:
        return f" ({turns[0]} all the time)" if turns else ""
    return f" ({some(turns, 6)}, one after another)"


def _lost(history: History, bound: Bound) -> Check:
    """By id. A run that is there but did not end is lost in another way (`tasks.lost`)."""
    fault = fault_time(history)
    accepted = [run for run in history.once(runs).values() if run.accepted and run.answered is not None]
    listed = history.once(there)
    gone = [run for run in accepted if listed.lacks(run)]
    first = f"; the first was accepted {_accepted(gone[0], fault)}" if gone else ""
    names = f" ({some(run.dag_run for run in gone)}{first})" if gone else ""
    windows = [Window(start=r.answered or 0, end=history.last_t, what=f"run {r.dag_run} is not there") for r in gone]
    before = f"Of {len(accepted)} accepted triggers, those whose run is not there in the end:"
    found = measured(bound, len(gone), before, names, windows=windows)
    if found.verdict is not Verdict.PASS:
        return found
    if unasked := sorted({load_of(run) for run in accepted} - listed.runs.keys()):
        return unknown(bound, f"Which runs are there in the end is not known of {some([*listed.unread, *unasked])}")
    early = len(accepted) if fault is None else sum((run.answered or 0) <= fault for run in accepted)
    if early < FEWEST:
        return unknown(bound, f"Only {early} triggers were accepted before the fault, of {FEWEST} at least")
    return found


def _accepted(run: Run, fault: int | None) -> str:
    return when(run.answered or run.invoked, fault)


_CHECKS: dict[str, Callable[[History, Bound], Check]] = {
    TWO: _two,
    CHANGES: _changes("database"),
    BROKER_CHANGES: _changes("broker"),
    LOST: _lost,
}
