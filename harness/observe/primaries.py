"""Who is the primary of the database and of the broker, all the time: asked of each server, and of those who decide it.

Each answer is an op of the process `database` or `broker`, so that silence is never mistaken for an answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import HarnessError
from harness.history import NS, Op, Recorder
from harness.kube import Console, Kube, Pod
from harness.kube.console import Ended, Silent
from harness.observe.problems import Problems
from harness.observe.servers import DATABASE, KINDS, NONE, PATRONI, PRIMARY, REPLICA, SYSTEMS, Kind

EVERY_S = 1.0
ANSWERS_WITHIN_S = 3.0
PATIENCE_S = 15.0  # for an overdue answer; after that, a new session may get one where this one hangs
FRESH_NS = 4 * NS
STOP_WITHIN_S = 9.0  # to open a connection, and to wait for an answer
STANDBY = "standby"
NO_CONTAINER = "it has no container that runs"
REFUSALS = (
    NO_CONTAINER,
    "No such file or directory",
    "Connection refused",
    "not yet accepting connections",
    "is starting up",
    "is shutting down",
    "in recovery mode",
)


@dataclass(frozen=True)
class Heard:
    """Somebody's last answer: when it was asked for, and what it said."""

    asked: int
    value: Mapping[str, Any]


class Primaries:
    """Asks every server once a second, each in its own thread; without any, it does nothing."""

    def __init__(self, kube: Kube, recorder: Recorder, namespace: str) -> None:
        self._kube = kube
        self._recorder = recorder
        self._namespace = namespace
        self._stopping = threading.Event()
        self._heard: dict[tuple[str, str, str], Heard] = {}
        self._problems = Problems(recorder, "primaries")
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Raises the errors of `Kube` if the cluster is out of reach."""
        asked: list[tuple[str, Callable[[], None], Callable[[], None]]] = []
        for kind in KINDS:
            pods = self._kube.pods(self._namespace, f"component={kind.component}")
            servers = [_Server(self, kind, pod.name) for pod in pods]
            asked += [(one.name, one.ask, one.leave) for one in servers]
            if kind is DATABASE and servers:
                asked.append(("patroni's word", self._ask_patroni, lambda: None))
        self._threads = [
            threading.Thread(target=self._follow, args=how, name=name, daemon=True) for name, *how in asked
        ]
        for thread in self._threads:
            thread.start()
        if self._threads:
            self._problems.write("started", {})

    @property
    def watched(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._threads)

    def stop(self) -> None:
        """Does nothing before `start`; can be called twice."""
        self._stopping.set()
        deadline = time.monotonic() + STOP_WITHIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._threads:
            late = [thread.name for thread in self._threads if thread.is_alive()]
            self._problems.write("stopped", {"still_running": late})
        self._threads = []
        self._problems.close()

    def roles(self) -> dict[str, str]:
        """Pod → primary or standby, where the server and whoever decides agreed on it a moment ago."""
        since = self._recorder.now() - FRESH_NS
        fresh = [(key, heard) for key, heard in list(self._heard.items()) if heard.asked >= since]
        words: dict[str, set[Any]] = {}
        for (system, f, _), heard in fresh:
            if f == "leader" and heard.value["leader"]:
                words.setdefault(system, set()).add(heard.value["leader"])
        found = {}
        for (system, f, server), heard in fresh:
            if f == "role" and len(words.get(system, ())) == 1:
                called, itself = server in words[system], heard.value["role"]
                if (called, itself) in ((True, PRIMARY), (False, REPLICA)):
                    found[server] = PRIMARY if called else STANDBY
        return found

    def pod(self, name: str) -> Pod | None:
        """The pod of this name as it is now."""
        return next((pod for pod in self._kube.pods(self._namespace) if pod.name == name), None)

    def console(self, pod: Pod, kind: Kind) -> Console:
        return self._kube.console(pod, ("sh", "-c", kind.command))

    def now(self) -> int:
        return self._recorder.now()

    def record(self, kind: Literal["ok", "info"], system: str, f: str, who: str, asked: int, **said: object) -> None:
        """Record an answer of `who`, or why there was none."""
        value = {"server" if f == "role" else "by": who, "asked": asked, **said}
        self._recorder.write(Op(t=self._recorder.now(), process=system, f=f, type=kind, value=value))
        if kind == "ok":  # once it is in the history, where whoever acts on it finds it
            self._heard[system, f, who] = Heard(asked, said)

    def _follow(self, ask: Callable[[], None], leave: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            ask()
            self._stopping.wait(max(0.0, begun + EVERY_S - time.monotonic()))
        leave()

    def _ask_patroni(self) -> None:
        asked, system = self._recorder.now(), SYSTEMS[PATRONI]
        try:
            leader = self._kube.annotations(self._namespace, PATRONI).get("leader", "")
            self.record("ok", system, "leader", PATRONI, asked, leader=leader)
        except HarnessError as cause:
            self.record("info", system, "leader", PATRONI, asked, error=str(cause))


class _Server:
    """One pod, asked over one session after another."""

    def __init__(self, all_of_them: Primaries, kind: Kind, name: str) -> None:
        self._all = all_of_them
        self._kind = kind
        self.name = name
        self._console: Console | None = None
        self._uid = ""
        self._number = 0
        self._owed: tuple[str, float] | None = None  # what will end an overdue answer, and since when it is owed

    def ask(self) -> None:
        asked = self._all.now()
        try:
            if not self._settled():
                self._record("info", asked, error="it still owes an answer")
                return
            asked = self._all.now()
            self._record("ok", asked, **self._answer())
        except Silent as late:
            self._record("info", asked, error=str(late))
        except Ended as cause:
            self.leave()
            if self._kind.f == "role" and _refused(str(cause)):
                self._record("ok", asked, role=NONE, wrote=False, words=str(cause)[:200])
            else:
                self._record("info", asked, error=str(cause)[:200])
        except HarnessError as cause:
            self.leave()
            self._record("info", asked, error=str(cause)[:200])

    def _answer(self) -> dict[str, object]:
        if self._console is None:
            pod = self._all.pod(self.name)
            if pod is None or not pod.container_ids:
                raise Ended(NO_CONTAINER)
            self._uid, self._console = pod.uid, self._all.console(pod, self._kind)
        self._number += 1
        last = self._kind.last.replace("{number}", str(self._number))
        self._console.send(self._kind.question.replace("{number}", str(self._number)))
        try:
            return self._kind.read(self._console.until(last, ANSWERS_WITHIN_S))
        except Silent as late:
            if _refused(" ".join(late.said)):
                raise Ended(" ".join(late.said)) from late
            self._owed = last, time.monotonic()
            said = self._kind.read(late.said)
            if said.get("role") in (PRIMARY, REPLICA):  # but it does not say whether it kept anything
                return {**said, "wrote": False, "words": str(late)}
            raise

    def _settled(self) -> bool:
        """Whether no answer is owed any more: a late one, from a session that hung, says nothing about now."""
        if self._owed is None or self._console is None:
            return True
        last, since = self._owed
        try:
            self._console.until(last, EVERY_S)
        except Silent:
            if time.monotonic() - since < PATIENCE_S:
                return False
            self.leave()
        self._owed = None
        return True

    def leave(self) -> None:
        """End the session, if there is one."""
        if self._console:
            self._console.close()
        self._console, self._owed = None, None

    def _record(self, kind: Literal["ok", "info"], asked: int, **said: object) -> None:
        uid = {"uid": self._uid} if self._kind.f == "role" else {}
        self._all.record(kind, self._kind.system, self._kind.f, self.name, asked, **uid, **said)


def _refused(words: str) -> bool:
    """Whether it answered nobody, so that it cannot have kept anything."""
    return any(refusal in words for refusal in REFUSALS)
