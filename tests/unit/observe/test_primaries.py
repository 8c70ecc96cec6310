"""Asking servers what they are, over real pipes to real shells that answer as a server would."""

from __future__ import annotations

import os
import select
import subprocess
import time
from functools import partial
from operator import eq
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.history import History, Op, Recorder
from harness.kube import KubeError
from harness.kube.console import Ended, Silent
from harness.observe import primaries
from harness.observe.primaries import Primaries
from harness.observe.servers import BROKER, DATABASE, SENTINEL
from harness.wait import until

REPLICA = r"while read -r line; do case $line in \\echo*end*) echo replica; echo ${line#* };; esac; done"
PRIMARY = (
    r"while read -r line; do case $line in \\echo*end*) echo primary; echo 'wrote|0001'; echo ${line#* };; esac; done"
)
SLOW = r"while read -r line; do case $line in \\echo*end*) echo primary; sleep 9;; esac; done"
GONE = "echo 'FATAL: the database system is starting up'"


class Shell:
    """A console on a shell beside us."""

    def __init__(self, script: str) -> None:
        self._run = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._read = b""

    def send(self, text: str) -> None:
        assert self._run.stdin
        try:
            self._run.stdin.write(f"{text}\n".encode())
            self._run.stdin.flush()
        except BrokenPipeError as cause:
            raise Ended("it is over") from cause

    def until(self, last: str, within_s: float) -> list[str]:
        assert self._run.stdout
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            lines = self._read.decode().split("\n")
            if last in lines:
                self._read = "\n".join(lines[lines.index(last) + 1 :]).encode()
                return lines[: lines.index(last)]
            if select.select([self._run.stdout], [], [], left)[0]:
                if not (more := os.read(self._run.stdout.fileno(), 4096)):
                    raise Ended(self._read.decode().strip())
                self._read += more
        raise Silent("no answer", self._read.decode().split())

    def close(self) -> None:
        self._run.kill()
        self._run.communicate()


class Cluster:
    """Pods of one component, each with the script that answers for it, and whom Patroni calls the leader."""

    def __init__(self, scripts: dict[str, str], leader: str = "patroni-0") -> None:
        self.scripts = scripts
        self.leader: str | None = leader

    def pods(self, namespace: str, selector: str = "") -> list[Any]:
        assert namespace == "airflow"
        names = self.scripts if selector in ("", "component=patroni") else ()
        return [SimpleNamespace(name=n, uid=f"uid-{n}", container_ids=("c",) if self.scripts[n] else ()) for n in names]

    def console(self, pod: Any, command: tuple[str, ...]) -> Shell:
        assert command[:2] == ("sh", "-c")
        return Shell(self.scripts[pod.name])

    def annotations(self, namespace: str, endpoints: str) -> dict[str, str]:
        if self.leader is None:
            raise KubeError("it does not answer")
        return {"leader": self.leader}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primaries, "EVERY_S", 0.05)
    monkeypatch.setattr(primaries, "ANSWERS_WITHIN_S", 0.5)


def watch(tmp_path: Path, cluster: Cluster, enough: int, *roles: dict[str, str]) -> list[Op]:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    one = Primaries(cluster, recorder, "airflow")  # type: ignore[arg-type]
    one.start()
    try:
        until(
            lambda: History.read(recorder.path).ops, lambda ops: len(ops) >= enough, what="ops", timeout=10, every=0.1
        )
        for expected in roles:
            until(one.roles, partial(eq, expected), what="roles", timeout=5, every=0.05)
    finally:
        one.stop()
        recorder.close()
    return list(History.read(recorder.path).ops)


@pytest.mark.usefixtures("quick")
def test_each_server_is_asked_and_who_decides(tmp_path: Path) -> None:
    agreed = {"patroni-0": "primary", "patroni-1": "standby"}
    ops = watch(tmp_path, Cluster({"patroni-0": PRIMARY, "patroni-1": REPLICA}), 9, agreed)
    said = {
        (op.f, op.value.get("server"), op.value.get("role"), op.value.get("wrote")) for op in ops if op.type == "ok"
    }
    assert {("role", "patroni-0", "primary", True), ("role", "patroni-1", "replica", False)} <= said
    first = next(op for op in ops if op.value.get("server") == "patroni-0")
    assert first.value["uid"] == "uid-patroni-0"
    assert first.value["timeline"] == "0001"
    assert 0 <= first.value["asked"] <= first.t
    assert {op.value["leader"] for op in ops if op.f == "leader"} == {"patroni-0"}


@pytest.mark.usefixtures("quick")
def test_who_is_called_the_primary_and_is_none_is_not_picked(tmp_path: Path) -> None:
    watch(tmp_path, Cluster({"patroni-0": REPLICA, "patroni-1": PRIMARY}), 6, {})


@pytest.mark.usefixtures("quick")
def test_a_server_that_keeps_nothing_in_time_says_what_it_is(tmp_path: Path) -> None:
    ops = watch(tmp_path, Cluster({"patroni-0": SLOW}), 25)
    mine = [op for op in ops if op.f == "role"]
    assert (mine[0].type, mine[0].value["role"], mine[0].value["wrote"]) == ("ok", "primary", False)
    assert mine[1].type == "info"  # while it owes an answer, nothing is asked


@pytest.mark.usefixtures("quick")
def test_what_is_up_for_nobody_is_none(tmp_path: Path) -> None:
    ops = watch(tmp_path, Cluster({"patroni-0": GONE, "patroni-1": ""}), 6)
    roles = {(op.value["server"], op.value.get("role")) for op in ops if op.f == "role" and op.type == "ok"}
    assert roles == {("patroni-0", "none"), ("patroni-1", "none")}


@pytest.mark.usefixtures("quick")
def test_an_end_without_a_word_is_no_answer(tmp_path: Path) -> None:
    cluster = Cluster({"patroni-0": "exit 1"})
    cluster.leader = None
    assert {op.type for op in watch(tmp_path, cluster, 6)} == {"info"}


def test_where_nobody_is_there_nothing_is_recorded(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    one = Primaries(Cluster({}), recorder, "airflow")  # type: ignore[arg-type]
    one.start()
    assert not one.watched
    one.stop()
    recorder.close()
    assert History.read(recorder.path).events == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["primary", "wrote|00000002"], {"role": "primary", "wrote": True, "timeline": "00000002"}),
        (["primary", "WARNING: canceling the wait", "wrote|00000002"], {"role": "primary", "wrote": False}),
        (["replica"], {"role": "replica", "wrote": False}),
        (["FATAL: no"], {"role": "none", "wrote": False}),
        ([], {"role": "none", "wrote": False}),
    ],
)
def test_what_the_database_says(lines: list[str], said: dict[str, object]) -> None:
    assert {k: v for k, v in DATABASE.read(lines).items() if k != "words"} == said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["master", "7", "OK"], {"role": "primary", "wrote": True}),
        (["master", "7", "NOREPLICAS Not enough good replicas to write."], {"role": "primary", "wrote": False}),
        (["slave", "h", "6379", "connected", "7", "READONLY You can't"], {"role": "replica", "wrote": False}),
        (["LOADING Redis is loading"], {"role": "none", "wrote": False}),
    ],
)
def test_what_the_broker_says(lines: list[str], said: dict[str, object]) -> None:
    assert {k: v for k, v in BROKER.read(lines).items() if k != "words"} == said


def test_a_sentinel_names_a_pod() -> None:
    assert SENTINEL.read(["broker-2.broker", "6379"]) == {"leader": "broker-2"}
    assert SENTINEL.read([]) == {"leader": ""}
