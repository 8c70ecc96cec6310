"""What was broken, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.history import Event, Fault, History
from harness.records import MOST_T

NULL = "none"
ANY = "any"  # whatever is hit
SCHEDULER = "scheduler"
WORKER = "worker"
PER_TASK = "kubernetes"  # stacks of this name have a pod for each task
OVER = frozenset({"ended", "rolled-back"})
# The pod stays, and its container is restarted.
IN_PLACE = frozenset({"crash_pods", "hang_pods", "lose_and_restore"})
NODE_OFF = "stop_node"


@dataclass(frozen=True)
class Target:
    """One pod that a fault was injected into; `injected` is when, `over` when the fault began to be undone.

    `how` is what the record of the hit says of it: the signal, the processes.
    """

    fault: str
    action: str
    name: str
    uid: str
    component: str
    injected: int
    proof: Fault | None
    over: int | None = None
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def pod(self) -> str:
        """The pod's name without its namespace: the hostname of what runs in it."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def said(self) -> dict[str, Any]:
        """What the proof says; empty without one."""
        return self.proof.evidence if self.proof else {}

    @property
    def stays(self) -> bool:
        """Whether its process was seen to be still there when the fault ended; not knowing does not count."""
        return self.action in IN_PLACE and self.said.get("process_gone") is False

    @property
    def gone(self) -> int | None:
        """When its old process was gone; the time of the proof if that says nothing better."""
        at = _time(self.said.get("process_gone_t"))
        return self.proof.t if at is None and self.proof and self.action not in IN_PLACE else at

    @property
    def silent_from(self) -> int:
        """From when on it cannot have been heard; the time of the proof if that says nothing better."""
        stopped = _time(self.said.get("stopped_t"))
        if stopped is not None:
            return stopped
        return self.proof.t if self.proof else self.injected


def fault_time(history: History) -> int | None:
    """T: when the first target was hit, or None where none was."""
    return min((f.t for f in history.faults if f.phase == "injected"), default=None)


def planned(history: History) -> bool:
    """Whether anything was to be broken; assumed if the history does not say."""
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
    """Every pod that was hit, once, with its proof if there is one."""
    found: dict[str, Target] = {}
    proofs, over = _proofs(history), _over(history)
    for fault in history.faults:
        if fault.phase != "injected":
            continue
        uid = _text(fault.target, "uid")
        key = uid or f"no uid: {_text(fault.target, 'name')}"
        if key not in found:
            found[key] = Target(
                fault=fault.id,
                action=fault.action,
                name=_text(fault.target, "name"),
                uid=uid,
                component=_text(fault.target, "component"),
                injected=fault.t,
                proof=_later(proofs, fault),
                over=over.get(fault.id),
                how=fault.evidence,
            )
    return tuple(found.values())


def jobs_before(history: History, t: int) -> dict[str, str]:
    """The jobs that had been seen by `t` (object → hostname). A new pod may have an old hostname, never an old job."""
    return {e.object: hostname(e) for e in history.seen("job") if e.t <= t}


def hostname(event: Event) -> str:
    """The host that a job runs on; empty if the event does not say."""
    return _text(event.value, "hostname")


def serves(event: Event) -> bool:
    """Whether the pod was seen Ready, and not on its way out."""
    return event.value.get("ready") is True and event.value.get("deleting") is not True and event.what != "deleted"


def by_keda(history: History) -> frozenset[str]:
    """The components whose pods KEDA adds and removes as it likes."""
    scales = history.meta is not None and history.meta.stack.startswith("celery-keda")
    return frozenset({WORKER}) if scales else frozenset()


def unproved(history: History) -> list[Fault]:
    """The hits that nothing proves."""
    proofs = _proofs(history)
    return [f for f in history.faults if f.phase == "injected" and _later(proofs, f) is None]


def _proofs(history: History) -> dict[tuple[str, str], Fault]:
    """The last proof of each fault on each pod, by the fault's id and the pod's uid."""
    return {(f.id, uid): f for f in history.faults if f.phase == "proved" and (uid := _text(f.target, "uid"))}


def _later(proofs: dict[tuple[str, str], Fault], hit: Fault) -> Fault | None:
    """The last proof of this fault on this pod, if not before the hit: faults are in order, so else there is none."""
    proof = proofs.get((hit.id, _text(hit.target, "uid")))
    return proof if proof and proof.t >= hit.t else None


def _over(history: History) -> dict[str, int]:
    """When each fault began to be undone."""
    return {f.id: f.t for f in reversed(history.faults) if f.phase in OVER}


def _time(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_T else None


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""
