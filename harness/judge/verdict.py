"""From history to verdict: every checker over every bound in force, and nothing unknown passes."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from harness.errors import HistoryError, UsageError
from harness.history import History
from harness.judge import (
    aborted,
    assets,
    availability,
    backlog,
    callbacks,
    collateral,
    database,
    deferred,
    disruption,
    evidence,
    kept,
    machine,
    no_ledger,
    null,
    peers,
    pools,
    recovery,
    redundancy,
    restore,
    restored,
    rollback,
    scaling,
    schedule,
    stale,
    streams,
    survival,
    task_pods,
    tasks,
    upgrade,
    vantage,
    writable,
)
from harness.judge.checks import plain
from harness.judge.every import Checker, every
from harness.judge.faults import ANY, NULL, PER_TASK, SCHEDULER, targets
from harness.outcome import Check, Outcome, Verdict, worst
from harness.records import Schedule
from harness.slo import CATALOGUE, Bound, bound_of

CHECKERS: dict[str, Checker] = {
    "evidence": evidence.check,
    "healthy": null.healthy,
    "availability": availability.check,
    "vantage": vantage.check,
    "kept": kept.check,
    "stale": stale.check,
    "streams": streams.check,
    "redundancy": redundancy.check,
    "peers": peers.check,
    "tasks": tasks.check,
    "callbacks": callbacks.check,
    "schedule": schedule.check,
    "pools": pools.check,
    "assets": assets.check,
    "deferred": deferred.check,
    "task pods": task_pods.check,
    "survival": survival.check,
    "recovery": recovery.check,
    "writable": writable.check,
    "database": database.check,
    "restore": restore.check,
    "collateral": collateral.check,
    "disruption": disruption.check,
    "scaling": scaling.check,
    "backlog": backlog.check,
    "upgrade": upgrade.check,
    "rollback": rollback.check,
}
# Only where somebody writes, and then asks for what was written and waits for it.
READERS = frozenset({stale.NAME, streams.NAME})
# Only where something is written that can be read again when nobody writes it any more.
KEPT = frozenset({kept.NAME})
WRITES = frozenset(name for name in CATALOGUE if name.startswith("availability.write.")) - KEPT | READERS
# Only where an experiment owes it: a worker that is up but takes no work would hide behind its peers, and a DAG
# processor behind what was read before.
CONSUMING = frozenset({"recovery.workers_consume", "recovery.waiting_begun", "recovery.dag_seen"})
# Only where one of several servers is the primary.
WRITABLE = frozenset({writable.DATABASE, writable.BROKER})
SEVERAL = "celery-ha"  # stacks of this name have several servers of each
PRIMARIES = frozenset(name for name in CATALOGUE if name.startswith(("database.", "broker.")))
# Only where a database is lost and restored.
RESTORE = frozenset(name for name in CATALOGUE if name.startswith("restore."))
RECOVERY = frozenset(name for name in CATALOGUE if name.startswith("recovery.")) - CONSUMING - WRITABLE
# Only where an experiment gives a bound for them: they are about being asked to go, not about dying.
DISRUPTION = frozenset(name for name in CATALOGUE if name.startswith("disruption."))
# Only where each task has a pod of its own.
TASK_PODS = frozenset(task_pods.CHECKS)
# Only where the same load is asked for at several levels, or more than there is room for.
SCALING = frozenset(name for name in CATALOGUE if name.startswith("scaling."))
# Only where the DAG of the load, or a scheduled one, has callbacks.
CALLBACKS = frozenset(name for name in CATALOGUE if name.startswith("callbacks."))
# Only where DAGs run by themselves.
SCHEDULED = frozenset(name for name in CATALOGUE if name.startswith(("schedule.", "pools.", "assets.", "deferred.")))
# Only where one release replaces another.
UPGRADE = frozenset({upgrade.MIGRATED, upgrade.COMPLETE})
# Only where nobody is left to hear of running tasks.
SURVIVAL = frozenset({survival.NAME})
# Where the stack has several of a kind, and the load puts each of them to work.
REDUNDANCY = frozenset(name for name in CATALOGUE if name.startswith("redundancy."))
# Where anything is to be broken: what was not hit must go on.
COLLATERAL = frozenset({collateral.NAME})
TRIGGERER = "triggerer"
KILL = "kill_pods"
SOME = CONSUMING | WRITABLE | PRIMARIES | RESTORE | UPGRADE | SURVIVAL | DISRUPTION | TASK_PODS | SCALING
SOME |= SCHEDULED | CALLBACKS
OPTIONAL = SOME | REDUNDANCY | READERS | COLLATERAL | KEPT
LATENCY = frozenset({"availability.read.latency", "availability.write.latency"})
# Histories recorded before these checks existed have no bound for them, and are judged without.
LATER = frozenset({"tasks.unknown_attempts"}) | READERS | REDUNDANCY - {peers.NAME} | LATENCY | COLLATERAL | KEPT
REQUIRED_ALWAYS: frozenset[str] = frozenset(CATALOGUE) - WRITES - RECOVERY - OPTIONAL
REQUIRED_OF_NULL = REQUIRED_ALWAYS - {"rollback.time"}


def required(
    component: str,
    writes: bool,
    phases: Sequence[str] | None = None,
    stack: str = "",
    *,
    reads_back: bool = True,
    keeps: bool = False,
    restores: bool = False,
    schedules: Collection[Schedule] = (),
) -> frozenset[str]:
    """The bounds that an experiment on this component and stack must have; without a component nothing recovers.

    `phases` are those of the recovery that it says it owes, if they differ from those that its component always owes.
    `reads_back`: whether somebody asks for what was written, such as triggered runs, and waits for it.
    `keeps`: whether something is written whose last value can be read in the end. `restores`: whether a database is
    lost and restored.
    `schedules` are the DAGs that run by themselves meanwhile.
    """
    more = (WRITES if writes else frozenset()) - (frozenset() if reads_back else READERS)
    more |= (KEPT if keeps else frozenset()) | (RESTORE if restores else frozenset())
    more |= TASK_PODS if stack.startswith(PER_TASK) else frozenset()
    more |= (
        redundant(component, stack)
        | scheduled(component, schedules)
        | primaries(component, stack, reads_back=reads_back)
    )
    if component == NULL:
        return REQUIRED_OF_NULL | more
    ways = RECOVERY if component == SCHEDULER else {"recovery.process_gone", "recovery.replacement_ready"}
    if phases is not None:
        ways = {f"recovery.{phase}" for phase in phases}
    return REQUIRED_ALWAYS | COLLATERAL | ways | more


def redundant(component: str, stack: str) -> frozenset[str]:
    """The redundancy that is owed: of whatever the stack has several of, if the load puts each of them to work.

    KEDA adds workers, and removes them while they have nothing to do; the load holds triggers only where nothing is
    broken, or a triggerer is.
    """
    if not stack:
        return frozenset()
    owed = {"redundancy.webservers", "redundancy.ingress", redundancy.SPREAD}
    if stack.startswith(("celery", PER_TASK)) and not stack.startswith("celery-single"):
        owed.add("redundancy.schedulers")
    if stack.startswith("celery") and not stack.startswith("celery-keda"):
        owed.add("redundancy.workers")
    if component in (NULL, TRIGGERER):
        owed.add("redundancy.triggerers")
    if component == ANY:
        owed.add(peers.NAME)
    return frozenset(owed)


def primaries(component: str, stack: str, *, reads_back: bool) -> frozenset[str]:
    """What is owed if part of a database or broker of several servers is broken, or may be.

    Accepted triggers that are gone are looked for only if a writer sends enough of them; without one, a run that is
    gone counts as lost (`tasks.lost`).
    """
    parts = {"patroni": "database.", "pgbouncer": "database.", "broker": "broker.", "sentinel": "broker."}
    of = tuple(parts.values()) if component == ANY and stack.startswith(SEVERAL) else parts.get(component, "nothing")
    owed = {name for name in PRIMARIES if name.startswith(of)}
    return frozenset(owed if reads_back else owed - {database.LOST})


def scheduled(component: str, schedules: Collection[Schedule]) -> frozenset[str]:
    """What DAGs that run by themselves owe, each by what it uses."""
    owed = {f"schedule.{name}" for name in ("missed", "extra", "doubled", "late")} if schedules else set()
    if schedules and component != NULL:
        owed.add("schedule.caught_up")
    for one in schedules:
        owed |= {"schedule.order", "schedule.overlap"} if one.max_active_runs == 1 else set()
        owed |= {pools.NAME} if one.pools else set()
        owed |= {assets.UNCONSUMED, assets.TWICE} if one.consumes else set()
        owed |= {deferred.NAME} if one.deferred else set()
        owed |= {callbacks.NAME, callbacks.LOST} if one.callbacks else set()
    return frozenset(owed)


def judge(history: History, checkers: dict[str, Checker] | None = None) -> Outcome:
    """The verdict of a run. Never raises: what cannot be judged is INVALID."""
    if history.meta is None:
        why = f"Nothing can be judged, since the history has no first line that says what ran: {history.problem}."
        return _outcome(history, (plain("evidence.complete", Verdict.INVALID, why),))
    bounds, malformed = _bounds(history)
    owed = _owed(history) - LATER - {check.name for check in malformed}
    every_check = partial(every, bounds=bounds, owed=owed, checkers=CHECKERS if checkers is None else checkers)
    with _uncollected():
        found = every_check(history) if history.meta.ledger else no_ledger.judged(history, every_check)
    checks = malformed + found
    with suppress(HistoryError):  # the evidence reports a damaged reading
        checks = machine.undecided(history, checks)
    return _outcome(history, _unique(aborted.undecided(history, checks)))


def _outcome(history: History, checks: tuple[Check, ...]) -> Outcome:
    meta = history.meta
    return Outcome(
        run_id=meta.run_id if meta else "unknown",
        experiment=meta.experiment if meta else "unknown",
        stack=meta.stack if meta else "unknown",
        verdict=worst(checks),
        checks=checks,
    )


def _owed(history: History) -> frozenset[str]:
    """What the run owes by its record. If that does not say which phases of the recovery it owes, only a killed
    scheduler owes any: its own."""
    meta = history.meta
    assert meta is not None  # without it, nothing is judged
    killed = any(target.component == SCHEDULER and target.action == KILL for target in targets(history))
    phases = meta.recovery if meta.recovery is not None else None if killed else ()
    writes = any(series.write for series in history.samples.columns)
    component = meta.component or (SCHEDULER if killed else "")
    return required(
        component,
        writes,
        phases,
        meta.stack,
        reads_back=any(op.process == "writer" for op in history.ops),
        restores=any(fault.action == restored.ACTION for fault in history.faults),
        schedules=meta.schedules.values(),
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection, which goes through a long history again and again, and takes half the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _bounds(history: History) -> tuple[dict[str, Bound], list[Check]]:
    """The bounds in force, and a check for each that is malformed."""
    bounds: dict[str, Bound] = {}
    malformed: list[Check] = []
    for name, raw in (history.meta.slo if history.meta else {}).items():
        try:
            bounds[name] = bound_of(name, raw, "meta.slo")
        except UsageError as cause:
            malformed.append(plain(name, Verdict.INVALID, f"The bound cannot be used: {cause}."))
    return bounds, malformed


def _unique(checks: Iterable[Check]) -> tuple[Check, ...]:
    """One check per name: the worse of two."""
    kept: dict[str, Check] = {}
    for check in checks:
        if check.name not in kept or check.verdict.rank > kept[check.name].verdict.rank:
            kept[check.name] = check
    return tuple(kept.values())
