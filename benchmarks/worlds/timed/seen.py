"""What of scheduled work could be seen at all: from when on the ledger was read, when Airflow was asked, and which of
its runs go with which tick. Milliseconds."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import END, Attempt, Life
from benchmarks.worlds.timed.dags import Dag, Plan, Tick, plan
from benchmarks.worlds.timed.scheduler import Made

READ_FROM, READ_TO, ASKED = 10, END - 200, END - 500
MARKED = 5  # until a mark is read


@dataclass(frozen=True)
class Sight:
    """A life's scheduled work. `eps` is how far a moment of Airflow's may be from what it seems to be."""

    life: Life
    world: World
    plan: Plan
    eps: int

    @classmethod
    def of(cls, life: Life, world: World) -> Sight:
        return cls(life, world, plan(world), 500 if world.way("clock") == 2 else 120)

    @property
    def timed(self) -> list[Dag]:
        return [dag for dag in self.plan.dags if not dag.consumes]

    def runs(self, dag: Dag) -> list[Made]:
        """Those that were there when Airflow was asked."""
        return self._runs[dag.name]

    def pairs(self, dag: Dag) -> list[tuple[Tick, Made]]:
        """The first run of each tick, in their order."""
        return self._pairs[dag.name]

    def could(self, dag: Dag) -> list[tuple[Tick, Made, float]]:
        """When each run could have begun: due, its DAG not paused, and room for it."""
        return self._could[dag.name]

    @cached_property
    def _runs(self) -> dict[str, list[Made]]:
        found: dict[str, list[Made]] = {dag.name: [] for dag in self.plan.dags}
        for run in self.life.timed:
            if run.known and run.made < ASKED:
                found[run.dag.name].append(run)
        return found

    @cached_property
    def _pairs(self) -> dict[str, list[tuple[Tick, Made]]]:
        return {name: _firsts(runs) for name, runs in self._runs.items()}

    @cached_property
    def _could(self) -> dict[str, list[tuple[Tick, Made, float]]]:
        return {dag.name: list(_ready(dag, self.pairs(dag))) for dag in self.timed}


def _firsts(runs: list[Made]) -> list[tuple[Tick, Made]]:
    first: dict[Tick, Made] = {}
    for run in sorted(runs, key=lambda run: run.made):
        if run.tick and run.logical is None:
            first.setdefault(run.tick, run)
    return sorted(first.items(), key=lambda pair: pair[0].due)


def _ready(dag: Dag, pairs: list[tuple[Tick, Made]]) -> Iterator[tuple[Tick, Made, float]]:
    ends: list[float] = []  # of those before it, in order
    for tick, run in pairs:
        room = ends[-dag.room] if len(ends) >= dag.room else -math.inf
        first = began(run, dag.pools)
        if first is not None and first < room:
            room = -math.inf  # it began beside those that it was to wait for
        yield tick, run, max(tick.due, dag.unpaused, room)
        insort(ends, left(run))


def marked(run: Made) -> list[Attempt]:
    """Attempts of which the ledger has the start."""
    return [a for a in run.attempts if READ_FROM <= a.start + MARKED < READ_TO]


def ended(attempt: Attempt) -> int | None:
    """When it ended, if the ledger has it."""
    there = attempt.end is not None and READ_FROM <= attempt.end + MARKED < READ_TO
    return attempt.end if there else None


def began(run: Made, but: Iterable[str] = ()) -> int | None:
    """The first start that the ledger has, of tasks but some."""
    return min((a.start for a in marked(run) if a.task not in but), default=None)


def witnessed(run: Made) -> bool:
    return run.made >= READ_FROM


def over(run: Made) -> bool:
    """Whether Airflow called it so when it was asked."""
    return run.state != "running" and run.ended is not None and run.ended < ASKED


def left(run: Made) -> float:
    """When it was at work no more: its last task's end, if the ledger has them all, or what Airflow says."""
    ends = {a.task: e for a in run.attempts if (e := ended(a)) is not None}
    if run.dag.tasks and set(run.dag.tasks) <= ends.keys():
        return max(e for a in run.attempts if (e := ended(a)) is not None)
    return called_over(run)


def called_over(run: Made) -> float:
    """When Airflow called it over; as long as it does not, it makes no more than there is room for beside it."""
    return run.ended if over(run) and run.ended is not None else math.inf


def free(before: list[Made], most: int, end: Callable[[Made], float] = left) -> float:
    """From when on one more may be at work beside those before it."""
    ends = sorted(map(end, before))
    return ends[len(ends) - most] if len(ends) >= most else -math.inf
