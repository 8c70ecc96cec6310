"""The standing stack at a glance, and its repair after a killed harness."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Group
from rich.table import Table

from harness import lease
from harness.airflow import AirflowUnavailable
from harness.chaos import leftovers
from harness.chaos.undoing import wait_until_whole
from harness.errors import HarnessError
from harness.foreign import escaped, visible
from harness.history import NAMES, End, Fault, History, Recorder
from harness.kube import Kube
from harness.locking import only_one
from harness.settings import Settings
from harness.stack import window
from harness.stack.access import open_access
from harness.wait import until

CALL_S = 10.0
ANSWERS_WITHIN_S = 60.0  # api-servers can be reached some seconds after they are Ready
API_SERVER = "api-server"


def status(settings: Settings) -> Group:
    """Replicas by component, nodes, and where requests enter."""
    kube = Kube(settings)
    table = Table("component", "ready", "on nodes", box=None)
    beside = () if settings.target else (settings.ledger_namespace,)
    for namespace in (*settings.aim.namespaces, *beside):
        pods = kube.pods(namespace)
        for component, replicas in sorted(kube.ready_replicas(namespace).items()):
            where = sorted({p.node.removeprefix(f"{settings.cluster}-") for p in pods if p.component == component})
            colour = "green" if replicas.ready == replicas.desired else "red"
            ready = f"[{colour}]{replicas.ready}/{replicas.desired}[/]"
            table.add_row(escaped(component), ready, escaped(", ".join(where)))
    nodes = kube.nodes()
    up = sum(node.ready for node in nodes)
    return Group(table, f"{up}/{len(nodes)} nodes Ready", escaped(f"entry: {open_access(settings, kube).base_url}"))


def heal(settings: Settings) -> list[str]:
    """Undo what a killed harness left, and close the histories that it left open. Returns what was done, in words.

    If the cluster cannot be repaired, the histories are closed anyway before the error is passed on.
    """
    lock = only_one(settings)
    try:
        open_ones = [folder for folder in sorted(settings.reports.glob("*")) if left_open(folder)]
        try:
            said = _put_right(settings, wait=bool(open_ones)) if settings.aim.path.is_file() else []
        except HarnessError:
            for folder in open_ones:
                print(visible(close(folder, healed=False)))
            raise
        return said + [close(folder) for folder in open_ones]
    finally:
        lock.close()


def _put_right(settings: Settings, *, wait: bool) -> list[str]:
    """Any other harness at work in the cluster must end first; if it was killed, its Lease must expire.

    Raises `UsageError`, naming it, if one is alive.
    """
    claim = lease.take(Kube(settings), settings.namespace, "heal", lease.LASTS_S + lease.SETTLES_S)
    try:
        said = _repair(settings)
        if wait or said:
            wait_until_whole(Kube(settings), settings.namespace)
            said.append("every component is Ready")
        return said + _paused(settings)
    finally:
        if claim:
            claim.release()


def _paused(settings: Settings) -> list[str]:
    """Pause scheduled DAGs that still run: they are started before there is a history that could be left open.

    Raises `WaitTimeout` if Airflow does not answer.
    """
    kube = Kube(settings)
    if API_SERVER not in kube.ready_replicas(settings.namespace):
        return []  # nothing is deployed
    door = open_access(settings, kube).airflow(CALL_S)
    paused: list[str] = []

    def refusal() -> str:
        try:
            paused.extend(f"paused: {name}" for name in window.close(door))
        except AirflowUnavailable as cause:
            return str(cause)
        return ""

    what = "an answer of Airflow, which may still run scheduled DAGs (run harness heal again)"
    try:
        until(refusal, lambda why: not why, what=what, timeout=ANSWERS_WITHIN_S, every=1)
    finally:
        door.close()
    return paused


def _repair(settings: Settings) -> list[str]:
    """Put right what faults still do to the cluster, whoever left it."""
    kube = Kube(settings)
    namespaces = settings.aim.namespaces if kube.ours or settings.target else (settings.namespace,)
    return [f"put right: {what}" for what in leftovers.heal(kube, settings, namespaces)]


def left_open(folder: Path) -> bool:
    """Whether a history lacks its last line: its harness was killed before it could write it."""
    path = folder / NAMES[0]
    if not path.is_file():
        return False
    try:
        last = json.loads(path.read_bytes().rstrip(b"\n").rpartition(b"\n")[2])
    except ValueError:
        return True
    return not isinstance(last, dict) or last.get("kind") != "end"


def close(folder: Path, *, healed: bool = True) -> str:
    """Record that the faults are over, if they were `healed`, and that the run is incomplete: it stays INVALID."""
    path = folder / NAMES[0]
    history = History.read(path)
    recorder = Recorder(path, t0=0)
    if not path.read_bytes().endswith(b"\n"):
        recorder.newline()
    begun = {f.id: f for f in history.faults}
    over = {f.id for f in history.faults if f.phase == "rolled-back"}
    for fault in (f for i, f in begun.items() if healed and i not in over):
        undone = {"id": fault.id, "action": fault.action, "phase": "rolled-back", "evidence": {"healed": True}}
        recorder.write(Fault.model_validate({"t": history.last_t, **undone}))
    recorder.write(End(t=history.last_t, complete=False))
    recorder.close()
    left = len(begun.keys() - over)
    return f"{folder.name}: closed as incomplete; faults that its own harness had not undone: {left}"
