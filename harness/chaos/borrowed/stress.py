"""Pods that `chaosk8s` has Chaos Mesh keep busy, in one container each: its control group counts what that uses."""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from harness.chaos.arguments import Name
from harness.chaos.borrowed.mesh import OnMesh, Proof, seconds, within
from harness.chaos.strike import Strike
from harness.errors import FaultError
from harness.kube import Kube, KubeError, Pod
from harness.kube.mesh import STRESS

SPAN_S = 3.0  # over which the use of processors is counted
GROWN_WITHIN_S = 30.0
READ_WITHIN_S = 10.0
SHARE = 0.5  # of what was asked for
GROUP = "/sys/fs/cgroup"  # of a container, as it sees itself (cgroup v2)
_READ = 'cut -d" " -f1 /proc/uptime; sed -n "s/^usage_usec //p" "$1/cpu.stat"; cat "$1/memory.current"'
_SIZE = re.compile(r"([1-9]\d{0,6})(MB|GB|MiB|GiB)")
_BYTES = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
Workers = Annotated[int, Field(ge=1, le=64)]


def _size(text: str) -> str:
    if not _SIZE.fullmatch(text):
        raise ValueError(f"{text!r} is not a size, such as 256MB; of a share, nobody knows how much it is")
    return text


@dataclass(frozen=True)
class Use:
    """What a container has used by now: processor time in seconds at a moment of its clock, and bytes of memory."""

    clock_s: float
    busy_s: float
    memory: float


class _OnContainer(OnMesh):
    made: ClassVar[str] = STRESS
    of_what: ClassVar[str]

    duration: Annotated[str, AfterValidator(within(10, 3600))] = "30s"
    container_names: Name | None = None
    workers: Workers

    def lasts_s(self) -> float:
        return seconds(self.duration)

    @abstractmethod
    def asked(self) -> float:
        """How much of it is asked for."""

    @abstractmethod
    def between(self, first: Use, last: Use) -> float:
        """How much of it was used."""

    def before(self, kube: Kube, pods: Sequence[Pod], closing: ExitStack) -> Proof:
        before = self._used(kube, pods)
        if unknown := [pod.key for pod in pods if pod.uid not in before]:
            raise FaultError(f"nothing in {unknown[0]} says what it uses ({GROUP}), so nothing was done to it")

        def prove(strike: Strike) -> None:
            hit = [victim for victim in strike.victims if victim.pod.uid in before]
            during = self._wait_grown(kube, [victim.pod for victim in hit], before)
            for victim in hit:
                one = victim.pod.uid
                figures = {"asked": self.asked(), "before": before[one], "during": during.get(one)}
                strike.prove(victim, of=self.of_what, **figures)

        return prove

    def _wait_grown(self, kube: Kube, pods: Sequence[Pod], before: Mapping[str, float]) -> dict[str, float]:
        deadline = time.monotonic() + GROWN_WITHIN_S
        while True:
            found = self._used(kube, pods)
            grown = all(found.get(p.uid, 0.0) - before[p.uid] >= SHARE * self.asked() for p in pods)
            if grown or time.monotonic() >= deadline:
                return found

    def _used(self, kube: Kube, pods: Sequence[Pod]) -> dict[str, float]:
        """By the uid of each pod that says so."""
        first = {pod.uid: self._read(kube, pod) for pod in pods}
        time.sleep(SPAN_S)
        last = {pod.uid: self._read(kube, pod) for pod in pods}
        return {uid: self.between(a, b) for uid, a in first.items() if a and (b := last[uid]) and b.clock_s > a.clock_s}

    def _read(self, kube: Kube, pod: Pod) -> Use | None:
        container = self.container_names or pod.containers[0]
        try:
            said = kube.once(pod, container, ("sh", "-c", _READ, "sh", GROUP), READ_WITHIN_S)
            clock, usec, memory = map(float, said.split())
        except (KubeError, ValueError):
            return None
        return Use(clock, usec / 1e6, memory)


class StressCpu(_OnContainer):
    home: ClassVar[str] = "chaosk8s.chaosmesh.stress.actions.stress_cpu"
    kind: ClassVar[str] = "stress"
    of_what: ClassVar[str] = "processors"

    load: Annotated[int, Field(ge=10, le=100)]

    def asked(self) -> float:
        return self.workers * self.load / 100

    def between(self, first: Use, last: Use) -> float:
        return (last.busy_s - first.busy_s) / (last.clock_s - first.clock_s)


class StressMemory(_OnContainer):
    home: ClassVar[str] = "chaosk8s.chaosmesh.stress.actions.stress_memory"
    kind: ClassVar[str] = "stress"
    of_what: ClassVar[str] = "bytes"

    size: Annotated[str, AfterValidator(_size)]

    def asked(self) -> float:
        """All workers together use the size."""
        unit = self.size.lstrip("0123456789")
        return float(int(self.size.removesuffix(unit)) * _BYTES[unit])

    def between(self, first: Use, last: Use) -> float:
        return last.memory
