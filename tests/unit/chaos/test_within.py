"""A pod seen, stopped and killed with nodes closed. Its container is real: a process namespace of its own, whose first
process is named as that of the official image, and which `exec` enters as a kubelet does."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness import preflight
from harness.chaos import hang, leftovers, pods, within
from harness.chaos.aims import Aim
from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.errors import FaultError, OutOfReach
from harness.history import History, Recorder
from harness.judge.faults import targets
from harness.judge.proofs import doubt
from harness.judge.sightings import Sightings
from harness.kube import Kube
from harness.safety import Blast
from harness.settings import Settings
from harness.target import Target
from harness.wait import until
from tests.unit.kube.cluster import Json, lead, listing, namespace, pod
from tests.unit.kube.execing import execed
from tests.unit.loopback import Reply, Request, serving

OWN = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
WIDE = Blast(pods=1, share=1.0, nodes=0, seconds=60)
SELECTOR = "component=api-server"


def _possible() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*OWN, "true"], capture_output=True).returncode == 0  # noqa: PLW1510


pytestmark = pytest.mark.skipif(not _possible(), reason="a process namespace takes root")


class Container:
    """Two processes behind a first one of this name."""

    def __init__(self, folder: Path, first: str = "dumb-init") -> None:
        program = folder / first
        shutil.copy("/bin/sh", program)
        script = "sh -c 'sleep 600; :' & wait"
        self._outside = subprocess.Popen([*OWN, "--", str(program), "-c", script])
        children = Path(f"/proc/{self._outside.pid}/task/{self._outside.pid}/children")
        self.pid = int(until(lambda: children.read_text(encoding="ascii"), bool, what="it", timeout=10, every=0.05))
        until(lambda: len(self.inside()), lambda count: count >= 3, what="its processes", timeout=10, every=0.05)

    def inside(self) -> list[str]:
        """The states of all that run in it."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (entry / "ns/pid").readlink() == Path(f"/proc/{self.pid}/ns/pid").readlink():
                    found.append((entry / "stat").read_text(encoding="utf-8").rpartition(") ")[2][:1])
        return found

    def entered(self, command: list[str]) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-p", "-m", "--", *command]

    def end(self) -> None:
        self._outside.kill()
        self._outside.wait()


