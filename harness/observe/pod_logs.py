"""Which pods' own logs mention this run. Those of a Ready replica that does nothing never do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.history import Event, Recorder
from harness.kube import Kube, Pod
from harness.observe.problems import Problems

EVERY_S = 3.0
LINES = 1000  # of each log, each time; no experiment's load writes more in 3 s
SPEAKING = frozenset({"api-server", "ingress", "scheduler", "triggerer"})
PART = "logs of"


class PodLogs:
    """Reads the logs every 3 s, and records for each pod how many new lines contain the run's id.

    Requests carry it in their query, so api-servers and ingress controllers log it with each; schedulers and
    triggerers log the ids of the runs that they work on.
    """

    def __init__(self, kube: Kube, recorder: Recorder, namespaces: Sequence[str], run_id: str) -> None:
        self._kube = kube
        self._recorder = recorder
        self._namespaces = tuple(namespaces)
        self._run_id = run_id
        self._read_to: dict[str, str] = {}
        self._problems = Problems(recorder, "log reader")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="pod logs", daemon=True)

    def start(self) -> None:
        self._problems.write("started", {})
        self._thread.start()

    def stop(self) -> None:
        """Look once more, and end; does nothing before `start`."""
        if self._thread.ident is None:
            return
        self._stopping.set()
        self._thread.join()
        self._problems.write("stopped", {})
        self._problems.close()

    def _poll(self) -> None:
        while True:
            last, begun = self._stopping.is_set(), time.monotonic()
            for namespace in self._namespaces:
                self._look(namespace)
            if last:
                return
            self._stopping.wait(max(0.0, begun + EVERY_S - time.monotonic()))

    def _look(self, namespace: str) -> None:
        """A pod that cannot be read does not keep the others from being read."""
        errors: list[str] = []
        with _told(errors):
            for pod in self._kube.pods(namespace):
                if pod.component in SPEAKING and pod.ready:
                    with _told(errors):
                        self._read(pod)
        self._problems.report(f"{PART} {namespace}", errors[0] if errors else None)

    def _read(self, pod: Pod) -> None:
        before = self._read_to.get(pod.uid, "")
        lines = [(time_, text) for time_, _, text in (line.partition(" ") for line in self._kube.log(pod, LINES))]
        self._read_to[pod.uid] = max((time_ for time_, _ in lines), default=before)
        count = sum(self._run_id in text for time_, text in lines if time_ > before)
        if count:
            value = {"component": pod.component, "lines": count}
            event = Event(
                t=self._recorder.now(), source="endpoint", object=pod.key, uid=pod.uid, what="worked", value=value
            )
            self._recorder.write(event)


@contextmanager
def _told(errors: list[str]) -> Iterator[None]:
    """An observer records what it could not see, and goes on."""
    try:
        yield
    except Exception as problem:
        errors.append(f"{type(problem).__name__}: {problem}")
