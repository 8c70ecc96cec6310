"""Finding and killing the processes of containers: the scripts are run on real processes of this machine.

Only their control groups are made up, in a small tree that stands for /proc, with the real `stat` of each process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FaultError
from harness.kube import nodes
from harness.kube.hands import Closed, Docker
from harness.kube.nodes import Process, parse_processes
from harness.process import run
from harness.wait import until

A, B = "a1" * 32, "b2" * 32
VERSION_1 = "12:pids:/docker/4f/kubelet/kubepods/pod1/{id}\n11:memory:/docker/4f/kubelet/kubepods/pod1/{id}\n"
VERSION_2 = "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-{id}.scope\n"


@contextmanager
def process(proc: Path, cgroup: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real process that waits, entered in the tree with this control group."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        entry = proc / str(child.pid)
        entry.mkdir()
        (entry / "cgroup").write_text(cgroup, encoding="utf-8")
        (entry / "stat").symlink_to(f"/proc/{child.pid}/stat")
        try:
            yield child
        finally:
            child.kill()


class Here(Docker):
    """This machine as the node, with the tree in the place of /proc."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc

    def run(self, node: str, script: str, *words: str) -> str:
        return run(["sh", "-c", script, "sh", str(self._proc), *words[1:]], timeout=20)


def started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])


def kill_script(proc: Path, *ids: str, signal: str = "KILL") -> dict[str, tuple[Process, ...]]:
    return parse_processes(run(["sh", "-c", nodes._SIGNAL, "sh", str(proc), signal, *ids], timeout=20))


def state_script(proc: Path, *some: Process) -> dict[str, tuple[Process, ...]]:
    words = [str(number) for p in some for number in (p.pid, p.started)]
    return parse_processes(run(["sh", "-c", nodes.STATES, "sh", str(proc), *words], timeout=20))


def alive_script(proc: Path, *some: Process) -> tuple[Process, ...]:
    return tuple(p for state, found in state_script(proc, *some).items() if state not in nodes.DEAD for p in found)


def stopped_script(proc: Path, signal: str, *ids: str) -> tuple[Process, ...]:
    words = [word for one in ids or nodes.IN_PODS for word in ("-e", one)]
    return parse_processes(run(["sh", "-c", nodes._STOPPED, "sh", str(proc), signal, *words], timeout=20)).get("T", ())


def entered(proc: Path, pid: int, cgroup: str) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cgroup").write_text(cgroup, encoding="utf-8")
    (proc / str(pid) / "stat").symlink_to(f"/proc/{pid}/stat")


