"""Processes of containers, seen and killed from their nodes: `docker exec` into the containers that kind calls nodes.

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
    shift 19
    started=$1
} 2> /dev/null
proc=$1
shift
"""

# Three rounds, since a process may start another between the search and the signal. Dead ones that nobody has reaped
# yet are passed over, or every round would find them again.
_KILL = (
    _LOOK
    + r"""
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
    kill -KILL $victims 2> /dev/null
done
:
"""
)

_ALIVE = (
    _LOOK
    + r"""
while [ $# -ge 2 ]; do
    if look "$1" && [ "$started" = "$2" ]; then
        case $state in Z|X) ;; *) echo "- $1 $2" ;; esac
    fi
    shift 2
done
:
"""
)


def kill(containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[Process, ...]]:
    """SIGKILL every process of these containers (node → ids), and return per id those that were hit; none is `()`.

    Raises `FaultError` where a node cannot be entered; then others may have been hit all the same.
    """
    wanted = {node: list(ids) for node, ids in containers.items() if ids}
    for container in (one for ids in wanted.values() for one in ids):
        if not _CONTAINER_ID.fullmatch(container):
            raise FaultError(f"{container!r} is no container id, so nothing was killed; read the pods again")
    answers = _side_by_side(wanted, lambda node: _enter(node, _KILL, wanted[node]))
    hit: dict[str, tuple[Process, ...]] = {container: () for ids in wanted.values() for container in ids}
    for answer in answers.values():
        hit.update(parse_processes(answer))
    return hit


def alive(processes: Mapping[str, Sequence[Process]]) -> dict[str, tuple[Process, ...]]:
    """Those of the processes (node → processes) that still run. Raises `FaultError` where a node cannot be entered."""
    asked = {
        node: [str(number) for process in some for number in (process.pid, process.started)]
        for node, some in processes.items()
    }
    answers = _side_by_side(asked, lambda node: _enter(node, _ALIVE, asked[node]) if asked[node] else "")
    return {node: parse_processes(answer).get("-", ()) for node, answer in answers.items()}


def parse_processes(answer: str) -> dict[str, tuple[Process, ...]]:
    """`<container id> <pid> <start time>` lines, each process once. Raises `FaultError` where a line is another."""
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
