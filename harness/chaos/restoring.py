"""The database is lost with all of its files, and restored from a base backup and the archive of its log.

It is marked first, on its StatefulSet, and held back, in the archive; then it is killed, so that it comes up again
without PostgreSQL, and its files go. Whoever comes after a harness that was killed in between finds the mark and
restores the same backup (`leftovers`). Where the log was is asked for a while before the blow: up to which moment what
was accepted was archived, only the database itself can say.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from secrets import token_hex
from typing import Any, Literal

from harness.chaos.archive import Archive, State
from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Strike, Victim, chosen, of_pod
from harness.errors import FaultError, HarnessError
from harness.history import Op
from harness.kube import Pod, containers_by_node, nodes

ACTION = "lose_and_restore"
PROCESS = "archive"
GONE_WITHIN_S = 30.0
LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Course:
    """Seconds: for how long it is looked at before the blow, how long after it the restore begins at the earliest, and
    by when after it all is over."""

    watch_s: float
    hold_s: float
    within_s: float


def back_up(context: Context, namespace: str, selector: str, within_s: float) -> list[str]:
    """Take a base backup, and record with which file of the log it begins. Raises `FaultError` where there are several
    databases, `KubeError` where it fails."""
    pod = _database(context, namespace, selector)
    context.kube.confirm(namespace)
    name, asked = _name(context), context.recorder.now()
    said: dict[str, object] = {"backup": name, "pod": pod.key, "uid": pod.uid, "asked": asked}
    try:
        said["begins"] = Archive(context.kube, pod).back_up(name, within_s)
    except HarnessError as cause:
        _record(context, "backup", "fail", said | {"error": str(cause)})
        raise
    _record(context, "backup", "ok", said)
    return [name]


def lose_and_restore(context: Context, namespace: str, selector: str, course: Course) -> list[dict[str, Any]]:
    """Remove all files of the database, and restore this run's backup and all of the log that the archive has. Raises
    `FaultError` where there are several databases, and as `Archive`; then the undo restores it."""
    context.kube.require_ours()
    pod = _database(context, namespace, selector)
    owner = _owner(pod)
    archive, backup, sign = Archive(context.kube, pod), _name(context), token_hex(8)
    _watch(context, archive, course.watch_s)
    blow = Blow([pod], seconds=course.within_s)
    strike = Strike.begin(context, ACTION, namespace, selector, blow, settled=True)
    deadline = time.monotonic() + course.within_s
    context.kube.change.owe_restore(namespace, owner, backup)
    archive.hold(backup, sign)
    victim = _kill(strike, pod, archive.state(), backup)
    again = time.monotonic() + course.hold_s
    strike.watch(GONE_WITHIN_S, objects=False)
    gone = archive.lose(deadline - time.monotonic())
    lost_t = context.recorder.now()
    time.sleep(max(0.0, again - time.monotonic()))
    released_t = context.recorder.now()
    archive.restore(deadline - time.monotonic())
    after = archive.opened(deadline - time.monotonic())
    opened_t = context.recorder.now()
    context.kube.change.owe_restore(namespace, owner, None)
    times = {"lost_t": lost_t, "released_t": released_t, "opened_t": opened_t}
    strike.prove(victim, backup=backup, files_left=gone.files, archived=gone.last, **times, **_after(after))
    return strike.end(unproved=[] if victim.process_gone_t is not None else [pod.key])


def _database(context: Context, namespace: str, selector: str) -> Pod:
    found = chosen(context, namespace, selector, "all")
    if len(found) != 1:
        raise FaultError(f"{selector!r} finds {len(found)} databases, and one is lost and restored; nothing was done")
    return found[0]


def _owner(pod: Pod) -> str:
    """The StatefulSet that bears the mark: nobody else could find what is to be restored."""
    kind, _, name = pod.owner.partition("/")
    if kind != "StatefulSet":
        raise FaultError(f"{pod.key} is of no StatefulSet that could be marked as one to restore; nothing was done")
    return name


def _name(context: Context) -> str:
    """That of the run: one backup for each."""
    return context.recorder.path.parent.name


def _watch(context: Context, archive: Archive, seconds: float) -> None:
    """Record once a second where the log is."""
    until = time.monotonic() + seconds
    while (begun := time.monotonic()) < until:
        asked = context.recorder.now()
        try:
            said = asdict(archive.state())
            del said["sign"], said["history"]
            _record(context, "position", "ok", {"asked": asked, **said})
        except HarnessError as cause:
            _record(context, "position", "info", {"asked": asked, "error": str(cause)})
        time.sleep(max(0.0, begun + LOOK_EVERY_S - time.monotonic()))


def _kill(strike: Strike, pod: Pod, before: State, backup: str) -> Victim:
    """SIGKILL, with what the server said of itself right before; it knew the sign that no backup has."""
    t = strike.context.recorder.now()
    found = nodes.kill(strike.context.kube.hands, containers_by_node([pod]))
    if not (processes := of_pod(pod, found)):
        raise FaultError(f"{pod.key} had no process to kill; run harness heal")
    said = asdict(before)
    del said["history"]
    return strike.hit(pod, processes, t, signal="SIGKILL", backup=backup, **said)


def _after(state: State) -> dict[str, object]:
    parent, ended = state.left()
    return {
        "system": state.system,
        "timeline": state.timeline,
        "parent": parent,
        "ended_lsn": ended,
        "sign": state.sign,
    }


def _record(context: Context, f: str, kind: Literal["ok", "fail", "info"], value: dict[str, object]) -> None:
    context.recorder.write(Op(t=context.recorder.now(), process=PROCESS, f=f, type=kind, value=value))
