"""Is it proved that a target was hit? What each kind of fault owes as proof, and what contradicts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from harness.history import NS
from harness.judge import grown, restored, upgrade
from harness.judge.backlog import backlog
from harness.judge.checks import some
from harness.judge.faults import NODE_OFF, SCHEDULER, Target, serves
from harness.judge.primaries import PRIMARY, SYSTEMS, story
from harness.judge.replaced import UnknowableError
from harness.judge.sightings import Sightings

KILLS = frozenset({"kill_pods", "crash_pods", "kill_child", restored.ACTION})
LEAVES_NO_TIME = KILLS | {NODE_OFF}  # to say goodbye
# Ways to cut off in which nobody counts the packets.
TRIED = {"policy": "its policy", "chaosk8s.chaosmesh.network.actions.set_loss": "Chaos Mesh"}
DELETING_KILL, BY_DELETION = "kill_pods", "delete"  # where nodes are closed
SIGKILLED = 128 + 9
SILENT = 3  # times the usual interval between its beats
SILENT_NS = 10 * NS  # and at least this long, since each is seen by a poll through the load balancer
HEARTBEAT_SLACK = 2 * NS  # a beat from before the kill is seen only by the next poll


def doubt(target: Target, seen: Sightings) -> str | None:
    """Why the fault on this target is not proved, or None if it is."""
    if not target.uid:
        return f"the record of the hit on {target.name or 'a target'} has no uid"
    if target.proof is None:
        return f"nothing proves that {target.name} was hit"
    why = _PROOFS.get(target.action, _gone_doubt)(target, seen) or _role_doubt(target, seen)
    if why is None and target.component == SCHEDULER and target.action not in STILL_HEARD:
        return _heartbeat_doubt(target, seen)
    return why


def _gone_doubt(target: Target, seen: Sightings) -> str | None:
    if target.said.get("uid_gone") is not True:
        return f"the old uid of {target.name} was not seen gone"
    if why := _end_doubt(target) if _asked_first(target) else _process_doubt(target):
        return why
    since = target.proof.t if target.proof else target.injected
    later = [e for e in seen.history.of_pod(target.uid) if e.t > since]
    return f"{target.name} was seen ready after the proof that it was gone" if any(map(serves, later)) else None


def _process_doubt(target: Target) -> str | None:
    """Only a process that was there can be gone. An exit code must be a number, and after SIGKILL the one that stands
    for it."""
    code, pids = target.said.get("exit_code"), target.how.get("pids")
    if code is not None and (isinstance(code, bool) or not isinstance(code, int)):
        return f"the exit code of {target.name} is {code!r}, which is not a number"
    if pids == [] and target.action in KILLS:
        return f"{target.name} had no process to kill"
    if code is None and (target.said.get("process_gone") is not True or pids == []):
        return f"neither an exit code of {target.name} nor the end of its process was seen"
    if target.action not in KILLS:
        return None
    if target.how.get("signal", "SIGKILL") != "SIGKILL":
        return f"{target.name} was sent {target.how['signal']}, which is not SIGKILL"
    return None if code in (None, SIGKILLED) else f"{target.name} ended with {code}, which is not by SIGKILL"


def _asked_first(target: Target) -> bool:
    """Whether it was killed only by being deleted: the kubelet asks processes to end before it kills them."""
    return target.action == DELETING_KILL and target.how.get("by") == BY_DELETION


def _end_doubt(target: Target) -> str | None:
    """Its exit code may be anything, even that of an earlier end."""
    gone = target.said.get("process_gone") is True
    return None if gone else f"the process of {target.name} was not seen to end after it was deleted"


def _crash_doubt(target: Target, seen: Sightings) -> str | None:
    if target.said.get("process_gone") is not True:
        return f"the end of the process of {target.name} was not seen"
    return _process_doubt(target)


def _hang_doubt(target: Target, seen: Sightings) -> str | None:
    if target.said.get("stopped") is not True or target.how.get("pids") == []:
        return f"the processes of {target.name} were not seen stopped"
    signal = target.how.get("signal", "SIGSTOP")
    return None if signal == "SIGSTOP" else f"{target.name} was sent {signal}, which is not SIGSTOP"


def _node_doubt(target: Target, seen: Sightings) -> str | None:
    """Its engine must say that the node is off, and the cluster that it is not Ready: both, or we do not believe it."""
    node = target.said.get("node")
    if target.said.get("node_off") is not True:
        return f"the node of {target.name} was not seen off"
    away = [e for e in seen.history.seen("node") if e.object == node and e.what == "not-ready"]
    return None if any(e.t >= target.injected for e in away) else f"{node} was never seen not Ready after it was off"


def _cut_doubt(target: Target, seen: Sightings) -> str | None:
    if by := TRIED.get(str(target.how.get("by"))):
        across = target.said.get("still_across")
        still = f" ({'; '.join(map(str, across))})" if isinstance(across, list) and across else ""
        return None if target.said.get("cut") is True else f"{target.name} was not seen cut off by {by}{still}"
    dropped = target.said.get("dropped_packets")
    met = isinstance(dropped, int) and not isinstance(dropped, bool) and dropped > 0
    return None if met else f"no packet of {target.name} was dropped, so nothing was cut off"


def _child_doubt(target: Target, seen: Sightings) -> str | None:
    """The process of a task that is over holds nothing: its task must have been under way on that pod."""
    if why := _crash_doubt(target, seen):
        return why
    held = target.said.get("task_instance")
    if under_way(target, seen, held):  # older records do not say what it held
        return None
    return f"no task was under way on {target.name} when a process of it was killed, so nothing was at stake"


def under_way(target: Target, seen: Sightings, attempt: object = None) -> bool:
    """Whether a task was at work on this pod when it was hit; one attempt of it, where one is named."""
    before = [mark for mark in seen.marks_on(target.pod) if mark.t <= target.injected and attempt in (None, mark.ti)]
    # A deferred task may be resumed elsewhere, and end there.
    here = Counter(mark.mark for mark in before if not seen.ended(mark.ti, target.injected))
    return here["start"] > here["end"]


def _overload_doubt(target: Target, seen: Sightings) -> str | None:
    """The ledger says how long tasks waited; the fault's own record says only how long they were to wait."""
    wanted = target.said.get("queue_time_s")
    if not isinstance(wanted, int | float) or isinstance(wanted, bool):
        return f"the record does not say how long tasks were to wait for {target.name}"
    waited = backlog(seen.history, target).longest_wait / NS
    return None if waited >= wanted else f"no task waited {wanted:g} s for {target.name}: {waited:.1f} s at most"


