"""The vantage points of a run: pods of one Indexed Job, spread over nodes, each with its part of the history.

They are created before the baseline, and their clocks are read all the time; in the end their parts are fetched and
written into the one history, by our clock. Kubernetes ends them by itself (`activeDeadlineSeconds`,
`ttlSecondsAfterFinished`), and the Secret that says what to request goes with their Job: a harness that is killed
leaves nothing behind for long.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag
from threading import Thread
from typing import Any, TypeVar

from harness.errors import HarnessError
from harness.history import Event, History, Recorder
from harness.kube import Console, Kube, KubeError
from harness.kube.hardened import container, pod
from harness.observe import clocks
from harness.observe.clocks import Clock, Reading
from harness.observe.point import CLOCK, END, PART, SAID, STOP
from harness.observe.prober import Config
from harness.records import Sample
from harness.samples import Column
from harness.wait import until

JOB = "airflow-chaos-vantage"
ROLE = {"airflow-chaos/role": "vantage"}
INDEX = "batch.kubernetes.io/job-completion-index"
OWNER = "batch.kubernetes.io/controller-uid"
CONFIG, OUT = "/etc/airflow-chaos/config.json", "/out"
PROBER = "prober"
STANDS_WITHIN_S, TOLD_WITHIN_S, FETCHED_WITHIN_S = 300.0, 60.0, 600.0
LINGERS_S = 900  # after the longest sampling, until the part is fetched
READS_EVERY_S = 5.0
ANSWERS_WITHIN_S = 2.0
AT_ONCE = 16  # that are talked to at once, each over a connection of its own
BATCH = 1000
Json = dict[str, Any]
R = TypeVar("R")


@dataclass
class Point:
    """One vantage point: its name, its pod, the pod's node, and every reading of its clock."""

    name: str
    pod: str
    node: str
    readings: list[Reading] = field(default_factory=list)
    console: Console | None = None


class Points:
    """All vantage points of a run. Started before the load, stopped after it."""

    def __init__(self, kube: Kube, recorder: Recorder, namespace: str, image: str, count: int, config: Config) -> None:
        self._kube = kube
        self._recorder = recorder
        self._namespace = namespace
        self._image = image
        self._count = count
        self._config = config
        self._points: list[Point] = []
        self._made = False
        self._uid = ""
        self._over = Flag()
        self._reader = Thread(target=self._read_clocks, name="clocks", daemon=True)

    def start(self) -> None:
        """Raises `HarnessError` if not all are up in time, or one does not tell its time."""
        self._made = True
        manifests = self._kube.manifests
        if manifests.delete("Job", self._namespace, JOB):  # a harness was killed, and its points are still there
            until(
                lambda: manifests.read("Job", self._namespace, JOB),
                lambda left: left is None,
                what="their end",
                timeout=60,
            )
        manifests.apply(job(self._namespace, self._image, self._count, self._config.most_s))
        self._uid = str((manifests.read("Job", self._namespace, JOB) or {})["metadata"]["uid"])
        manifests.apply(secret(self._namespace, self._config, self._uid))
        self._points = until(
            self._there,
            lambda all_: len(all_) == self._count,
            what="every vantage point",
            timeout=STANDS_WITHIN_S,
            every=1,
        )
        self._each(self._read)
        for point in self._points:
            self._note("started", {"vantage": point.name, "node": point.node})
        self._reader.start()

    def _there(self) -> list[Point]:
        """Those that run, in order."""
        found = {}
        for one in self._kube.manifests.listed("Pod", self._namespace, f"{OWNER}={self._uid}"):
            if one["status"].get("phase") == "Running":
                index = int(one["metadata"]["labels"][INDEX])
                found[index] = Point(f"point-{index}", one["metadata"]["name"], one["spec"]["nodeName"])
        return [found[index] for index in sorted(found)]

    def _read_clocks(self) -> None:
        while not self._over.wait(READS_EVERY_S):
            self._each(self._read_if_it_answers)

    def _read_if_it_answers(self, point: Point) -> None:
        """A fault may have cut it off: the next reading, or the previous one, must do."""
        try:
            self._read(point)
        except HarnessError:
            self._hang_up(point)

    def _read(self, point: Point) -> None:
        if point.console is None:
            point.console = self._kube.own_console(self._namespace, point.pod, ("python", "-u", "-c", CLOCK))
        ask = _asking(point.console)
        ask()  # the first answer waits until the command has begun
        point.readings.append(clocks.read(ask, time.monotonic_ns))

    @staticmethod
    def _hang_up(point: Point) -> None:
        if point.console:
            point.console.close()
        point.console = None

    def stop(self) -> None:
        """End sampling, fetch every part and write it into the history; a part that cannot be had is recorded as
        missing. The points are removed whatever happens; a second call does nothing."""
        if not self._made:
            return
        self._made = False
        self._over.set()
        if self._reader.is_alive():
            self._reader.join(READS_EVERY_S + TOLD_WITHIN_S)
        try:
            self._each(self._read_if_it_answers)
            for point, part in zip(self._points, self._each(self._part), strict=True):
                self._take_in(point, part)
        finally:
            self._each(self._hang_up)
            self._kube.manifests.delete("Job", self._namespace, JOB)

    def _part(self, point: Point) -> bytes | str:
        """What it recorded, or why that cannot be had."""
        try:
            self._told(point, ("touch", f"{OUT}/{STOP}"))
            said = until(
                lambda: self._told(point, ("sh", "-c", f"cat {OUT}/{SAID} || :")),
                bool,
                what=f"the end of {point.name}",
                timeout=TOLD_WITHIN_S,
                every=1,
            )
            if error := json.loads(said).get("error"):
                return str(error)
            return self._told(point, ("gzip", "--stdout", f"{OUT}/{PART}"), FETCHED_WITHIN_S)
        except (HarnessError, ValueError) as cause:
            return str(cause)

    def _told(self, point: Point, command: Sequence[str], within_s: float = TOLD_WITHIN_S) -> bytes:
        into = BytesIO()
        self._kube.fetch(self._namespace, point.pod, command, into, within_s)
        return into.getvalue()

    def _take_in(self, point: Point, part: bytes | str) -> None:
        try:
            if isinstance(part, str) or not point.readings:
                raise HarnessError(str(part) if isinstance(part, str) else "its clock could not be read")
            clock = Clock(point.readings)
            written, due = merge(part, clock, point.name, self._recorder)
        except HarnessError as cause:
            self._note("error", {"of": f"the samples of {point.name} on {point.node}", "error": str(cause)})
            return
        about = {"vantage": point.name, "node": point.node, "due": due, "recorded": written}
        times = {"offset_ns": clock.offset, "error_ns": clock.error, "readings": len(point.readings)}
        self._note("stopped", {**about, **times})

    def _note(self, what: str, value: Json) -> None:
        self._recorder.write(Event(t=self._recorder.now(), source="probe", object=PROBER, what=what, value=value))

    def _each(self, do: Callable[[Point], R]) -> list[R]:
        if not self._points:
            return []
        with ThreadPoolExecutor(min(AT_ONCE, len(self._points))) as pool:
            return list(pool.map(do, self._points))


