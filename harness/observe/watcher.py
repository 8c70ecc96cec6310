"""What is seen of the cluster and of Airflow's jobs during a run, as events: one for each change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from harness.airflow import Airflow
from harness.answers import Job
from harness.history import Event, Recorder
from harness.kube import EndpointSlice, Kube, Node, Pod
from harness.observe.follow import Follower
from harness.observe.problems import Problems

EVERY_S = 0.5
JOBS, ADDRESS = "scheduler jobs", "address"
STOP_WITHIN_S = 2.5

Value = dict[str, Any]


class Watcher:
    """Follows pods and endpoints of some namespaces, all nodes, the scheduler jobs, and who answers for the address.

    With `waits`, it also asks what waits in triggerers. `answering` returns the node that now answers for the load
    balancer's address, or None if that cannot be known. `airflow` is used by a thread of the watcher's own: nobody
    else may use it, and its timeout must be 2 s or less, so that it cannot hold up the end.
    """

    def __init__(
        self,
        kube: Kube,
        airflow: Airflow,
        recorder: Recorder,
        namespaces: Sequence[str],
        *,
        waits: bool = False,
        answering: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._airflow = airflow
        self._waits = waits
        self._answering = answering
        self._waiting: dict[str, list[str]] = {}
        self._recorder = recorder
        self._seen: dict[tuple[str, str], Value] = {}
        self._slices: dict[str, EndpointSlice] = {}
        self._lock = threading.Lock()
        self._problems = Problems(recorder, "watcher")
        self._stopping = threading.Event()
        self._polls = [
            threading.Thread(target=self._poll, args=(name, look), name=name, daemon=True)
            for name, look in ((JOBS, self._look_at_jobs), (ADDRESS, self._look_at_address))
        ]
        told = self._problems.report
        self._followers: list[Follower[Any]] = [Follower("nodes", kube.node_source(), self._node, told)]
        for name in namespaces:
            self._followers.append(Follower(f"pods of {name}", kube.pod_source(name), self._pod, told))
            self._followers.append(Follower(f"endpoints of {name}", kube.slice_source(name), self._slice, told))

    def start(self) -> None:
        """Record what is there, then follow it. Raises the errors of `Kube` if the cluster is out of reach."""
        for follower in self._followers:
            follower.start()
        for poll in self._polls:
            poll.start()
        self._problems.write("started", {})

    def holders(self) -> dict[str, frozenset[str]]:
        """Host of a triggerer → the tasks that wait in it, as last seen; hosts without any are left out."""
        return {host: frozenset(tasks) for host, tasks in self._waiting.items() if tasks}

    def stop(self) -> None:
        """End every thread, within 3 s; one that does not end is recorded."""
        self._stopping.set()
        for follower in self._followers:
            follower.signal()
        deadline = time.monotonic() + STOP_WITHIN_S
        left = list(self._followers)
        while left and time.monotonic() < deadline:
            left = [f for f in left if not f.ended(deadline - time.monotonic())]
        for poll in (p for p in self._polls if p.ident is not None):
            poll.join(max(0.0, deadline - time.monotonic()))
        late = [f.name for f in left] + [p.name for p in self._polls if p.is_alive()]
        self._problems.write("stopped", {"still_running": late})
        # The history may be closed next; what a late thread still reports is known to be missing.
        self._airflow.close()
        self._problems.close()

    def _pod(self, what: str, pod: Pod) -> None:
        value = {
            "component": pod.component,
            "node": pod.node,
            "phase": pod.phase,
            "ready": pod.ready,
            "restarts": pod.restarts,
            "exit_code": pod.exit_code,
            "deleting": pod.deleting,
        }
        if pod.size > 1:
            value["containers"] = pod.size
        if pod.attempt:
            value["attempt"] = list(pod.attempt)
        if self._changed(("pod", pod.uid), what, value):
            self._write("pod", pod.key, pod.uid, what, value)

    def _node(self, what: str, node: Node) -> None:
        ready = node.ready and what != "deleted"
        if self._changed(("node", node.uid), what, {"ready": ready}):
            self._write("node", node.name, node.uid, "ready" if ready else "not-ready", {})

    def _slice(self, what: str, part: EndpointSlice) -> None:
        with self._lock:
            if what == "deleted":
                self._slices.pop(part.uid, None)
            else:
                self._slices[part.uid] = part
            same = [s for s in self._slices.values() if (s.namespace, s.service) == (part.namespace, part.service)]
        service = f"{part.namespace}/{part.service}"
        value = {"ready": sorted({address for s in same for address in s.ready})}
        if part.service and self._changed(("endpoint", service), "modified", value):
            self._write("endpoint", service, None, "changed", value)

    def _poll(self, name: str, look: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                look()
                self._problems.report(name, None)
            except Exception as problem:
                self._problems.report(name, f"{type(problem).__name__}: {problem}")
            self._stopping.wait(max(0.0, begun + EVERY_S - time.monotonic()))

    def _look_at_address(self) -> None:
        """Not knowing is not news: the machine forgets who answers, and learns it again."""
        node = self._answering()
        if node and self._changed((ADDRESS, ""), "modified", {"node": node}):
            self._write("endpoint", "load balancer", None, "announced", {"node": node})

    def _look_at_jobs(self) -> None:
        for job in reversed(self._airflow.scheduler_jobs()):
            self._job(job)
        if self._waits:
            self._look_at_triggerers()

    def _look_at_triggerers(self) -> None:
        found: dict[str, list[str]] = {host: [] for host in self._waiting}
        for task in self._airflow.deferred():
            if task.triggerer:
                found.setdefault(_host(task.triggerer), []).append(f"{task.run_id}/{task.task_id}")
        for host, tasks in found.items():
            if self._waiting.get(host) != tasks:
                self._write("job", f"TriggererJob/{host}", None, "waits", {"hostname": host, "tasks": tasks})
        self._waiting = found

    def _job(self, job: Job) -> None:
        key = ("job", str(job.id))
        before = self._seen.get(key, {})
        value = {
            "id": job.id,
            "hostname": _host(job),
            "state": job.state or "",
            "latest_heartbeat": job.latest_heartbeat,
        }
        if not before or before["state"] != value["state"]:
            self._write("job", f"SchedulerJob/{job.id}", None, "state", value)
        if before and before["latest_heartbeat"] != value["latest_heartbeat"]:
            self._write("job", f"SchedulerJob/{job.id}", None, "heartbeat", value)
        self._seen[key] = value

    def _changed(self, key: tuple[str, str], what: str, value: Value) -> bool:
        """Whether this is news: the last recorded value of this thing was different, or the thing is gone now."""
        with self._lock:
            if what == "deleted":
                return self._seen.pop(key, None) is not None
            before, self._seen[key] = self._seen.get(key), value
            return before != value

    def _write(
        self, source: Literal["pod", "endpoint", "node", "job"], name: str, uid: str | None, what: str, value: Value
    ) -> None:
        self._recorder.write(Event(t=self._recorder.now(), source=source, object=name, uid=uid, what=what, value=value))


def _host(job: Job) -> str:
    """The pod's name: Airflow records the host's full name if it has one, and its first part is the pod's."""
    return (job.hostname or "").split(".")[0]
