"""Following a cluster and the scheduler jobs, against loopback servers that speak for both."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.airflow import Airflow
from harness.errors import UsageError
from harness.history import Event, History, Recorder
from harness.kube import Kube
from harness.observe.watcher import Watcher
from harness.wait import until
from tests.unit.kube.cluster import listing, pod, settings_for
from tests.unit.loopback import Reply, Request, serving

Json = dict[str, Any]
POD, SLICE, NODE = "pods", "endpointslices", "nodes"
END = "end of the stream"


def endpoint_slice(name: str, service: str, ready: dict[str, bool | None], version: str = "1") -> Json:
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": name,
            "namespace": "airflow",
            "uid": f"uid-{name}",
            "resourceVersion": version,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ip], "conditions": {"ready": value}} for ip, value in ready.items()],
    }


def node(name: str, ready: bool, version: str = "1") -> Json:
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def gone() -> Json:
    return {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}


@dataclass
class Cluster:
    """What its lists hold, what its watches say next, and from which version each watch began."""

    lists: dict[str, list[Json]] = field(default_factory=lambda: {POD: [], SLICE: [], NODE: []})
    says: dict[str, queue.Queue[Json | str]] = field(
        default_factory=lambda: {k: queue.Queue() for k in (POD, SLICE, NODE)}
    )
    broken: bool = False
    versions: list[tuple[str, str]] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: Request) -> Reply:
        kind = request.path.rsplit("/", 1)[1]
        if self.broken:
            return Reply(503, {"kind": "Status", "code": 503, "message": "no"})
        if "watch" not in request.query:
            self.listed.append(kind)
            return Reply(200, listing(kind, self.lists[kind], version="10"))
        self.versions.append((kind, request.query["resourceVersion"][0]))
        return Reply(200, lines=self._lines(kind))

    def _lines(self, kind: str) -> Iterator[str]:
        while not self.over.is_set():
            try:
                said = self.says[kind].get(timeout=0.05)
            except queue.Empty:
                continue
            if isinstance(said, str):
                return
            yield json.dumps(said)

    def say(self, kind: str, what: str, thing: Json) -> None:
        self.says[kind].put({"type": what, "object": thing})


@dataclass
class Scene:
    cluster: Cluster
    jobs: list[Json]
    path: Path
    watcher: Watcher

    def events(self, source: str) -> list[Event]:
        return [e for e in History.read(self.path).events if e.source == source]

    def waits_for(self, source: str, number: int) -> list[Event]:
        return until(
            lambda: self.events(source), lambda e: len(e) >= number, what=f"{source} event", timeout=10, every=0.05
        )


@contextmanager
def scene(
    tmp_path: Path,
    cluster: Cluster,
    jobs: list[Json],
    deferred: list[Json] | None = None,
    answering: Callable[[], str | None] = lambda: None,
) -> Iterator[Scene]:
    def airflow_like(request: Request) -> Reply:
        if request.path == "/auth/token":
            return Reply(201, {"access_token": "T"})
        if request.path == "/api/v2/dags/~/dagRuns/~/taskInstances":
            assert request.query["state"] == ["deferred"]
            assert deferred is not None
            return Reply(200, {"task_instances": deferred, "total_entries": len(deferred)})
        return Reply(200, {"jobs": list(reversed(jobs)), "total_entries": len(jobs)})

    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(cluster) as server, serving(airflow_like) as airflow:
        kube = Kube(settings_for(tmp_path, server.url))
        watcher = Watcher(
            kube,
            Airflow(airflow.url, "admin", "pw", timeout=2),
            recorder,
            ["airflow"],
            waits=deferred is not None,
            answering=answering,
        )
        watcher.start()
        try:
            yield Scene(cluster, jobs, recorder.path, watcher)
        finally:
            watcher.stop()
            cluster.over.set()
            recorder.close()


def test_a_pod_is_told_of_when_it_comes_changes_and_goes_and_not_otherwise(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.lists[POD] = [pod("s-1")]
    with scene(tmp_path, cluster, []) as play:
        cluster.say(POD, "MODIFIED", pod("s-1", version="11"))
        cluster.say(POD, "MODIFIED", pod("s-1", version="12", ready=False, deleting=True))
        cluster.say(POD, "DELETED", pod("s-1", version="13", ready=False, deleting=True))
        cluster.say(POD, "ADDED", pod("s-1", uid="new", version="14"))
        play.waits_for("pod", 4)
    seen = [(e.object, e.uid, e.what, e.value["ready"], e.value["deleting"]) for e in play.events("pod")]
    assert seen == [
        ("airflow/s-1", "uid-s-1", "added", True, False),
        ("airflow/s-1", "uid-s-1", "modified", False, True),
        ("airflow/s-1", "uid-s-1", "deleted", False, True),
        ("airflow/s-1", "new", "added", True, False),
    ]
    assert play.events("pod")[0].value == {
        "component": "scheduler",
        "node": "worker",
        "phase": "Running",
        "ready": True,
        "restarts": 0,
        "exit_code": None,
        "deleting": False,
    }


def test_of_a_pod_with_several_containers_it_is_told_how_many(tmp_path: Path) -> None:
    cluster = Cluster()
    raw = pod("s-1")
    raw["spec"]["containers"].append({"name": "groomer"})
    cluster.lists[POD] = [raw]
    with scene(tmp_path, cluster, []) as play:
        play.waits_for("pod", 1)
    assert play.events("pod")[0].value["containers"] == 2


def test_a_stream_that_ends_is_resumed_where_it_was(tmp_path: Path) -> None:
    cluster = Cluster()
    with scene(tmp_path, cluster, []) as play:
        cluster.say(POD, "ADDED", pod("a", version="11"))
        cluster.say(POD, "BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "17"}})
        cluster.says[POD].put(END)
        cluster.say(POD, "ADDED", pod("b", version="18"))
        play.waits_for("pod", 2)
    assert [version for kind, version in cluster.versions if kind == POD][:2] == ["10", "17"]
    assert cluster.listed.count(POD) == 1
    assert not [e for e in play.events("probe") if e.what == "error"]


def test_a_version_that_is_too_old_means_listing_again_and_what_vanished_meanwhile_is_deleted(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.lists[POD] = [pod("old"), pod("same")]
    with scene(tmp_path, cluster, []) as play:
        cluster.lists[POD] = [pod("same"), pod("new")]
        cluster.say(POD, "ERROR", gone())
        play.waits_for("pod", 4)
    assert [(e.object, e.what) for e in play.events("pod")] == [
        ("airflow/old", "added"),
        ("airflow/same", "added"),
        ("airflow/old", "deleted"),
        ("airflow/new", "added"),
    ]


def test_a_broken_cluster_is_told_once_and_so_is_its_recovery(tmp_path: Path) -> None:
    cluster = Cluster()
    with scene(tmp_path, cluster, []) as play:
        until(lambda: len(cluster.versions), lambda n: n == 3, what="three watches", timeout=10, every=0.02)
        cluster.broken = True
        cluster.says[NODE].put(END)
        errors = until(
            lambda: [e for e in play.events("probe") if e.what == "error"],
            bool,
            what="the error",
            timeout=10,
            every=0.05,
        )
        assert (errors[0].object, errors[0].value["of"]) == ("watcher", "nodes")
        assert "503" in errors[0].value["error"]
        cluster.say(NODE, "ADDED", node("n", True, "11"))
        cluster.broken = False
        play.waits_for("node", 1)
    assert cluster.listed.count(NODE) == 1
    told = [e.what for e in play.events("probe")]
    assert told == ["started", "error", "recovered", "stopped"]
    assert play.events("probe")[-1].value == {"still_running": []}


def test_a_line_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    cluster = Cluster()
    with scene(tmp_path, cluster, []) as play:
        cluster.say(POD, "ADDED", {"metadata": {"resourceVersion": "11", "name": 5}, "status": {"phase": []}})
        until(lambda: [e.what for e in play.events("probe")], lambda w: "error" in w, what="it", timeout=10, every=0.05)


def test_endpoints_are_joined_by_service_and_told_when_they_change(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.lists[SLICE] = [endpoint_slice("web-1", "web", {"10.0.0.2": True, "10.0.0.3": False})]
    with scene(tmp_path, cluster, []) as play:
        cluster.say(SLICE, "ADDED", endpoint_slice("web-2", "web", {"10.0.0.1": None}, "11"))
        cluster.say(SLICE, "MODIFIED", endpoint_slice("web-2", "web", {"10.0.0.1": True}, "12"))
        cluster.say(SLICE, "DELETED", endpoint_slice("web-1", "web", {"10.0.0.2": True}, "13"))
        cluster.say(SLICE, "ADDED", endpoint_slice("db-1", "db", {}, "14"))
        play.waits_for("endpoint", 4)
    assert [(e.object, e.what, e.value["ready"]) for e in play.events("endpoint")] == [
        ("airflow/web", "changed", ["10.0.0.2"]),
        ("airflow/web", "changed", ["10.0.0.1", "10.0.0.2"]),
        ("airflow/web", "changed", ["10.0.0.1"]),
        ("airflow/db", "changed", []),
    ]


def test_a_node_is_ready_or_not(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.lists[NODE] = [node("n", True)]
    with scene(tmp_path, cluster, []) as play:
        cluster.say(NODE, "MODIFIED", node("n", True, "11"))
        cluster.say(NODE, "MODIFIED", node("n", False, "12"))
        cluster.say(NODE, "MODIFIED", node("n", True, "13"))
        play.waits_for("node", 3)
    assert [(e.object, e.what) for e in play.events("node")] == [("n", "ready"), ("n", "not-ready"), ("n", "ready")]


def job(number: int, state: str, beat: int, host: str = "s-1") -> Json:
    return {"id": number, "hostname": host, "state": state, "latest_heartbeat": f"2026-01-01T00:00:0{beat}Z"}


def test_a_schedulers_state_and_heartbeats_are_told_when_they_move(tmp_path: Path) -> None:
    jobs = [job(1, "failed", 0), job(2, "running", 1, "s-2.airflow.svc.cluster.local")]
    with scene(tmp_path, Cluster(), jobs) as play:
        play.waits_for("job", 2)
        jobs[1] = job(2, "running", 2)
        play.waits_for("job", 3)
        jobs[1:] = [job(2, "failed", 2), job(3, "running", 3)]
        play.waits_for("job", 5)
    assert [(e.object, e.what, e.value["state"]) for e in play.events("job")] == [
        ("SchedulerJob/1", "state", "failed"),
        ("SchedulerJob/2", "state", "running"),
        ("SchedulerJob/2", "heartbeat", "running"),
        ("SchedulerJob/2", "state", "failed"),
        ("SchedulerJob/3", "state", "running"),
    ]
    first = play.events("job")[1].value
    assert first == {"id": 2, "hostname": "s-2", "state": "running", "latest_heartbeat": "2026-01-01T00:00:01Z"}


def waiting(run: str, host: str | None) -> Json:
    triggerer = None if host is None else job(9, "running", 0, host)
    return {"dag_run_id": run, "task_id": "wait", "triggerer_job": triggerer}


def test_what_triggerers_hold_is_told_when_it_changes_where_it_is_asked_for(tmp_path: Path) -> None:
    tasks = [waiting("r1", "t-1.airflow.svc"), waiting("r2", None)]
    with scene(tmp_path, Cluster(), [], tasks) as play:
        play.waits_for("job", 1)
        assert play.watcher.holders() == {"t-1": {"r1/wait"}}
        tasks[:] = [waiting("r1", "t-1"), waiting("r2", "t-2")]
        play.waits_for("job", 2)
        tasks[:] = [waiting("r2", "t-2")]
        play.waits_for("job", 3)
        assert play.watcher.holders() == {"t-2": {"r2/wait"}}
    assert [(e.object, e.what, e.value["tasks"]) for e in play.events("job")] == [
        ("TriggererJob/t-1", "waits", ["r1/wait"]),
        ("TriggererJob/t-2", "waits", ["r2/wait"]),
        ("TriggererJob/t-1", "waits", []),
    ]


def test_nobody_asks_for_what_triggerers_hold_unasked(tmp_path: Path) -> None:
    with scene(tmp_path, Cluster(), [job(1, "running", 0)]) as play:
        play.waits_for("job", 1)
        assert play.watcher.holders() == {}


def test_an_address_that_moves_is_told_of_and_that_nobody_knows_is_not(tmp_path: Path) -> None:
    turns = iter(["a", "a", None, "a", "b", "a"])
    with scene(tmp_path, Cluster(), [], answering=lambda: next(turns, "a")) as play:
        play.waits_for("endpoint", 3)
    assert [(e.object, e.what, e.value) for e in play.events("endpoint")] == [
        ("load balancer", "announced", {"node": node}) for node in ("a", "b", "a")
    ]


def test_quiet_streams_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with scene(tmp_path, Cluster(), []) as play:
        until(lambda: len(play.cluster.versions), lambda n: n == 3, what="three watches", timeout=10, every=0.02)
        begun = time.monotonic()
        play.watcher.stop()
        assert time.monotonic() - begun < 3
    assert play.events("probe")[-1].value == {"still_running": []}


def test_a_cluster_out_of_reach_is_known_at_the_start(tmp_path: Path) -> None:
    with serving(lambda _: Reply(401, {"kind": "Status", "code": 401})) as server:
        recorder = Recorder.create(tmp_path / "history.jsonl")
        kube = Kube(settings_for(tmp_path, server.url))
        watcher = Watcher(kube, Airflow(server.url, "admin", "pw"), recorder, ["airflow"])
        with pytest.raises(UsageError):
            watcher.start()
        watcher.stop()
        recorder.close()
