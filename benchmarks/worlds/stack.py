"""The stack as discrete events: schedulers queue tasks, workers run them, api-servers answer behind a balancer."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from functools import partial

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import (
    APART,
    COOLDOWN,
    END,
    HIT,
    Attempt,
    Job,
    Key,
    Life,
    Outage,
    Pod,
    Run,
)

TASKS = ("extract", "load")
SERIES: tuple[tuple[Key, int], ...] = (
    (("version", "new", False), 500),
    (("version", "reused", False), 500),
    (("pools", "new", False), 1000),
    (("trigger", "new", True), 1000),
)
BEAT, WORK, TRIGGER, LOOP, NOTICED = 4_000, 6_000, 4_000, 500, 3_000
LAST_TRIGGER = 57_000
NODES = ("node-1", "node-2")
LOOKS = (500, 2_500, 4_000)
IDLE = ("api-server", "ingress", "triggerer", "worker")
IDLE_FROM = ((0, END), (HIT, END), (0, HIT))


def replicas(stack: str) -> dict[str, int]:
    found = {"api-server": 2, "ingress": 2, "triggerer": 2, "scheduler": 1 if stack == "local" else 2}
    return {**found, "worker": 2} if stack == "celery" else found


def behind(world: World) -> int:
    """For how long schedulers that are back are at what waited for them, and at nothing new."""
    return {None: 0, 0: 6_000, 1: 14_000}[world.way("backlog")]


class Stack:
    """Lives through one run. What comes next stands in a queue by time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = random.Random(world.seed)  # noqa: S311 - it must be the same each time
        self.life = Life()
        self._queue: list[tuple[int, int, Callable[[int], None]]] = []
        self._number = 0
        self._turn = 0

    def at(self, t: int, what: Callable[[int], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (t, self._number, what))

    def live(self) -> Life:
        self._begin()
        self.at(HIT, self._strike)
        for t in range(1_000, LAST_TRIGGER, TRIGGER):
            self.at(t + self.rng.randrange(200), self._trigger)
        while self._queue and self._queue[0][0] <= END:
            t, _, what = heapq.heappop(self._queue)
            what(t)
        self._work_of_pods()
        return self.life

    def _begin(self) -> None:
        for component, count in replicas(self.world.stack).items():
            for number in range(count):
                pod = Pod(component, f"{component}-{number}", NODES[number], -60_000, [(-30_000, END + 1)])
                self.life.pods.append(pod)
                if component == "scheduler":
                    self._job(pod, -30_000)
        for key, interval in SERIES:
            self.life.intervals[key] = self.rng.randrange(interval), interval

    def _job(self, pod: Pod, begun: int) -> None:
        first = begun + self.rng.randrange(200) if begun > 0 else self.rng.randrange(BEAT)
        beats = list(range(first, END, BEAT))
        self.life.jobs.append(Job(len(self.life.jobs) + 1, pod.name, begun, beats, [(max(begun, 20), "running")]))

    def _strike(self, now: int) -> None:
        """Kill what the fault is about; each is replaced."""
        if self.world.fault == "none":
            return
        pods = self.life.of(self.world.fault)
        hit = pods if self.world.fault == "scheduler" else [self._victim(pods, now)]
        replaced = []
        for number, pod in enumerate(hit):
            t = now + APART * number
            self.life.dead.append(pod)
            self.life.gone_at[pod.uid] = pod.gone = t + self.rng.randrange(100, 900)
            pod.ready = [(a, t) for a, _ in pod.ready]
            self.at(t, partial(self._died, pod))
            replaced.append(self._replace(pod, t))
        if self.world.fault == "scheduler":
            self._orphans(min(pod.ready[0][0] for pod in replaced), now)
        if self.world.fault == "api-server":  # connections that were kept go with it
            self.life.outages.append(Outage(SERIES[1][0], now, now + self.rng.randrange(100, 900), "fail"))

    def _victim(self, pods: list[Pod], now: int) -> Pod:
        """A worker is chosen among those that are in the midst of a task; not the one that does nothing by itself."""
        if self.world.way("idle") is not None:
            return pods[0]
        last = {p.name: max((e for s, e in self._held(p) if s <= now), default=0) for p in pods}
        choose = max if self.world.way("idle-victim") is None else min
        return choose(pods, key=lambda p: last[p.name])

    def _held(self, pod: Pod) -> list[tuple[int, int]]:
        every = [a for run in self.life.runs for a in run.attempts if a.host == pod.name]
        return [(a.start, END if a.end is None else a.end) for a in every]

    def _replace(self, pod: Pod, t: int) -> Pod:
        born = t + self.rng.randrange(900, 1_500)
        way = self.world.way("ready-late")
        late = 0 if way is None else 1_500 * (1 + way)
        ready = born + self.rng.randrange(3_000, 7_000) + late
        name = f"{pod.name}-again"
        spans = [] if self.world.way("ready-never") is not None else [(ready, END + 1)]
        new = Pod(pod.component, name, pod.node, born, spans or [(END + 1, END + 2)])
        self.life.pods.append(new)
        if pod.component == "scheduler" and spans:
            self._job(new, ready - 1_000)
        return new

    def _orphans(self, back: int, since: int) -> None:
        """The dead schedulers' jobs beat no more, and a new scheduler marks them failed."""
        handled = back + self.rng.randrange(3_000, 6_000)
        for job in self.life.jobs:
            if job.begun < since:
                job.beats = [t for t in job.beats if t < since]
                if back <= END:
                    job.states.append((handled, "failed"))

    def _died(self, pod: Pod, now: int) -> None:
        """What ran in it dies with it, and is begun again when that is noticed."""
        for run in self.life.runs:
            for attempt in run.attempts:
                if attempt.host == pod.name and attempt.end is not None and attempt.start <= now < attempt.end:
                    attempt.end = None
                    self.life.lost_by_fault += 1
                    self.at(now + NOTICED, partial(self._queue_task, run, attempt.task, attempt.try_ + 1))

    def _trigger(self, now: int) -> None:
        run = Run(f"run-{len(self.life.runs):02}", now, now + 50)
        run.seen = [(run.accepted + after, True) for after in LOOKS]
        self.life.runs.append(run)
        self._queue_task(run, TASKS[0], 1, run.accepted)

    def _queue_task(self, run: Run, task: str, try_: int, now: int) -> None:
        """A scheduler that is up takes it; while none is, it waits."""
        if not any(pod.serves(now - self._behind(pod)) for pod in self.life.of("scheduler")):
            self.at(now + LOOP, partial(self._queue_task, run, task, try_))
            return
        self.at(now + self.rng.randrange(100, 400), partial(self._start, run, task, try_))

    def _behind(self, pod: Pod) -> int:
        """For how long a scheduler does nothing else: one loop makes runs and queues tasks."""
        return behind(self.world) if pod.name.endswith("-again") else 0

    def _start(self, run: Run, task: str, try_: int, now: int) -> None:
        host = self._host(now, run, task, try_)
        if host is None:
            self.at(now + LOOP, partial(self._queue_task, run, task, try_))
            return
        stuck = self.world.way("run-stuck")
        took = self.rng.randrange(1_900, 3_000)
        if stuck is not None and run.name == f"run-{8 + stuck:02}" and task == TASKS[0]:
            took += 8_000
        attempt = Attempt(task, try_, host, now, now + took)
        run.attempts.append(attempt)
        self.at(now + took, partial(self._ended, run, attempt))

    def _host(self, now: int, run: Run, task: str, try_: int) -> str | None:
        if self.world.stack == "kubernetes":
            name = f"task-{run.name}-{task}-{try_}"
            pod = Pod("task", name, NODES[0], now - 80, [(now - 40, END + 1)], task=(run.name, task, try_))
            self.life.pods.append(pod)
            return name
        component = "worker" if self.world.stack == "celery" else "scheduler"
        up = [pod for pod in self.life.of(component) if pod.serves(now) and not self._idle(pod, now)]
        self._turn += 1
        return up[self._turn % len(up)].name if up else None

    def _idle(self, pod: Pod, now: int) -> bool:
        """Whether it is Ready and does nothing: the second of its kind, which no fault of one pod hits."""
        way = self.world.way("idle")
        if way is None or pod.component != IDLE[way % len(IDLE)] or self.life.of(pod.component).index(pod) != 1:
            return False
        begin, end = IDLE_FROM[way // len(IDLE)]
        return begin <= now < end

    def _ended(self, run: Run, attempt: Attempt, now: int) -> None:
        if attempt.end != now or attempt not in run.attempts:
            return  # it died meanwhile
        if self.world.stack == "kubernetes":
            pod = next(p for p in self.life.pods if p.task == (run.name, attempt.task, attempt.try_))
            pod.ready, pod.gone = [(pod.ready[0][0], now)], now + self.rng.randrange(500, 1_500)
        later = TASKS[TASKS.index(attempt.task) + 1 :]
        if later:
            self._queue_task(run, later[0], 1, now)
        else:
            run.ended = now + 100

    def _work_of_pods(self) -> None:
        """Each replica does its share while it is Ready: requests passed on or served, runs worked on."""
        for pod in self.life.pods:
            if pod.component in ("api-server", "ingress", "triggerer", "scheduler"):
                begin = max(0, pod.ready[0][0])
                until = min(COOLDOWN + 6_000, pod.ready[-1][1])
                every = range(begin + self.rng.randrange(100, WORK), until, WORK)
                pod.worked = [t for t in every if not self._idle(pod, t)]
        for run in self.life.runs:
            if run.ended is not None and run.ended > END - 2_000:
                run.ended = None
