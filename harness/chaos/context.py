"""What actions and probes need of the run that they are part of: Chaos Toolkit calls them with their arguments only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from chaoslib.exceptions import ActivityFailed

from harness.chaos.blast import Blow, Reach, beyond
from harness.chaos.footing import underfoot
from harness.errors import FaultError, FaultRefused, HarnessError
from harness.history import Fault, Recorder
from harness.kube import Kube, Pod
from harness.safety import NOTHING, Blast
from harness.settings import Settings

T = TypeVar("T")


@dataclass
class Context:
    """One open run. `expected` is how many pods of each component there were in `namespaces` before the first fault.

    Its faults may reach as far as `blast`, and have reached `reach`.
    `beside` is how many there were Ready of components that are none of the stack's own, before the first was hit;
    `alone` are those of them that were hit, with their namespace. `surge` asks for so many
    DAG runs at once, and waits so many seconds at most until they are over. `at_work` says which
    pods hold which tasks, and `roles` which are primary or standby, where that is agreed; `picked` are the uids of
    those that were picked as one, and as what. `struck` is called each time that something was hit. `stop` ends the
    run, and says who stops it and why. `again` is what has to be as before once all is undone: each says in words what
    is not.
    """

    settings: Settings
    kube: Kube
    recorder: Recorder
    seed: int
    expected: dict[str, int]
    namespaces: tuple[str, ...]
    blast: Blast = NOTHING
    reach: Reach = field(default_factory=Reach)
    begun: dict[str, str] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    beside: dict[str, int] = field(default_factory=dict)
    alone: dict[str, str] = field(default_factory=dict)
    surge: Callable[[int, float], None] | None = None
    at_work: Callable[[], Mapping[str, frozenset[str]]] = dict
    roles: Callable[[], Mapping[str, str]] = dict
    picked: dict[str, str] = field(default_factory=dict)
    struck: Callable[[], None] = lambda: None
    stop: Callable[[str, str], None] = lambda who, because: None
    again: list[Callable[[], list[str]]] = field(default_factory=list)

    def permit(self, namespace: str, blow: Blow) -> None:
        """Raises `FaultRefused` unless the server says, now, that faults are allowed there, it hits nothing that we
        stand on, and it reaches no further than the experiment declares."""
        if why := underfoot(self.settings, namespace, blow):
            raise FaultRefused(f"nothing more was broken: {why}")
        try:
            self.kube.confirm(namespace)
            there = [pod for name in {pod.namespace for pod in blow.pods} for pod in self.kube.pods(name)]
        except HarnessError as cause:
            raise FaultRefused(f"nothing more was broken: {cause}") from cause
        elapsed_s = 0.0 if self.reach.since is None else time.monotonic() - self.reach.since
        if more := beyond(self.blast, self.reach, blow, there, elapsed_s):
            raise FaultRefused(f"nothing more was broken: it would be {more} (`blast` of the experiment)")
        for component in {pod.component for pod in blow.pods} - self.expected.keys():
            self.beside.setdefault(component, sum(pod.ready for pod in there if pod.component == component))
        self.reach.nodes |= set(blow.nodes)
        if self.reach.since is None:
            self.reach.since = time.monotonic()

    def record(self, fault: str, action: str, phase: str, **fields: object) -> None:
        """Write one step of a fault's life."""
        record = {"t": self.recorder.now(), "id": fault, "action": action, "phase": phase, **fields}
        self.recorder.write(Fault.model_validate(record))

    def begin(self, action: str, target: dict[str, object], evidence: Mapping[str, object] | None = None) -> str:
        """Open a fault and return its id; from here on it has to be undone."""
        fault = f"{action}-{len(self.begun) + 1}"
        self.begun[fault] = action
        self.record(fault, action, "begin", target=target, evidence=dict(evidence or {}))
        return fault

    def expect(self, pod: Pod) -> None:
        """Take in what was hit and belongs to no Deployment of the stack: as many must be back as there were; the pod
        of a task never is."""
        if pod.component in self.expected:
            return
        self.expected[pod.component] = 0 if pod.attempt else self.beside.get(pod.component, 1)
        if not pod.attempt:
            self.alone[pod.component] = pod.namespace


_open: list[Context] = []


def bind(context: Context) -> Callable[[], None]:
    """Make `context` the open run, and return what ends that."""
    if _open:
        raise FaultError("a run is open already; one experiment runs at a time")
    _open.append(context)
    return _open.clear


def current() -> Context:
    """The open run. Raises `FaultError` where an action is called outside one: it would leave no evidence."""
    if not _open:
        raise FaultError("no run is open: the experiment needs the control harness.control, or nothing is recorded")
    return _open[-1]


def act(namespace: str, do: Callable[[Context, str], T]) -> T:
    """What an action does, in the open run, in its own words for Chaos Toolkit; a refusal ends the run."""
    context = current()
    try:
        return do(context, namespace or context.settings.namespace)
    except FaultRefused as cause:
        context.stop("guard", str(cause))
        raise ActivityFailed(str(cause)) from cause
    except HarnessError as cause:
        raise ActivityFailed(str(cause)) from cause
