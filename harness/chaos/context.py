"""What actions and probes need of the run that they are part of: Chaos Toolkit calls them with their arguments only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.errors import FaultError, FaultRefused, HarnessError
from harness.history import Fault, Recorder
from harness.kube import Kube, Pod
from harness.settings import Settings


@dataclass
class Context:
    """One open run. `expected` is how many pods of each component there were in `namespaces` before the first fault.

    `alone` are components whose pods nothing keeps but their node, with their namespace. `surge` asks for so many
    DAG runs at once, and waits so many seconds at most until they are over. `at_work` says which
    pods hold which tasks. `struck` is called each time that something was hit. `stop` ends the run, and says who stops
    it and why.
    """

    settings: Settings
    kube: Kube
    recorder: Recorder
    seed: int
    expected: dict[str, int]
    namespaces: tuple[str, ...]
    begun: dict[str, str] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    alone: dict[str, str] = field(default_factory=dict)
    surge: Callable[[int, float], None] | None = None
    at_work: Callable[[], Mapping[str, frozenset[str]]] = dict
    struck: Callable[[], None] = lambda: None
    stop: Callable[[str, str], None] = lambda who, because: None

    def permit(self, namespace: str) -> None:
        """Raises `FaultRefused` unless the server says, now, that a fault may be injected there."""
        try:
            self.kube.confirm(namespace)
        except HarnessError as cause:
            raise FaultRefused(f"nothing more was broken: {cause}") from cause

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
        """Take in what was hit and belongs to no Deployment: a node's own pod must be back, that of a task never is."""
        if pod.component in self.expected:
            return
        self.expected[pod.component] = 0 if pod.attempt else 1
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