def _asking(console: Console) -> Callable[[], int]:
    def ask() -> int:
        console.send("")
        (said,) = console.until(END, ANSWERS_WITHIN_S)
        if not said.isdecimal():
            raise KubeError(f"a vantage point answered {said!r} when asked for its time")
        return int(said)

    return ask


def merge(part: bytes, clock: Clock, name: str, recorder: Recorder) -> tuple[int, int]:
    """Write a compressed part into the history, as seen from `name` and by our clock; returns how many samples it has,
    and how many were due.

    Raises `HarnessError`, with nothing written, if it does not hold what it says, or was not made during the run.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{PART}.gz")
        path.write_bytes(part)
        history = History.read(path)
    ends = [event.value for event in history.seen("probe") if event.what == "stopped"]
    if len(ends) != 1 or ends[0].get("recorded") != len(history.samples):
        raise HarnessError(f"the part of {name} does not hold what it says: {ends}, and {len(history.samples)} samples")
    t0 = recorder.t0
    moved = [
        (one, clock.ours(one.t) - t0, clock.ours(one.due) - t0, clock.ours(one.end) - t0) for one in _columns(history)
    ]
    if any(len(due) and int(due.min()) < 0 for _, _, due, _ in moved):
        raise HarnessError(f"the part of {name} has samples from before the run; its clock must have been misread")
    for column, t, due, end in moved:
        for first in range(0, len(column), BATCH):
            places = range(first, min(first + BATCH, len(column)))
            recorder.write(*(_moved(column.at(i), int(t[i]), int(due[i]), int(end[i]), name) for i in places))
    return len(history.samples), int(ends[0]["due"])


def _columns(history: History) -> list[Column]:
    return list(history.samples.columns.values())


def _moved(sample: Sample, t: int, due: int, end: int, name: str) -> Sample:
    return sample.model_copy(update={"t": t, "due": due, "end": end, "vantage": name})


def secret(namespace: str, config: Config, owner: str) -> Json:
    """What they request, and the token for it; it goes with the Job."""
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": JOB, "uid": owner}
    about = {"name": JOB, "namespace": namespace, "ownerReferences": [reference]}
    data = {"config.json": base64.b64encode(config.to_json().encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": about, "data": data}


def job(namespace: str, image: str, count: int, most_s: float) -> Json:
    """All of them at once, spread as evenly as possible over the nodes; none is replaced, as its part would be lost."""
    command = ["python", "-m", "harness.observe.point", CONFIG, OUT]
    mounts = [
        {"name": "config", "mountPath": str(Path(CONFIG).parent), "readOnly": True},
        {"name": "out", "mountPath": OUT},
    ]
    needs = {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": ROLE},
    }
    spec = pod(
        topologySpreadConstraints=[spread],
        terminationGracePeriodSeconds=5,
        containers=[container("point", image, command=command, volumeMounts=mounts, resources=needs)],
        volumes=[{"name": "config", "secret": {"secretName": JOB}}, {"name": "out", "emptyDir": {}}],
    )
    about = {"completionMode": "Indexed", "completions": count, "parallelism": count, "backoffLimit": 0}
    ends = {"activeDeadlineSeconds": round(most_s) + LINGERS_S, "ttlSecondsAfterFinished": 60}
    template = {"metadata": {"labels": ROLE}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": JOB, "namespace": namespace, "labels": ROLE},
        "spec": {**about, **ends, "template": template},
    }
