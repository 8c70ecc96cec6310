"""What the machine must have: disk space and memory, checked before anything is changed."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.errors import UsageError
from harness.settings import Settings

GB = 1_000_000_000
# Measured on two cores (docs/install.md): the peak of a build from packages, and of a start from cached images.
DISK_BUILD = 30 * GB
DISK_START = 15 * GB
MEMORY = 8 * GB


@dataclass(frozen=True)
class Machine:
    """Bytes free on the file systems that we fill, bytes of memory, and cores."""

    disk: int
    memory: int
    cores: int

    def refuse_if_too_small(self, disk: int) -> None:
        """Raises `UsageError` with what there is and what is needed."""
        if self.disk < disk:
            raise UsageError(
                f"{self.disk / GB:.0f} GB of disk are free and {disk / GB:.0f} GB are needed; "
                "free some, for example with docker system prune"
            )
        if self.memory < MEMORY:
            raise UsageError(
                f"the machine has {self.memory / GB:.0f} GB of memory and the stack needs {MEMORY / GB:.0f} GB; "
                "use a larger one"
            )


def look(settings: Settings) -> Machine:
    """Measure the machine; changes nothing."""
    places = [_existing(settings.cache), _existing(Path("/var/lib/docker"))]
    free = min(shutil.disk_usage(place).free for place in places)
    return Machine(free, psutil.virtual_memory().total, os.cpu_count() or 1)


def fingerprint() -> str:
    """What timings depend on: the processor's model, cores and memory. Machines that differ in it run differently."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8", errors="replace").splitlines() if about.is_file() else []
    models = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    model = " ".join(next(models, platform.machine()).split())
    return f"{model}, {os.cpu_count()} cores, {psutil.virtual_memory().total / (1 << 30):.0f} GiB"


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
