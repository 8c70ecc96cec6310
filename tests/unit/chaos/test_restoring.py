"""A real PostgreSQL, with the script of its container, is backed up, lost and restored; and restored by whoever comes
after a harness that was killed on the way, wherever that was. Only Kubernetes is played."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import leftovers, restoring
from harness.chaos.archive import Archive, State
from harness.chaos.context import Context
from harness.errors import FaultError
from harness.history import History, Recorder
from harness.judge.restored import restored
from harness.kube import Kube, KubeError, nodes, power
from harness.kube.nodes import Process
from harness.safety import Blast
from harness.settings import ROOT
from harness.wait import until
from tests.unit.kube.cluster import Json, listing, namespace, pod, settings_for
from tests.unit.kube.execing import execed
from tests.unit.loopback import Reply, Request, serving

SELECTOR = "component=postgres"
SCRIPT = ROOT / "deploy" / "components" / "archive" / "archive.sh"
ENTRYPOINT = ROOT / "images" / "postgres" / "docker-entrypoint.sh"
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SOCKETS = "/var/run/postgresql"
ID = "ab" * 32
WIDE = Blast(pods=1, share=1.0, seconds=400)
NOBODY = 65534  # PostgreSQL is not started by root
SLOW_S = 240.0  # an initdb on a core that others use

needs_postgres = pytest.mark.skipif(
    not BINARIES or not shutil.which("setpriv"), reason="there is no PostgreSQL on this machine"
)


class Container:
    """The one of the database's pod: killed, it is started again, as a kubelet does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.child: subprocess.Popen[bytes] | None = None
        for name in ("data", "archive", "sock", "bin"):
            (folder / name).mkdir()
        script = SCRIPT.read_text(encoding="utf-8").replace(SOCKETS, str(folder / "sock"))
        (folder / "archive.sh").write_text(script, encoding="utf-8")
        shutil.copy(ENTRYPOINT, folder / "bin")
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
            if os.getuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        self.data = folder / "data" / "pgdata"

    def command(self, *words: str) -> list[str]:
        path = f"{BINARIES[-1]}:{self.folder / 'bin'}:{os.environ['PATH']}"
        said = {
            "PATH": path, "ARCHIVE": self.folder / "archive", "PGDATA": self.data, "HELD": self.folder / "held",
            "POSTGRES_USER": "airflow", "POSTGRES_DB": "airflow", "POSTGRES_PASSWORD": "x",
        }  # fmt: skip
        drop = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
        mine = list(words)
        for there, here in (("/opt/archive", self.folder), (SOCKETS, self.folder / "sock")):
            mine = [word.replace(there, str(here)) for word in mine]
        return ["setpriv", *drop, "env", *(f"{name}={value}" for name, value in said.items()), *mine]

    def start(self) -> None:
        (self.folder / "held").unlink(missing_ok=True)
        settings = {
            "unix_socket_directories": self.folder / "sock", "listen_addresses": "", "archive_mode": "on",
            "archive_timeout": "1s", "fsync": "off", "archive_command": 'sh /opt/archive/archive.sh keep "%p" "%f"',
            "restore_command": 'sh /opt/archive/archive.sh fetch "%f" "%p"',
        }  # fmt: skip
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = self.command("sh", "/opt/archive/archive.sh", "start", *given)
        with (self.folder / "log").open("a", encoding="utf-8") as log:
            self.child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        assert self.child is not None
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        until(self._processes, lambda some: not some, what="every process gone", timeout=SLOW_S, every=0.05)

    def _processes(self) -> list[str]:
        """Those of a server are where its data are, whatever they are called."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                found += [str(path)] if str(path.readlink()).startswith(str(self.data)) else []
        return found

    def sql(self, words: str) -> str:
        command = self.command("psql", "-XAtq", "-h", SOCKETS, "-U", "airflow", "-d", "airflow", "-c", words)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def answers(self) -> bool:
        try:
            return self.sql("select pg_is_in_recovery()") == "f"
        except subprocess.CalledProcessError:
            return False

    def wait(self) -> None:
        until(self.answers, bool, what="PostgreSQL to take writes", timeout=SLOW_S, every=0.1)


class Cluster:
    """Its StatefulSet, with the annotations that it was given, and its pod."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.marks: dict[str, str] = {}

    def __call__(self, request: Request) -> Reply:
        last = request.path.rpartition("/")[2]
        if last == "exec":
            return execed(self.container.command(*request.query["command"]))
        if request.method == "PATCH":
            said = request.body["metadata"]["annotations"]
            self.marks = {name: value for name, value in {**self.marks, **said}.items() if value is not None}
            return Reply(200, self._workload())
        if last == "statefulsets":
            return Reply(200, listing("StatefulSet", [self._workload()]))
        if last == "pods":
            raw = pod("postgres-0", component="postgres")
            raw["metadata"]["ownerReferences"] = [
                {"kind": "StatefulSet", "name": "postgres", "uid": "u", "apiVersion": "apps/v1", "controller": True}
            ]
            return Reply(200, listing("Pod", [raw]))
        return Reply(200, namespace() if last == "airflow" else listing("Any", []))

    def _workload(self) -> Json:
        labels = {"component": "postgres"}
        spec: dict[str, Any] = {"replicas": 1, "serviceName": "postgres", "selector": {"matchLabels": labels}}
        spec["template"] = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "postgres"}]}}
        about = {"name": "postgres", "namespace": "airflow", "annotations": self.marks}
        return {"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": about, "spec": spec}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="pg") as name:  # a socket's path is short
        container = Container(Path(name))
        container.start()
        container.wait()
        container.sql("create table kept (number int)")

        def kill(*_: object) -> dict[str, tuple[Process, ...]]:
            container.kill()
            container.start()
            return {ID: (Process(7, 7),)}

        monkeypatch.setattr(nodes, "kill", kill)
        monkeypatch.setattr(nodes, "alive", lambda *_: {})
        monkeypatch.setattr(nodes, "stopped", lambda *_: {})
        monkeypatch.setattr(power, "off", lambda *_: [])
        yield Cluster(container)
        container.kill()


