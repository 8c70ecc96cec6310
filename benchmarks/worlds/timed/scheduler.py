"""Schedulers at scheduled work, as Airflow 3.3.2 has it: they make runs, start their tasks, and tell of their end.

What is next is worked out when a run is made, and when the DAG's file is read (`timetables/interval.py`, `trigger.py`:
without catch-up, the newest that is due). A DAG with as many runs at work as it may have gets none. A run that updates
of assets ask for takes every update since the one before, once there is one of each asset.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import END, HIT, Attempt, Life
from benchmarks.worlds.stack import behind
from benchmarks.worlds.timed.dags import Dag, Plan, Tick

BEGUN, STEP, NOTICED, READ_EVERY = -19_750, 500, 3_000, 30_000
HEARD = 50  # until what a task told is in Airflow's database
DEADLINE = 600


@dataclass
class Update:
    """An asset was updated at `t` by a run."""

    number: int
    asset: str
    source: Made
    t: int


@dataclass
class Made:
    """One run that came by itself. `known`: whether Airflow lists it; `calls` are (kind, task, when it was told)."""

    dag: Dag
    name: str
    tick: Tick | None
    made: int
    attempts: list[Attempt] = field(default_factory=list)
    ended: int | None = None
    state: str = "running"
    consumed: list[Update] = field(default_factory=list)
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    known: bool = True
    logical: int | None = None  # where it is not that of its tick

    @property
    def starts(self) -> list[int]:
        return [attempt.start for attempt in self.attempts]


@dataclass
class _Going:
    """A run under way: which of its tasks is next, from when on, and what waits for a trigger until when."""

    run: Made
    since: int
    place: int = 0
    try_: int = 1
    deferred: tuple[Attempt, int] | None = None


class Scheduler:
    """All schedulers of a life, which share what is to be done."""

    def __init__(self, life: Life, world: World, plan: Plan) -> None:
        self._rng = random.Random(world.seed + 6)  # noqa: S311
        self._life, self._world, self._plan = life, world, plan
        self._runs: list[Made] = []
        self._going: list[_Going] = []
        self._at_work: Counter[str] = Counter()  # how many of a DAG are
        self._next: dict[str, int | None] = {}
        self._last: dict[str, int] = {}
        self._updates: dict[str, list[Update]] = defaultdict(list)  # consumer → those it has not had
        self._number = 0
        self._held: list[int] = []  # until when each slot of the pool is
        self._deaths = {pod.name: pod.ready[-1][1] for pod in life.dead}
        backs = [p.ready[0][0] for p in life.of("scheduler") if p.name.endswith("-again")]
        self._away = (min(self._deaths.values()), min(backs) + behind(world)) if backs else (0, 0)
        self._blunt = "free" if world.way("tick-twice") == 2 else ""  # catches up after the fault, and should not

    @property
    def back(self) -> int:
        return max(HIT, self._away[1])

    def live(self) -> list[Made]:
        for now in range(BEGUN, END, STEP):
            for dag in self._plan.dags:
                if dag.ticks and now >= dag.read and (now - dag.read) % READ_EVERY < STEP:
                    self._look(dag, now)
            if not self._away[0] <= now < self._away[1]:
                self._end(now)
                self._make(now)
                self._work(now)
        return self._runs

    def _look(self, dag: Dag, now: int) -> None:
        """Work out what comes next."""
        place = self._last.get(dag.name, -1) + 1
        if not dag.catchup and not (dag.name == self._blunt and now > HIT):
            place = max(place, bisect_right(dag.dues, now) - 1)  # the newest that is due
        self._next[dag.name] = place if place < len(dag.ticks) else None

    def _end(self, now: int) -> None:
        for going in [g for g in self._going if g.place == len(g.run.dag.tasks) and g.since + HEARD <= now]:
            self._going.remove(going)
            run = going.run
            self._at_work[run.dag.name] -= 1
            run.ended, run.state = now, "failed" if run.dag.fails else "success"
            for kind, task in run.dag.calls:
                run.calls.append((kind, task, (run.made + DEADLINE if kind == "deadline" else now) + self._soon(900)))

    def _make(self, now: int) -> None:
        for dag in self._plan.dags:
            if dag.unpaused > now or self._at_work[dag.name] >= dag.room:
                continue
            if dag.consumes:
                self._consume(dag, now)
            elif (place := self._next.get(dag.name)) is not None and dag.ticks[place].due <= now:
                tick = dag.ticks[place]
                self._begin(Made(dag, f"scheduled__{tick.due}", tick, now), now)
                self._last[dag.name] = place
                self._look(dag, now)

    def _consume(self, dag: Dag, now: int) -> None:
        there = [update for update in self._updates[dag.name] if update.t + HEARD <= now]
        if {update.asset for update in there} == set(dag.consumes):
            self._updates[dag.name] = [update for update in self._updates[dag.name] if update not in there]
            self._begin(Made(dag, f"asset_triggered__{now}", None, now, consumed=there), now)

    def _begin(self, run: Made, now: int) -> None:
        self._runs.append(run)
        self._going.append(_Going(run, now))
        self._at_work[run.dag.name] += 1

    def _work(self, now: int) -> None:
        self._held = [until for until in self._held if until > now]
        for going in self._going:
            if going.deferred and going.deferred[1] <= now:
                attempt, _ = going.deferred
                attempt.end, attempt.resumed = now + self._soon(150), self._host(now, going) or attempt.host
                self._over(going, attempt.end)
            elif not going.deferred and going.place < len(going.run.dag.tasks) and going.since <= now:
                self._start(going, now)

    def _start(self, going: _Going, now: int) -> None:
        dag = going.run.dag
        task = dag.tasks[going.place]
        host = self._host(now, going)
        if host is None or (task in dag.pools and len(self._held) >= self._plan.slots):
            return
        start = now + self._soon(200)
        end = start + dag.took + self._soon(300)
        attempt = Attempt(task, going.try_, host, start, None)
        going.run.attempts.append(attempt)
        if task in dag.waits:
            going.deferred = attempt, start + dag.waits[task]
            return
        died = self._deaths.get(host, END + 1)
        if start < died < end:
            going.since, going.try_ = died + NOTICED, going.try_ + 1
        else:
            attempt.end = None if dag.fails and going.place + 1 == len(dag.tasks) else end
            self._over(going, end)
        if task in dag.pools:
            self._held.append(going.since)

    def _over(self, going: _Going, end: int) -> None:
        """A task is done, and what it updates is known to all that wait for it."""
        run, task = going.run, going.run.dag.tasks[going.place]
        for asset in (asset for asset, by in run.dag.produces.items() if by == task):
            self._number += 1
            update = Update(self._number, asset, run, end)
            for dag in (dag for dag in self._plan.dags if asset in dag.consumes):
                self._updates[dag.name].append(update)
        going.place, going.since, going.try_, going.deferred = going.place + 1, end, 1, None

    def _host(self, now: int, going: _Going) -> str | None:
        if self._world.stack == "kubernetes":
            return f"{going.run.dag.name}-{going.run.name}-{going.place}-{going.try_}"
        pods = self._life.of("worker" if self._world.stack == "celery" else "scheduler")
        up = [pod.name for pod in pods if pod.serves(now)]
        return self._rng.choice(up) if up else None

    def _soon(self, most: int) -> int:
        return self._rng.randrange(30, most)