def _role_doubt(target: Target, seen: Sightings) -> str | None:
    """A pod picked for its role must have had it, by those who decide it and by its own word."""
    role = target.how.get("role")
    if role is None:
        return None
    system = SYSTEMS.get(target.component)
    if system is None:
        return f"{target.name} was hit as the {role}, and nobody says who that is"
    try:
        primary = story(seen.history, system).primary(target.injected)
    except UnknowableError as why:
        return f"{target.name} was hit as the {role}, and it is not known whether it was: {why}"
    if (target.pod == primary) != (role == PRIMARY):
        return f"{target.name} was hit as the {role}, and {primary} was the primary"
    return None


def _room_doubt(target: Target, seen: Sightings) -> str | None:
    waited = target.said.get("without_node_s")
    met = isinstance(waited, int | float) and not isinstance(waited, bool) and waited > 0
    return None if met else f"{target.name} was not seen waiting for a node"


def _handover_doubt(target: Target, seen: Sightings) -> str | None:
    """Patroni's own answer proves nothing: by then, its note and the servers must have named another primary."""
    now, system = target.said.get("primary"), SYSTEMS.get(target.component)
    if system is None or target.how.get("role") != PRIMARY:
        return f"{target.name} was not known to be the primary when it was asked to hand over"
    if not isinstance(now, str) or now in ("", target.pod) or target.proof is None:
        return f"no primary other than {target.name} was seen after it was asked to hand over"
    try:
        primary = story(seen.history, system).primary(target.proof.t, "when that was said")
    except UnknowableError as why:
        return f"{target.name} handed over to {now}, and it is not known whether that was the primary: {why}"
    return None if primary == now else f"{target.name} handed over to {now}, and {primary} was the primary"


def _rotation_doubt(target: Target, seen: Sightings) -> str | None:
    """The old pod must be gone, and those that are there now must have been asked, and have the new secret."""
    if target.said.get("carried") is True:
        return _gone_doubt(target, seen)
    without = target.said.get("without")
    named = f" ({some(map(str, without))})" if isinstance(without, list) and without else ""
    return f"not all that was rolled after {target.name} is known to have the new secret{named}"


def _upgrade_doubt(target: Target, seen: Sightings) -> str | None:
    """The old pod must be gone, and another release run everywhere."""
    return upgrade.doubt(target, seen) or _gone_doubt(target, seen)


_PROOFS: dict[str, Callable[[Target, Sightings], str | None]] = {
    "crash_pods": _crash_doubt,
    "hang_pods": _hang_doubt,
    NODE_OFF: _node_doubt,
    "cut_off": _cut_doubt,
    "delay": grown.delay_doubt,
    "stress": grown.stress_doubt,
    "kill_child": _child_doubt,
    "close_nodes": _room_doubt,
    "overload": _overload_doubt,
    "switch_over": _handover_doubt,
    "rotate_secret": _rotation_doubt,
    "upgrade": _upgrade_doubt,
    restored.ACTION: lambda target, seen: _crash_doubt(target, seen) or restored.doubt(target, seen.history),
}
# Cut off from one thing, or slowed down, a scheduler may still reach the database that its heartbeats go to.
STILL_HEARD = frozenset({"cut_off", "delay", "stress"})


def _heartbeat_doubt(target: Target, seen: Sightings) -> str | None:
    own = seen.own_jobs(target.pod, target.injected)
    beats = [e.t for e in own if e.what == "heartbeat"]
    if not any(t <= target.injected for t in beats):
        return f"no heartbeat of {target.name} was seen before the fault, so silence after it proves nothing"
    if silent := _silent_before(target, beats):
        return f"{target.name} had sent no heartbeat for {silent / NS:.1f} s when it was hit"
    left = any(e.t > target.injected and e.value.get("state") == "success" for e in own)
    if left and target.action in LEAVES_NO_TIME and not _asked_first(target):
        return f"the job of {target.name} ended in success, which a killed one cannot say"
    limit = target.silent_from + HEARTBEAT_SLACK
    end = target.over if target.action == "hang_pods" and target.over is not None else seen.history.last_t
    late = [t for t in beats if limit < t <= end]
    return f"{target.name} still sent heartbeats {(late[0] - limit) / NS + 2:.1f} s after its proof" if late else None


def _silent_before(target: Target, beats: list[int]) -> int | None:
    """How long the target had been silent when it was hit, if that is longer than its beats are apart."""
    before = sorted(t for t in beats if t <= target.injected)
    apart = sorted(b - a for a, b in pairwise(before))
    usual = apart[len(apart) // 2] if apart else 0
    silent = target.injected - before[-1]
    return silent if silent > max(SILENT_NS, SILENT * usual) else None
