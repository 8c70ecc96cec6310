"""What was broken, when, and what makes us believe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.history import NS, Event, Fault, History

HEARTBEAT_SLACK = 2 * NS  # a beat from before the kill is seen only by the next poll
NULL = "none"
SCHEDULER = "scheduler"


@dataclass(frozen=True)
class Target:
    """One pod that a fault was injected into; `injected` is when."""

    fault: str
    name: str
    uid: str
    component: str
    injected: int
    proof: Fault | None

    @property
    def pod(self) -> str:
        """The pod's name without its namespace: the hostname of what runs in it."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def gone(self) -> int | None:
        """When its old process was gone; the time of the proof where that says no better."""
        if self.proof is None:
            return None
        at = self.proof.evidence.get("process_gone_t")
        return at if isinstance(at, int) and not isinstance(at, bool) else self.proof.t


def fault_time(history: History) -> int | None:
    """T: when the first target was hit, or None where none was."""
    return min((f.t for f in history.faults if f.phase == "injected"), default=None)


def planned(history: History) -> bool:
    """Whether anything was to be broken. A history that does not say was made to break something."""
    return history.meta is None or history.meta.component != NULL


def judged_from(history: History) -> int | None:
    """Where the baseline ends and judging begins: the fault phase, or the first step of a fault if that is earlier.

    Where nothing was to be broken, the whole run is judged.
    """
    if not planned(history):
        return min((p.t for p in history.phases if p.name == "baseline"), default=None)
    edges = [p.t for p in history.phases if p.name == "fault" and p.edge == "begin"]
    return min(edges + [f.t for f in history.faults], default=None)


def span(history: History, name: str) -> tuple[int, int] | None:
    """Begin and end of a phase, or None where an edge is missing."""
    edges = {p.edge: p.t for p in history.phases if p.name == name}
    return (edges["begin"], edges["end"]) if edges.keys() == {"begin", "end"} else None


def targets(history: History) -> tuple[Target, ...]:
    """Every pod that was hit, once, with the proof of it where there is one."""
    found: dict[str, Target] = {}
    for fault in history.faults:
        if fault.phase != "injected":
            continue
        uid = _text(fault.target, "uid")
        key = uid or f"no uid: {_text(fault.target, 'name')}"
        if key not in found:
            found[key] = Target(
                fault=fault.id,
                name=_text(fault.target, "name"),
                uid=uid,
                component=_text(fault.target, "component"),
                injected=fault.t,
                proof=_proof(history, uid, fault.t),
            )
    return tuple(found.values())


def doubt(target: Target, history: History) -> str | None:
    """Why the fault on this target is not proved, or None where it is."""
    if not target.uid:
        return f"the record of the hit on {target.name or 'a target'} has no uid"
    if target.proof is None:
        return f"nothing proves that {target.name} was hit"
    said = target.proof.evidence
    if said.get("uid_gone") is not True:
        return f"the old uid of {target.name} was not seen gone"
    if said.get("exit_code") is None and said.get("process_gone") is not True:
        return f"neither an exit code of {target.name} nor the end of its process was seen"
    for event in history.events:
        if event.source == "pod" and event.t > target.proof.t and _alive(event, target.uid):
            return f"{target.name} was seen ready after the proof that it was gone"
    return _heartbeat_doubt(target, history) if target.component == SCHEDULER else None


def doubts(history: History) -> tuple[str, ...]:
    """Every reason not to believe in the fault."""
    hit = targets(history)
    if not hit:
        return ("no target was hit: the selector matched nothing, or the fault never began",)
    return tuple(why for why in (doubt(t, history) for t in hit) if why)


def _heartbeat_doubt(target: Target, history: History) -> str | None:
    mine = jobs_before(history, target.injected)
    beats = [
        e.t for e in history.events if e.source == "job" and e.what == "heartbeat" and mine.get(e.object) == target.pod
    ]
    if not any(t <= target.injected for t in beats):
        return f"no heartbeat of {target.name} was seen before the fault, so that none after it says nothing"
    limit = target.proof.t + HEARTBEAT_SLACK if target.proof else target.injected
    late = [t for t in beats if t > limit]
    return f"{target.name} still sent heartbeats {(late[0] - limit) / NS + 2:.1f} s after its proof" if late else None


def jobs_before(history: History, t: int) -> dict[str, str]:
    """The jobs that had been seen by `t` (object → hostname). A new pod may bear an old hostname, never an old job."""
    return {e.object: _text(e.value, "hostname") for e in history.events if e.source == "job" and e.t <= t}


def _alive(event: Event, uid: str) -> bool:
    seen = event.uid == uid and event.what != "deleted"
    return seen and event.value.get("ready") is True and event.value.get("deleting") is not True


def _proof(history: History, uid: str, since: int) -> Fault | None:
    proofs = [
        f for f in history.faults if f.phase == "proved" and f.t >= since and uid and _text(f.target, "uid") == uid
    ]
    return proofs[-1] if proofs else None


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""