class Cluster:
    """One pod, until it is deleted; `dies` says whether its processes do so as well."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.annotations: dict[str, str] = {}
        self.there = True
        self.dies = True
        self.steps: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        with self.lock:
            self.steps.append(f"{request.method} {request.path.rpartition('/')[2]}")
            return self._answer(request)

    def _answer(self, request: Request) -> Reply:
        if request.path.endswith("/exec"):
            return execed(self.container.entered(request.query["command"]))
        if request.method == "PATCH":
            said = request.body["metadata"]["annotations"]
            self.annotations = {k: v for k, v in {**self.annotations, **said}.items() if v is not None}
            return Reply(200, self._pod())
        if request.method == "DELETE":
            return self._deleted(request)
        if request.path.endswith("/pods"):
            return Reply(200, listing("Pod", [self._pod()] if self.there else []))
        if "/namespaces/flow/" in request.path or request.path == "/api/v1/nodes":
            return Reply(200, listing("Any", []))
        return Reply(200, namespace(request.path.rpartition("/")[2], allow="true"))

    def _deleted(self, request: Request) -> Reply:
        if "networkpolicies" in request.path:
            return Reply(404, {"kind": "Status"})
        assert request.body["gracePeriodSeconds"] == 0
        self.there = False
        if self.dies:
            threading.Timer(0.3, self.container.end).start()
        return Reply(200, {"kind": "Status"})

    def _pod(self) -> Json:
        raw = pod("api-server-1", component="api-server")
        raw["metadata"] |= {"namespace": "flow", "annotations": self.annotations}
        return raw


@contextmanager
def standing(folder: Path, first: str = "dumb-init") -> Iterator[tuple[Cluster, Context]]:
    container = Container(folder, first)
    cluster = Cluster(container)
    recorder = Recorder.create(folder / "history.jsonl")
    try:
        with serving(cluster) as server:
            lead(folder / "kubeconfig", server.url, "theirs")
            target = Target(name="mine", context="theirs", kubeconfig=str(folder / "kubeconfig"), namespace="flow")
            settings = Settings(cache=folder, target=target)
            yield cluster, Context(settings, Kube(settings), recorder, 0, {"api-server": 1}, ("flow",), WIDE)
    finally:
        container.end()
        recorder.close()


def judged(context: Context) -> tuple[Any, str | None]:
    """The one target of the history so far, and why it is doubted."""
    history = History.read(context.recorder.path)
    (target,) = targets(history)
    return target, doubt(target, Sightings(history))


def test_a_canary_ends_with_its_container_and_not_before(tmp_path: Path) -> None:
    with standing(tmp_path) as (cluster, context):
        (one,) = context.kube.pods("flow", SELECTOR)
        canaries = within.canaries(context.kube, one)
        assert not within.ended(canaries)
        assert not within.ended(())
        cluster.container.end()
        until(lambda: within.ended(canaries), bool, what="the canary's end", timeout=10, every=0.1)
        for canary in canaries:
            canary.close()


def test_a_canary_that_is_closed_has_not_seen_an_end(tmp_path: Path) -> None:
    with standing(tmp_path) as (_, context):
        canaries = within.canaries(context.kube, context.kube.pods("flow", SELECTOR)[0])
        for canary in canaries:
            canary.close()
        assert not within.ended(canaries)


def test_a_hang_stops_all_but_the_first_and_is_proved_and_undone(tmp_path: Path) -> None:
    with standing(tmp_path) as (cluster, context):
        hang.hang(context, "flow", SELECTOR, "all", 1.0)
        target, why = judged(context)
        assert why is None
        assert (target.how["signal"], target.how["by"], len(target.how["pids"])) == ("SIGSTOP", "exec", 2)
        assert target.said["stopped"] is True
        states = lambda: sorted(cluster.container.inside())  # noqa: E731
        until(states, lambda some: some == ["S", "T", "T"], what="the first alone at work", timeout=20)
        marked = cluster.steps.index("PATCH api-server-1")
        assert cluster.steps[marked + 1 :].count("GET exec") >= 2  # marked before anything is stopped
        left = ["processes of flow/api-server-1 are stopped"]
        assert leftovers.find(context.kube, context.settings, ["flow"]) == left
        assert leftovers.heal(context.kube, context.settings, ["flow"]) == left
        assert "T" not in cluster.container.inside()
        assert leftovers.find(context.kube, context.settings, ["flow"]) == []


def test_what_is_the_first_process_itself_cannot_be_stopped(tmp_path: Path) -> None:
    with standing(tmp_path, "airflow") as (cluster, context):
        with pytest.raises(FaultError, match=r"the first process in main of flow/api-server-1 is airflow.*nothing was"):
            hang.hang(context, "flow", SELECTOR, "all", 3.0)
        assert "T" not in cluster.container.inside()
        assert cluster.annotations == {}


@pytest.mark.parametrize(("first", "refused"), [("dumb-init", False), ("tini", False), ("airflow", True)])
def test_it_is_known_before_the_run_begins(tmp_path: Path, first: str, refused: bool) -> None:
    with standing(tmp_path, first) as (cluster, context):
        blow = Blow(context.kube.pods("flow", SELECTOR))
        preflight._stoppable(context.kube, context.settings, [Aim("kill_pods", blow)])
        assert "GET exec" not in cluster.steps
        hung = [Aim("hang_pods", blow)]
        if refused:
            with pytest.raises(OutOfReach, match="are closed, and the first process in main of flow/api-server-1 is"):
                preflight._stoppable(context.kube, context.settings, hung)
        else:
            preflight._stoppable(context.kube, context.settings, hung)
        assert cluster.annotations == {}


def test_a_kill_by_deletion_says_so_and_is_proved_by_the_end_of_the_process(tmp_path: Path) -> None:
    with standing(tmp_path) as (_, context):
        pods.kill(context, "flow", SELECTOR, "all")
        target, why = judged(context)
        assert why is None
        assert target.how == {"by": "delete"}
        assert (target.said["uid_gone"], target.said["process_gone"]) == (True, True)
        assert target.said["process_gone_t"] - target.injected >= 0.3e9


def test_a_deleted_object_whose_process_lives_on_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "KILLED_WITHIN_S", 1.0)
    with standing(tmp_path) as (cluster, context):
        cluster.dies = False
        pods.kill(context, "flow", SELECTOR, "all")
        _, why = judged(context)
        assert why == "nothing proves that flow/api-server-1 was hit"


def test_a_container_without_a_shell_is_not_killed(tmp_path: Path) -> None:
    with standing(tmp_path) as (cluster, context):
        cluster.container.entered = lambda command: ["no-such-program"]  # type: ignore[method-assign]
        with pytest.raises(FaultError, match="nothing of ours can be begun in main of flow/api-server-1"):
            pods.kill(context, "flow", SELECTOR, "all")
        assert cluster.there
