"""Fetch the reports that a Job left on its volume: each run once, and only those that are over."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from harness import recorded
from harness.errors import HarnessError, UsageError
from harness.job import objects
from harness.job.install import Say
from harness.job.objects import IMAGE, NAME, OWNER, REPORTS
from harness.kube import Kube
from harness.kube.manifests import Json, Manifests
from harness.settings import Settings
from harness.wait import until

READY_WITHIN_S = 120.0
LISTED_WITHIN_S = 60.0
FETCHED_WITHIN_S = 1800.0
VERDICT = "verdict.json"
GONE = "gone"


def collect(settings: Settings, say: Say) -> list[Path]:
    """Fetch the runs that are not here yet, and return their folders. Raises `UsageError` if there is no volume.

    Each is judged again here, so that it counts among the runs of this machine.
    """
    kube, home = Kube(settings), settings.job_namespace
    volume = kube.manifests.read("PersistentVolumeClaim", home, NAME)
    if volume is None:
        raise UsageError(f"there is no volume in {home}; start a Job with `harness job run`")
    settings.reports.mkdir(parents=True, exist_ok=True)
    with _reader(kube.manifests, home, volume, say) as pod:
        names = _listed(kube, home, pod)
        absent = [name for name in names if not (settings.reports / name / VERDICT).is_file()]
        if not absent:
            return []
        say(f"fetching {len(absent)} of {len(names)} runs from {pod}")
        with TemporaryFile() as file:
            command = ["tar", "--create", "--gzip", f"--directory={REPORTS}", "--", *absent]
            kube.fetch(home, pod, command, file, FETCHED_WITHIN_S)
            file.seek(0)
            found = unpack(file, absent, settings.reports)
    for folder in found:
        recorded.check(folder, save=True)
    return found


def _listed(kube: Kube, home: str, pod: str) -> list[str]:
    """The judged runs on the volume."""
    said = BytesIO()
    command = ["find", REPORTS, "-mindepth", "2", "-maxdepth", "2", "-name", VERDICT, "-printf", "%P\\0"]
    kube.fetch(home, pod, command, said, LISTED_WITHIN_S)
    found = said.getvalue().decode().split("\0")
    return sorted(name.rpartition("/")[0] for name in found if name)


def unpack(file: IO[bytes], names: list[str], reports: Path) -> list[Path]:
    """Unpack the folders of these runs, and nothing else in the archive; each appears complete or not at all."""
    found = []
    with TemporaryDirectory(dir=reports, prefix=".fetched-") as place:
        try:
            with tarfile.open(fileobj=file, mode="r:gz") as archive:
                archive.extractall(place, filter="data")
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as cause:
            raise HarnessError(f"what was fetched cannot be unpacked: {cause}; try again") from cause
        for name in names:
            fresh, kept = Path(place, name), reports / name
            if fresh.is_dir() and not kept.exists():
                fresh.rename(kept)
                found.append(kept)
    return found


@contextmanager
def _reader(manifests: Manifests, home: str, volume: Json, say: Say) -> Iterator[str]:
    """A pod that mounts the volume: the Job's while it runs, as not all can be mounted twice; else one of our own."""
    running = [pod for pod in manifests.listed("Pod", home, OWNER) if pod["status"].get("phase") == "Running"]
    if running:
        yield str(running[-1]["metadata"]["name"])
        return
    image = volume["metadata"].get("annotations", {}).get(IMAGE, "")
    if not image:
        raise UsageError(f"the volume in {home} does not say by which image it is read; start a Job again")
    say("starting a pod that reads the volume")
    if manifests.delete("Pod", home, objects.COLLECTOR):  # whoever started it was killed
        until(lambda: _phase(manifests, home), lambda phase: phase == GONE, what="its end", timeout=READY_WITHIN_S)
    manifests.apply(objects.collector(image, home))
    try:
        until(
            lambda: _phase(manifests, home),
            lambda phase: phase == "Running",
            what=f"the pod {objects.COLLECTOR}",
            timeout=READY_WITHIN_S,
        )
        yield objects.COLLECTOR
    finally:
        manifests.delete("Pod", home, objects.COLLECTOR)


def _phase(manifests: Manifests, home: str) -> str:
    found = manifests.read("Pod", home, objects.COLLECTOR) or {}
    return str(found.get("status", {}).get("phase", GONE))
