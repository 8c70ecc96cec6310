"""Did the fault happen? Every reason to doubt it: hits without proof, missing or too many, and nothing at stake."""

from __future__ import annotations

from collections.abc import Callable

from harness.history import History
from harness.judge.checks import some, when
from harness.judge.disruption import TOO_MANY_REQUESTS
from harness.judge.faults import ANY, NODE_OFF, PER_TASK, Target, span, targets, unproved
from harness.judge.proofs import doubt, under_way
from harness.judge.sightings import Sightings


def doubts(history: History) -> tuple[str, ...]:
    """Every reason to doubt the fault."""
    hit = targets(history)
    if not hit:
        return ("no target was hit: the selector matched nothing, or the fault never began",)
    seen = Sightings(history)
    doubted = tuple(why for why in (doubt(t, seen) for t in hit) if why)
    return doubted or _unfinished(history) or _missed(history) or _another(history, hit) or _nothing_at_stake(seen, hit)


def _unfinished(history: History) -> tuple[str, ...]:
    """Faults that hit nothing, hits that nothing proves, and proofs of hits that are not recorded."""
    injected = [f for f in history.faults if f.phase == "injected"]
    # Faults that only add pods, or close a node for what comes after, hit nothing themselves.
    gave = {f.id for f in history.faults if f.phase == "ended" and f.evidence.keys() & {"replicas", "closed"}}
    idle = sorted({f.id for f in history.faults if f.phase == "begin"} - {f.id for f in injected} - gave)
    hit = {(f.id, f.target.get("uid")) for f in injected}
    stray = [f for f in history.faults if f.phase == "proved" and (f.id, f.target.get("uid")) not in hit]
    return (
        *(f"{fault} hit nothing" for fault in idle),
        *(f"nothing proves that {f.target.get('name')} was hit by {f.id}" for f in unproved(history)),
        *(f"there is a proof, and no record, that {f.target.get('name')} was hit by {f.id}" for f in stray),
    )


def _missed(history: History) -> tuple[str, ...]:
    """Pods that a fault was aimed at but did not hit. Records made by others, or of faults that cannot say, name none.

    An eviction is asked for once, and a budget may refuse it; a drain must move every pod in the end.
    """
    begun = [f for f in history.faults if f.phase == "begin"]
    refused = [f for f in begun if f.action == "evict_pods" and f.evidence.get("eviction") == TOO_MANY_REQUESTS]
    injected = [f for f in history.faults if f.phase == "injected"]
    hit = {(f.id, f.target.get("name")) for f in (*injected, *refused)}
    aims = [(f.id, f.evidence.get("aimed")) for f in begun]
    named = [(fault, name) for fault, names in aims if isinstance(names, list) for name in names]
    return tuple(f"{name} was aimed at by {fault}, and not hit" for fault, name in named if (fault, name) not in hit)


def outside(history: History) -> tuple[str, ...]:
    """Pods that were hit before the fault phase began, or after it ended."""
    phase = span(history, "fault")
    if phase is None:
        return ("the fault phase did not begin and end",)
    return tuple(
        f"{t.name} was hit {when(t.injected, None)}, outside the fault phase"
        for t in targets(history)
        if not phase[0] <= t.injected < phase[1]
    )


def _another(history: History, hit: tuple[Target, ...]) -> tuple[str, ...]:
    """What was hit is not what the experiment is about. Histories made by others may not say what was hit; and the node
    that answers for an address is hit for that, whatever runs on it."""
    about = history.meta.component if history.meta else ""
    if about in ("", ANY) or any(t.component in ("", about) or t.action == NODE_OFF for t in hit):
        return ()
    return (f"no {about} was hit, which the experiment is about, but {some(t.name for t in hit)}",)


def _tasks_waiting(target: Target, seen: Sightings) -> bool:
    """Whether deferred tasks were waiting in this triggerer, by Airflow's last word before the fault."""
    said = [e for e in seen.said_by(target.pod) if e.what == "waits" and e.t <= target.injected]
    mine = [e.value.get("tasks") for e in said]
    return bool(mine and mine[-1])


# A pod of these loses tasks when it dies; the death of one that held none proves nothing.
_STAKES: dict[str, Callable[[Target, Sightings], bool]] = {"worker": under_way, "triggerer": _tasks_waiting}
_LOADS = frozenset({"overload", "load_at"})


def _nothing_at_stake(seen: Sightings, hit: tuple[Target, ...]) -> tuple[str, ...]:
    """Why it was no fault: none of the pods it is about held a task. A pod that is a task's own always does."""
    meta = seen.history.meta
    held = _STAKES.get(meta.component or "") if meta and not meta.stack.startswith(PER_TASK) else None
    if meta is None or held is None:
        return ()
    mine = [t for t in hit if t.component == meta.component and t.action not in _LOADS]
    if not mine or any(held(target, seen) for target in mine):
        return ()
    return (f"{some(t.name for t in mine)} held no task when the fault came, so nothing was at stake",)
