"""Processes of containers, seen and signalled from their nodes, by whichever hands there are on these.

A container's processes are those whose control group names its id, on version 1 and 2 alike. A process is its number
and its start time together, since numbers are reused. Nodes are handled in parallel, so that one SIGKILL reaches
all of them within the time that it takes to enter one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import FaultError
from harness.kube.hands import Hands

PROC = "/proc"
_CONTAINER_ID = re.compile(r"[0-9a-f]{12,64}")
R = TypeVar("R")


@dataclass(frozen=True, order=True)
class Process:
    """One process of a node: `started` is in clock ticks since the machine began."""

    pid: int
    started: int


# Reads `stat` of one process into `state` and `started`. The name in it may hold blanks and brackets, so what counts
# begins after the last bracket; the start time is the 20th word from there.
LOOK = r"""
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
    LOOK
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
    LOOK
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
    LOOK
    + r"""
if look "$2" && [ "$started" = "$3" ] && kill -"$1" "$2" 2> /dev/null; then
    echo "$1 $2 $3"
fi
:
"""
)

STATES = (
    LOOK
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

_STOPPED = (
    LOOK
    + r"""
signal=$1
shift
for file in $(grep -lsF "$@" "$proc"/[0-9]*/cgroup); do
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
# In the control group of whatever runs in a pod: a process of the node itself that somebody stopped is not ours to
# resume.
IN_PODS = ("kubepods", "cri-containerd")


def kill(hands: Hands, containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """SIGKILL every process of these containers (node → ids), and return those hit, by id; `()` if there were none.

    Raises `FaultError` if a node cannot be entered; then others may have been hit all the same.
    """
    return _signal(hands, "KILL", containers)


def stop(hands: Hands, containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """SIGSTOP every process of these containers, as `kill` does."""
    return _signal(hands, "STOP", containers)


def find(hands: Hands, containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """The processes of these containers, untouched."""
    return _signal(hands, "0", containers)


def at_work(hands: Hands, node: str, container: str) -> tuple[Process, ...]:
    """Processes of a container that have both a parent and a living child in it: a pool's, while they run something."""
    children = parse_processes(hands.run(node, _TREE, PROC, _checked(container)))
    inside = {process.pid for some in children.values() for process in some}
    of_inside = [p for parent, some in children.items() if int(parent) in inside for p in some]
    return tuple(sorted(p for p in of_inside if str(p.pid) in children))


def title(hands: Hands, node: str, process: Process) -> str:
    """A process's own description, its command line; nothing if it is gone."""
    return hands.run(node, _TITLE, PROC, str(process.pid))


def kill_one(hands: Hands, node: str, process: Process) -> bool:
    """SIGKILL this very process; False if it was gone."""
    return bool(hands.run(node, _SIGNAL_ONE, PROC, "KILL", str(process.pid), str(process.started)))


def stopped(hands: Hands, where: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """Every stopped process of these containers (node → ids, or `IN_PODS` for all that are in pods)."""
    return _stopped(hands, "0", where)


def resume(hands: Hands, where: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """SIGCONT every stopped process of these containers, and return those per node."""
    return _stopped(hands, "CONT", where)


def _stopped(hands: Hands, signal: str, where: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    wanted = {
        node: [word for one in some for word in ("-e", one if some is IN_PODS else _checked(one))]
        for node, some in where.items()
        if some
    }
    answers = _side_by_side(wanted, lambda node: hands.run(node, _STOPPED, PROC, signal, *wanted[node]))
    return {node: parse_processes(answer).get(STOPPED, ()) for node, answer in answers.items()}


def alive(hands: Hands, processes: Mapping[str, Sequence[Process]]) -> dict[str, tuple[Process, ...]]:
    """Those of the processes (node → processes) that still run. Raises `FaultError` if a node cannot be entered."""
    found = states(hands, processes)
    return {node: tuple(p for p, state in of_node.items() if state not in DEAD) for node, of_node in found.items()}


def states(hands: Hands, processes: Mapping[str, Sequence[Process]]) -> dict[str, dict[Process, str]]:
    """The state of each process that is there, as the kernel's one letter: R, S, D, T, Z, X."""
    asked = {
        node: [str(number) for process in some for number in (process.pid, process.started)]
        for node, some in processes.items()
    }
    answers = _side_by_side(asked, lambda node: hands.run(node, STATES, PROC, *asked[node]) if asked[node] else "")
    return {
        node: {process: state for state, some in parse_processes(answer).items() for process in some}
        for node, answer in answers.items()
    }


def _signal(hands: Hands, signal: str, containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    wanted = {node: list(ids) for node, ids in containers.items() if ids}
    for container in (one for ids in wanted.values() for one in ids):
        _checked(container)
    answers = _side_by_side(wanted, lambda node: hands.run(node, _SIGNAL, PROC, signal, *wanted[node]))
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

    Raises `FaultError` if a line is another.
    """
    found: dict[str, dict[Process, None]] = {}
    for line in answer.splitlines():
        try:
            container, pid, started = line.split(" ")
            found.setdefault(container, {})[Process(int(pid), int(started))] = None
        except ValueError as cause:
            raise FaultError(f"a node answered {line!r} where a process was expected; run harness heal") from cause
    return {container: tuple(processes) for container, processes in found.items()}


def _side_by_side(nodes: Mapping[str, object], do: Callable[[str], R]) -> dict[str, R]:
    if not nodes:
        return {}
    with ThreadPoolExecutor(len(nodes)) as pool:
        running = {node: pool.submit(do, node) for node in nodes}
    problems = {node: error for node, future in running.items() if (error := future.exception())}
    if problems:
        said = "; ".join(f"{node}: {error}" for node, error in problems.items())
        raise FaultError(f"nodes could not be entered ({said}); run `harness heal` once they can be")
    return {node: future.result() for node, future in running.items()}