def test_at_work_is_who_has_both_a_parent_and_a_child_in_the_container(
    tmp_path: Path,
) -> None:
    """A chain of three and a child without children: main → pool → task, main → idle."""
    pool_script = "sleep 60 & echo $!; echo $$; wait"
    script = f"sh -c '{pool_script}' & sleep 60 & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout
        pids = [int(main.stdout.readline()) for _ in range(3)]
        for pid in {main.pid, *pids}:
            entered(tmp_path, pid, VERSION_2.format(id=A))
        hands = Here(tmp_path)
        parents = {p: int(Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()[1]) for p in pids}
        (pool,) = {parent for parent in parents.values() if parent != main.pid}
        try:
            assert nodes.at_work(hands, "node", A) == (Process(pool, started(pool)),)
            assert nodes.at_work(hands, "node", B) == ()
            with pytest.raises(FaultError, match="no container id"):
                nodes.at_work(hands, "node", "; rm")
            (tmp_path / str(pool) / "cmdline").symlink_to(f"/proc/{pool}/cmdline")
            assert nodes.title(hands, "node", Process(pool, started(pool))).startswith("sh -c sleep 60")
            assert nodes.title(hands, "node", Process(2**30, 1)) == ""
            assert not nodes.kill_one(hands, "node", Process(pool, 1))
            assert nodes.kill_one(hands, "node", Process(pool, started(pool)))
            until(lambda: nodes.at_work(hands, "node", A), lambda some: not some, what="the pool's end", timeout=10)
        finally:
            for pid in (*pids, main.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("cgroup", [VERSION_1, VERSION_2], ids=["cgroup v1", "cgroup v2"])
def test_every_process_of_the_containers_is_killed_and_no_other(tmp_path: Path, cgroup: str) -> None:
    with (
        process(tmp_path, cgroup.format(id=A)) as first,
        process(tmp_path, cgroup.format(id=A)) as second,
        process(tmp_path, cgroup.format(id=B)) as other,
        process(tmp_path, cgroup.format(id="c3" * 32)) as bystander,
    ):
        of_a = {Process(p.pid, started(p.pid)) for p in (first, second)}
        of_b = {Process(other.pid, started(other.pid))}
        hit = kill_script(tmp_path, A, B)
        assert (set(hit[A]), set(hit[B])) == (of_a, of_b)
        assert [p.wait(10) for p in (first, second, other)] == [-9, -9, -9]
        assert bystander.poll() is None


def test_a_container_without_processes_is_not_in_the_answer(tmp_path: Path) -> None:
    assert kill_script(tmp_path, A) == {}


def test_a_dead_process_that_nobody_reaped_is_gone(tmp_path: Path) -> None:
    with process(tmp_path, VERSION_2.format(id=A)) as child:
        one = Process(child.pid, started(child.pid))
        assert alive_script(tmp_path, one) == (one,)
        child.send_signal(9)
        # Not waited for, so that the kernel keeps it as a zombie.
        until(lambda: alive_script(tmp_path, one), lambda seen: seen == (), what="the death", timeout=10, every=0.05)
        assert "Z" in Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        assert kill_script(tmp_path, A) == {}


def test_what_is_stopped_stays_and_is_resumed_by_whoever_comes_later(tmp_path: Path) -> None:
    with process(tmp_path, VERSION_2.format(id=A)) as child, process(tmp_path, "0::/system.slice/x.service") as other:
        one, of_the_node = (Process(c.pid, started(c.pid)) for c in (child, other))
        other.send_signal(signal.SIGSTOP)
        assert set(kill_script(tmp_path, A, signal="STOP")[A]) == {one}
        until(lambda: state_script(tmp_path, one), lambda seen: seen == {"T": (one,)}, what="its stop", timeout=10)
        assert alive_script(tmp_path, one) == (one,)
        assert stopped_script(tmp_path, "0") == (one,)
        assert stopped_script(tmp_path, "CONT") == (one,)
        assert state_script(tmp_path, one).keys() <= {"S", "R"}
        assert stopped_script(tmp_path, "0") == ()
        assert state_script(tmp_path, of_the_node) == {"T": (of_the_node,)}


def test_to_find_is_not_to_touch(tmp_path: Path) -> None:
    with process(tmp_path, VERSION_1.format(id=A)) as child:
        one = Process(child.pid, started(child.pid))
        assert set(kill_script(tmp_path, A, signal="0")[A]) == {one}
        assert child.poll() is None
        assert alive_script(tmp_path, one) == (one,)


def test_a_number_that_another_process_got_is_not_the_old_one(tmp_path: Path) -> None:
    with process(tmp_path, VERSION_2.format(id=A)) as child:
        one = Process(child.pid, started(child.pid))
        assert alive_script(tmp_path, Process(child.pid, one.started - 1), Process(2**22 + 1, 1), one) == (one,)


@pytest.mark.parametrize("name", ["a b) c (d", "*", "$(touch x)"])
def test_any_name_of_a_process_is_read_past(tmp_path: Path, name: str) -> None:
    entry = tmp_path / "77"
    entry.mkdir()
    fields = " ".join(str(n) for n in range(4, 22))
    (entry / "stat").write_text(f"77 ({name}) S {fields} 4242 23 24\n", encoding="utf-8")
    assert alive_script(tmp_path, Process(77, 4242)) == (Process(77, 4242),)


@pytest.mark.parametrize("bad", ["", "x", "A1" * 32, "a1" * 40, "a1b2; reboot", "-e"])
def test_what_is_no_container_id_reaches_no_node(bad: str) -> None:
    with pytest.raises(FaultError, match="no container id"):
        nodes.kill(Docker(), {"no-such-node": [bad]})


def test_a_node_that_cannot_be_entered_is_named() -> None:
    with pytest.raises(FaultError, match="no-such-node"):
        nodes.kill(Docker(), {"no-such-node": [A]})
    with pytest.raises(FaultError, match="no-such-node"):
        nodes.alive(Docker(), {"no-such-node": [Process(1, 1)]})


def test_what_others_have_stopped_elsewhere_is_not_ours_to_resume(tmp_path: Path) -> None:
    """In a cluster of others, only what runs in the deployment's own containers is."""
    with process(tmp_path, VERSION_1.format(id=A)) as ours, process(tmp_path, VERSION_1.format(id=B)) as theirs:
        one, other = (Process(c.pid, started(c.pid)) for c in (ours, theirs))
        for child in (ours, theirs):
            child.send_signal(signal.SIGSTOP)
        both = {"T": (one, other)}
        until(lambda: state_script(tmp_path, one, other), lambda seen: seen == both, what="their stop", timeout=10)
        hands = Here(tmp_path)
        assert nodes.stopped(hands, {"node": [A]}) == nodes.resume(hands, {"node": [A]}) == {"node": (one,)}
        assert nodes.stopped(hands, {"node": nodes.IN_PODS}) == {"node": (other,)}
        assert nodes.stopped(hands, {"node": []}) == {}
        with pytest.raises(FaultError, match="no container id"):
            nodes.resume(hands, {"node": ["kubepods"]})


def test_closed_nodes_are_not_entered() -> None:
    with pytest.raises(FaultError, match="the node worker is closed to us"):
        nodes.kill(Closed(), {"worker": [A]})
    assert Closed().among(["worker"]) == Closed().left() == []


def test_nothing_asked_needs_no_node() -> None:
    assert nodes.kill(Docker(), {}) == {}
    assert nodes.kill(Docker(), {"no-such-node": []}) == {}
    assert nodes.alive(Docker(), {}) == {}
    assert nodes.alive(Docker(), {"no-such-node": []}) == {"no-such-node": ()}


ids = st.text("0123456789abcdef", min_size=12, max_size=64)
processes = st.builds(Process, st.integers(1, 2**22), st.integers(0, 2**62))


@given(st.dictionaries(ids, st.lists(processes, min_size=1, unique=True), max_size=4), st.integers(1, 3))
def test_answers_are_read_back_each_process_once(found: dict[str, list[Process]], rounds: int) -> None:
    lines = [f"{container} {p.pid} {p.started}" for container, some in found.items() for p in some]
    answer = "".join(f"{line}\n" for line in lines * rounds)
    assert parse_processes(answer) == {container: tuple(some) for container, some in found.items()}


@given(st.text(min_size=1).filter(lambda t: any(len(line.split(" ")) != 3 for line in t.splitlines())))
def test_what_is_no_answer_is_refused(answer: str) -> None:
    with pytest.raises(FaultError, match="where a process was expected"):
        parse_processes(answer)