@pytest.fixture
def context(cluster: Cluster, tmp_path: Path) -> Iterator[Context]:
    (tmp_path / "run-1").mkdir()
    recorder = Recorder.create(tmp_path / "run-1" / "history.jsonl")
    with serving(cluster) as server:
        settings = settings_for(tmp_path, server.url)
        yield Context(settings, Kube(settings), recorder, 1, {"postgres": 1}, ("airflow",), WIDE)
    recorder.close()


def lose(context: Context) -> None:
    restoring.lose_and_restore(context, "airflow", SELECTOR, restoring.Course(3.0, 1.0, SLOW_S))


def keep(container: Container, number: int, *, archived: bool) -> None:
    container.sql(f"insert into kept values ({number:d})")  # noqa: S608
    if archived:
        last = container.sql("select pg_walfile_name(pg_switch_wal())")
        there = container.folder / "archive" / "wal" / f"{last}.gz"
        until(there.exists, bool, what="the log archived", timeout=SLOW_S, every=0.1)


def numbers(container: Container) -> list[str]:
    return container.sql("select number from kept order by number").split()


@needs_postgres
def test_what_was_archived_comes_back_and_the_servers_own_words_prove_it(cluster: Cluster, context: Context) -> None:
    container = cluster.container
    keep(container, 1, archived=True)
    assert restoring.back_up(context, "airflow", SELECTOR, SLOW_S) == ["run-1"]
    keep(container, 2, archived=True)
    lose(context)
    assert numbers(container) == ["1", "2"]
    history = History.read(context.recorder.path)
    found = restored(history)
    assert found is not None
    assert (found.backup, found.timelines, found.timeout_ns) == ("run-1", (1, 2), 1_000_000_000)
    assert found.archived - found.segment <= found.ended
    positions = [op.value for op in history.ops if op.f == "position"]
    assert len(positions) >= 2
    assert {said["system"] for said in positions} == {found.target.how["system"]}
    assert [f.phase for f in history.faults] == ["begin", "injected", "proved", "ended"]
    assert cluster.marks == {}
    assert not (container.data / "airflow-chaos").exists()


@needs_postgres
def test_what_was_not_archived_is_gone(cluster: Cluster, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    restoring.back_up(context, "airflow", SELECTOR, SLOW_S)
    kill = nodes.kill

    def at_once(*said: Any) -> Any:
        cluster.container.sql("insert into kept values (3)")
        return kill(*said)

    monkeypatch.setattr(nodes, "kill", at_once)
    lose(context)
    assert numbers(cluster.container) == []


@needs_postgres
def test_it_is_restored_wherever_the_harness_was_killed(
    cluster: Cluster, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is held back, before it is killed, before its files go, and before they come; and when they were half
    there."""
    container = cluster.container
    restoring.back_up(context, "airflow", SELECTOR, SLOW_S)
    keep(container, 1, archived=True)
    namespaces = ("airflow",)
    for step in ("hold", "state", "lose", "restore"):
        with monkeypatch.context() as patch:

            def ends(*_: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(restoring, "_watch", lambda *_: None)
            patch.setattr(Archive, step, ends)
            with pytest.raises(KeyboardInterrupt):
                lose(context)
        if step == "restore":
            half = container.data.parent / "pgdata.new"
            half.mkdir()
            (half / "PG_VERSION").write_text("half", encoding="utf-8")
            if os.getuid() == 0:
                os.chown(half, NOBODY, NOBODY)
        assert leftovers.find(context.kube, context.settings, namespaces) == ["the data of airflow/postgres are lost"]
        assert leftovers.repair(context.kube, context.settings, namespaces)
        container.wait()
        assert numbers(container) == ["1"], step
        assert leftovers.find(context.kube, context.settings, namespaces) == []
        assert leftovers.repair(context.kube, context.settings, namespaces) == []


@needs_postgres
def test_nothing_is_lost_that_has_no_backup(cluster: Cluster, context: Context) -> None:
    with pytest.raises(KubeError, match=r"base\.tar"):
        lose(context)
    assert numbers(cluster.container) == []
    leftovers.repair(context.kube, context.settings, ("airflow",))
    assert cluster.marks == {}


def test_what_a_server_says_of_itself_is_read_or_refused() -> None:
    line = "77|0000000B|0/60000A0|00000002.history|0|10|16777216|a sign|1 0/3000000 no reason; ;10 0/6000000 none;"
    found = State.of(line)
    assert (found.timeline, found.timeout_s, found.segment, found.sign) == (11, 10, 16 << 20, "a sign")
    assert found.left() == (10, "0/6000000")
    for bad in ("", "77|1|0/0", line.replace("16777216", "x")):
        with pytest.raises(KubeError, match="says nothing of its log"):
            State.of(bad)
    with pytest.raises(FaultError, match="it was not restored"):
        State.of(line.rpartition("|")[0] + "|").left()
