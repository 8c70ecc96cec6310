"""Who uses the machine: how busy its processors are, how fast, and how much of their time goes to neither the stack nor
us.

A stack that is slow because something else ran on its machine must be told apart from a slow stack. The stack's own
processes run in the nodes' process namespaces; a host that cannot tell them apart (not Linux) records only how busy it
was.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from harness.history import Event, Recorder
from harness.observe.problems import Problems
from harness.pace import work_ms

EVERY_S = 2.0
ENGINE = ("docker", "containerd", "runc")  # prefixes of the names of what runs the nodes
KERNEL = 2  # the parent of all kernel threads, which work for whoever sends and writes


@dataclass(frozen=True)
class Reading:
    """Seconds of processor time since the machine began: in all, idle, and taken by the machine below this one."""

    total: float
    idle: float
    steal: float

    @classmethod
    def now(cls) -> Reading:
        times = psutil.cpu_times()._asdict()
        # User time includes that of guests.
        total = sum(value for name, value in times.items() if not name.startswith("guest"))
        return cls(total, times["idle"] + times.get("iowait", 0.0), times.get("steal", 0.0))


@dataclass(frozen=True)
class Used:
    """What one process has used so far, in seconds. Process ids are reused, so they go with the time of the start."""

    name: str
    seconds: float


Processes = dict[tuple[int, float], Used]


class Machine:
    """A thread that records, every two seconds, event `load` of the node `host`: in percent of all processors `busy`,
    `steal` and, where they can be told apart, `others`; `top`, the name of the one of these that used most; and
    `work_ms`, the milliseconds of processor time that a fixed piece of work took."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._problems = Problems(recorder, "machine")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="machine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does nothing before `start`; can be called twice."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        try:
            began, before, known = time.monotonic(), Reading.now(), others()
            while not self._stopping.wait(EVERY_S):
                then, after, now = time.monotonic(), Reading.now(), others()
                self._record(load(before, after) | shares(known, now, then - began) | {"work_ms": work_ms()})
                began, before, known = then, after, now
        except Exception as problem:  # the run goes on; the gap is recorded
            self._problems.report("load", f"{type(problem).__name__}: {problem}")

    def _record(self, value: dict[str, float | str]) -> None:
        self._recorder.write(Event(t=self._recorder.now(), source="node", object="host", what="load", value=value))


def load(before: Reading, after: Reading) -> dict[str, float | str]:
    """Shares of the time between two readings, in percent."""
    total = max(after.total - before.total, 1e-9)
    busy = 100 * (1 - (after.idle - before.idle) / total)
    return {"busy": round(busy, 1), "steal": round(100 * (after.steal - before.steal) / total, 1)}


def shares(before: Processes | None, after: Processes | None, seconds: float) -> dict[str, float | str]:
    """What others used in this time, and who used most; nothing if they cannot be told apart from the stack."""
    if before is None or after is None:
        return {}
    used = {key: now.seconds - before[key].seconds if key in before else now.seconds for key, now in after.items()}
    share = 100 * sum(used.values()) / (max(seconds, 1e-9) * (os.cpu_count() or 1))
    top = max(used, key=lambda key: used[key], default=None)
    return {"others": round(share, 1), "top": after[top].name if top else ""}


def others() -> Processes | None:
    """Processes that are neither in a node, nor the engine's, nor ours."""
    try:
        home = os.readlink("/proc/self/ns/pid")
    except OSError:
        return None
    found: Processes = {}
    parents: dict[int, int] = {}
    for process in psutil.process_iter(["ppid", "name", "cpu_times", "create_time"]):
        about = process.info
        parents[process.pid] = about["ppid"] or 0
        if (
            about["cpu_times"] is None
            or str(about["name"]).startswith(ENGINE)
            or KERNEL in (process.pid, about["ppid"])
        ):
            continue
        with suppress(OSError):
            if os.readlink(f"/proc/{process.pid}/ns/pid") == home:
                times = about["cpu_times"]
                found[process.pid, about["create_time"]] = Used(about["name"], times.user + times.system)
    return {key: used for key, used in found.items() if not _ours(key[0], parents)}


def _ours(pid: int, parents: dict[int, int]) -> bool:
    """Whether it is this process or descends from it."""
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = parents.get(pid, 0)
    return False
