"""What truly happened in a world: pods, runs, attempts, answers. Times are whole milliseconds since the run began.

It is the truth, whatever an observer saw of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.worlds.timed.dags import Tick
    from benchmarks.worlds.timed.scheduler import Made

BASELINE, FAULT, RECOVERY, COOLDOWN, END = 0, 20_000, 24_000, 64_000, 80_000
HIT, APART = 20_500, 100  # the first hit, and how much later the next
PROBED_UNTIL = 72_000
TIMEOUT = 5_000
UNDO = 44_000
Span = tuple[int, int]
Key = tuple[str, str, bool]  # target, connections, whether it writes


@dataclass
class Pod:
    """One pod: `ready` are the stretches in which it was, `gone` is when it went; `worked` when it did its share."""

    component: str
    name: str
    node: str
    born: int
    ready: list[Span]
    gone: int | None = None
    restarts: list[int] = field(default_factory=list)
    worked: list[int] = field(default_factory=list)
    task: tuple[str, str, int] | None = None  # run, task, try: the pod is this attempt's own

    @property
    def uid(self) -> str:
        return f"uid-{self.name}"

    def alive(self, t: int) -> bool:
        return self.born <= t and (self.gone is None or t < self.gone)

    def serves(self, t: int) -> bool:
        return any(a <= t < b for a, b in self.ready)


@dataclass
class Job:
    """A scheduler's own record of itself."""

    number: int
    host: str
    begun: int
    beats: list[int]
    states: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Attempt:
    """One attempt of a task; `end` is None where it died."""

    task: str
    try_: int
    host: str
    start: int
    end: int | None
    signed: bool = True  # whether the ledger heard of its end
    known: bool = True  # whether Airflow did
    resumed: str = ""  # the host that it went on, where it was deferred in between


@dataclass
class Run:
    """One DAG run; `ended` is None where it had not when all was over."""

    name: str
    asked: int
    accepted: int
    attempts: list[Attempt] = field(default_factory=list)
    ended: int | None = None
    state: str = "success"
    seen: list[tuple[int, bool]] = field(default_factory=list)  # looks of somebody else
    broken: bool = False  # its stream
    answered: bool = True  # whether its trigger was
    listed: bool = True  # whether Airflow could be asked of its tasks


@dataclass
class Outage:
    """A stretch in which a series was not answered; `kind` is fail or info."""

    key: Key
    begin: int
    end: int
    kind: str


@dataclass
class Life:
    """All of it. `dead` are the pods that the fault hit; `gone_at` when the process of each was gone."""

    pods: list[Pod] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    slow: list[tuple[Key, int, int, int]] = field(default_factory=list)
    dead: list[Pod] = field(default_factory=list)
    gone_at: dict[str, int] = field(default_factory=dict)
    intervals: dict[Key, tuple[int, int]] = field(default_factory=dict)  # the first due time, and the interval
    undone: int = UNDO
    whole: bool = True  # whether the undo found all as it was
    forgets: int | None = None  # from when on writes are answered and not kept
    lost_by_fault: int = 0  # attempts that died with what was hit
    timed: list[Made] = field(default_factory=list)  # runs that came by themselves
    skipped: set[Tick] = field(default_factory=set)  # whose runs a scheduler left out
    back: int = HIT  # when schedulers went on after the fault

    def of(self, component: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.component == component]
