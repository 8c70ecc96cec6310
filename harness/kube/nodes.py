"""Processes of containers, seen and signalled from their nodes, by `docker exec` into what kind calls nodes.

A container's processes are those whose control group names its id, on version 1 and 2 alike. A process is its number
and its start time together, since numbers are used again. Nodes are handled side by side, so that one SIGKILL reaches
all of them within the time that `docker exec` takes to start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import FaultError
from harness.process import run

EXEC_TIMEOUT_S = 15.0
_CONTAINER_ID = re.compile(r"[0-9a-f]{12,64}")
R = TypeVar("R")


@dataclass(frozen=True, order=True)
class Process:
    """One process of a node: `started` is in clock ticks since the machine began."""

    pid: int
    started: int


# Reads `stat` of one process into `state` and `started`. The name in it may hold blanks and brackets, so what counts
# begins after the last bracket; the start time is the 20th word from there.
_LOOK = r"""
look() {
    read -r line < "$proc/$1/stat" || return 1
    line=${line##*) }
    state=${line%% *}
    set -- $line
    parent=$2
    shift 19
    started=$1
} 2> /dev/null
proc=$1
shift
"""

# Three rounds, since a process may start another between the search and the signal. Dead ones that nobody has reaped
# yet are passed over, or every round would find them again.
_SIGNAL = (
    _LOOK
    + r"""
signal=$1
shift
for round in 1 2 3; do
    victims=
    for id in "$@"; do
        for file in $(grep -lsF -e "$id" "$proc"/[0-9]*/cgroup); do
            pid=${file#"$proc"/}
            pid=${pid%/cgroup}
            look "$pid" || continue
            case $state in Z|X) continue ;; esac
            victims="$victims $pid"
            echo "$id $pid $started"
        done
    done
    [ -n "$victims" ] || break
    kill -"$signal" $victims 2> /dev/null
done
:
"""
)

_TREE = (
    _LOOK
    + r"""
for file in $(grep -lsF -e "$1" "$proc"/[0-9]*/cgroup); do
    pid=${file#"$proc"/}
    pid=${pid%/cgroup}
    look "$pid" || continue
    case $state in Z|X) continue ;; esac
    echo "$parent $pid $started"
done
:
"""
)

_TITLE = 'tr "\\0" " " < "$1/$2/cmdline" 2> /dev/null || :'

_SIGNAL_ONE = (
    _LOOK
    + r"""
if look "$2" && [ "$started" = "$3" ] && kill -"$1" "$2" 2> /dev/null; then
    echo "$1 $2 $3"
fi
:
"""
)

_STATES = (
    _LOOK
    + r"""
while [ $# -ge 2 ]; do
    if look "$1" && [ "$started" = "$2" ]; then
        echo "$state $1 $2"
    fi
    shift 2
done
:
"""
)

# Only what runs in a pod: a process of the node itself that somebody stopped is not ours to resume.
_STOPPED = (
    _LOOK
    + r"""
signal=$1
for file in $(grep -lsF -e kubepods -e cri-containerd "$proc"/[0-9]*/cgroup); do
    pid=${file#"$proc"/}
    pid=${pid%/cgroup}
    look "$pid" || continue
    [ "$state" = T ] || continue
    kill -"$signal" "$pid" 2> /dev/null
    echo "T $pid $started"
done
:
"""
)
DEAD = frozenset("ZX")
STOPPED = "T"


def kill(containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """SIGKILL every process of these containers (node → ids), and return per id those that were hit; none is `()`.

    Raises `FaultError` where a node cannot be entered; then others may have been hit all the same.
    """
    return _signal("KILL", containers)


def stop(containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """SIGSTOP every process of these containers, as `kill` does."""
    return _signal("STOP", containers)


def find(containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """The processes of these containers, left alone."""
    return _signal("0", containers)


def at_work(node: str, container: str) -> tuple[Process, ...]:
    """Processes of a container that have both a parent and a living child in it: a pool's, while they run something."""
    children = parse_processes(_enter(node, _TREE, [_checked(container)]))
    inside = {process.pid for some in children.values() for process in some}
    of_inside = [p for parent, some in children.items() if int(parent) in inside for p in some]
    return tuple(sorted(p for p in of_inside if str(p.pid) in children))


def title(node: str, process: Process) -> str:
    """What a process says that it does, its command line; nothing where it is gone."""
    return _enter(node, _TITLE, [str(process.pid)])


def kill_one(node: str, process: Process) -> bool:
    """SIGKILL this very process; False where it was gone."""
    return bool(_enter(node, _SIGNAL_ONE, ["KILL", str(process.pid), str(process.started)]))


def stopped(names: Sequence[str]) -> dict[str, tuple[Process, ...]]:
    """Every stopped process in a pod of these nodes."""
    return _stopped("0", names)


def resume(names: Sequence[str]) -> dict[str, tuple[Process, ...]]:
    """SIGCONT every stopped process in a pod of these nodes, and return those per node."""
    return _stopped("CONT", names)


def _stopped(signal: str, names: Sequence[str]) -> dict[str, tuple[Process, ...]]:
    answers = _side_by_side(dict.fromkeys(names), lambda node: _enter(node, _STOPPED, [signal]))
    return {node: parse_processes(answer).get(STOPPED, ()) for node, answer in answers.items()}


def alive(processes: Mapping[str, Sequence[Process]]) -> dict[str, tuple[Process, ...]]:
    """Those of the processes (node → processes) that still run. Raises `FaultError` where a node cannot be entered."""
    found = states(processes)
    return {node: tuple(p for p, state in of_node.items() if state not in DEAD) for node, of_node in found.items()}


def states(processes: Mapping[str, Sequence[Process]]) -> dict[str, dict[Process, str]]:
    """The state of each process that is there, as the kernel's one letter: R, S, D, T, Z, X."""
    asked = {
        node: [str(number) for process in some for number in (process.pid, process.started)]
        for node, some in processes.items()
    }
    answers = _side_by_side(asked, lambda node: _enter(node, _STATES, asked[node]) if asked[node] else "")
    return {
        node: {process: state for state, some in parse_processes(answer).items() for process in some}
        for node, answer in answers.items()
    }


def _signal(signal: str, containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    wanted = {node: list(ids) for node, ids in containers.items() if ids}
    for container in (one for ids in wanted.values() for one in ids):
        _checked(container)
    answers = _side_by_side(wanted, lambda node: _enter(node, _SIGNAL, [signal, *wanted[node]]))
    hit: dict[str, tuple[Process, ...]] = {container: () for ids in wanted.values() for container in ids}
    for answer in answers.values():
        hit.update(parse_processes(answer))
    return hit


def _checked(container: str) -> str:
    if not _CONTAINER_ID.fullmatch(container):
        raise FaultError(f"{container!r} is no container id, so nothing was done; read the pods again")
    return container


def parse_processes(answer: str) -> dict[str, tuple[Process, ...]]:
    """`<container id or state> <pid> <start time>` lines, each process once.

    Raises `FaultError` where a line is another.
    """
    found: dict[str, dict[Process, None]] = {}
    for line in answer.splitlines():
        try:
            container, pid, started = line.split(" ")
            found.setdefault(container, {})[Process(int(pid), int(started))] = None
        except ValueError as cause:
            raise FaultError(
                f"a node answered {line!r} where a process was expected; see `docker logs` of it"
            ) from cause
    return {container: tuple(processes) for container, processes in found.items()}


def _enter(node: str, script: str, arguments: Sequence[str]) -> str:
    return run(["docker", "exec", node, "sh", "-c", script, "sh", "/proc", *arguments], timeout=EXEC_TIMEOUT_S)


def _side_by_side(nodes: Mapping[str, object], do: Callable[[str], R]) -> dict[str, R]:
    if not nodes:
        return {}
    with ThreadPoolExecutor(len(nodes)) as pool:
        running = {node: pool.submit(do, node) for node in nodes}
    problems = {node: error for node, future in running.items() if (error := future.exception())}
    if problems:
        said = "; ".join(f"{node}: {error}" for node, error in problems.items())
        raise FaultError(f"nodes could not be entered ({said}); see `docker ps`, then run `harness heal`")
    return {node: future.result() for node, future in running.items()}
