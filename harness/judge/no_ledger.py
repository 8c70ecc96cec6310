"""A run on a target without a ledger: what is judged from Airflow's own record, and what nobody can say.

Airflow keeps what became of each try that it knows of. It cannot show a task that ran behind its back, or twice under
one try, so promises about those are INVALID on such a target.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from harness.errors import HistoryError
from harness.history import NS, History
from harness.judge.by_airflow import Account, account
from harness.judge.checks import in_doubt, worst_of
from harness.judge.faults import WORKER
from harness.outcome import LEDGER, Check, Verdict
from harness.slo import CATALOGUE

FAULT = "evidence.fault"
SCHEDULES = ("schedule.", "pools.", "assets.", "deferred.")
# Only the tasks and callbacks themselves can say it.
NEEDS = frozenset(name for name in CATALOGUE if name.startswith((*SCHEDULES, "callbacks."))) | {
    "recovery.dag_seen",  # the DAG is put there through the ledger
    "redundancy.workers",  # a deferred task names the host that ended it
    "restore.rpo_tasks",
    "tasks.duplicated",
    "tasks.overlapping",
    "tasks.survival",
    "tasks.unknown_attempts",
}
LOST = "tasks.lost"
# Its count of tries is a lower limit: too many break the promise, but no count can prove it kept.
AT_LEAST = frozenset({"tasks.extra_attempts"})
# When a try was at work, and where.
TIMED = frozenset(
    {
        "recovery.first_new_task",
        "recovery.last_delayed_run",
        "recovery.waiting_begun",
        "recovery.workers_consume",
        "scaling.backlog",
        "scaling.gain",
    }
)
ABOUT_TASKS = frozenset({"kill_child", "overload"})
WHY = "This target has no ledger, so nobody but Airflow says what its tasks did, and Airflow keeps no record of this."
TWICE = (
    "This target has no ledger: by Airflow's own record the limit is kept, and it cannot show what began twice under"
    " one try."
)
SOURCE = "By Airflow's own record, since this target has no ledger"


def judged(history: History, judge: Callable[[History], list[Check]]) -> list[Check]:
    """The checks of such a run, with Airflow's record in place of the ledger: once with its times as early, and once as
    late, as they can be. Where the two differ, nobody knows."""
    try:
        said = account(history)
    except HistoryError as cause:
        return [_unreadable(check, cause) for check in judge(history)]
    early, late = said.placed("early"), said.placed("late")
    return [_sourced(check, said) for check in _both(judge(early), judge(late), said)]


def needing(bounds: Collection[str]) -> int:
    """How many of these bounds nobody can call kept without a ledger."""
    return len((NEEDS | AT_LEAST).intersection(bounds))


def _both(early: Iterable[Check], late: Iterable[Check], said: Account) -> list[Check]:
    others = {check.name: check for check in late}
    found = [_either(check, others.pop(check.name, check), said) for check in early]
    return [*found, *others.values()]


def _either(one: Check, other: Check, said: Account) -> Check:
    worse = worst_of((one, other))
    if one.verdict is other.verdict:
        return worse
    return in_doubt(worse, "Airflow's times leave it open" if said.clock else said.doubt)


def _sourced(check: Check, said: Account) -> Check:
    """With the source that it rests on."""
    if check.name in NEEDS:
        return _needs(check, WHY)
    if check.name in AT_LEAST | {LOST}:
        return _counted(check, said)
    if check.name in TIMED:
        return _timed(check, said)
    return _at_stake(check, said) if check.name == FAULT else check


def _counted(check: Check, said: Account) -> Check:
    """What became of each try, whenever that was."""
    kept = check.verdict is Verdict.PASS
    if check.name in AT_LEAST and kept:
        return _needs(check, WHY if said.silent else TWICE)
    found = _by(check, SOURCE)
    return in_doubt(found, said.silent) if said.silent and kept else found


def _timed(check: Check, said: Account) -> Check:
    """When a try was at work, and where."""
    if why := said.silent or said.doubt:
        return _without(check, f"This target has no ledger, and Airflow's own record cannot say it: {why}.")
    return _by(check, _source(said))


def _at_stake(check: Check, said: Account) -> Check:
    """Whether tasks were at work on what was hit. A fault that is not about tasks needs no record of any."""
    meta, faults = said.history.meta, said.history.faults
    if not (meta and meta.component == WORKER) and not any(fault.action in ABOUT_TASKS for fault in faults):
        return check
    if said.doubt:
        return _by(
            check,
            f"Airflow's own record cannot say what was at work, and this target has no ledger: {said.doubt}",
        )
    return _by(check, _source(said))


def _source(said: Account) -> str:
    return f"{SOURCE}; its times are known to {said.error / NS:.1f} s"


def _unreadable(check: Check, cause: HistoryError) -> Check:
    if check.name in NEEDS:
        return _needs(check, WHY)
    second = check.name in TIMED | AT_LEAST | {LOST}
    return _without(check, f"This target has no ledger, and Airflow's own record: {cause}.") if second else check


def _needs(check: Check, why: str) -> Check:
    return _without(check, why).model_copy(update={"needs": LEDGER})


def _by(check: Check, source: str) -> Check:
    return check.model_copy(update={"because": f"{check.because} {source}."})


def _without(check: Check, why: str) -> Check:
    return check.model_copy(update={"verdict": Verdict.INVALID, "measure": None, "windows": (), "because": why})
