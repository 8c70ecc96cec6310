"""What the observers recorded of a life: pods, jobs, runs, marks and logs, late by their delay, or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import END, Attempt, Job, Life, Pod, Run
from benchmarks.worlds.measures import by_task
from benchmarks.worlds.sampled import MS
from benchmarks.worlds.stack import TASKS
from benchmarks.worlds.unchecked import unchecked
from harness.history import Event, Mark, Op, Record

BLIND = ((22_000, 34_000), (28_000, 40_000), (48_000, 60_000), (22_000, END), (35_000, END), (60_000, END))
BLIND_LOGS = ((22_000, 34_000), (48_000, 60_000), (35_000, END), (60_000, END))
UNREAD_FROM = (33_000, 50_000, 60_000)
TOLD = 4_000  # an observer says up to so much later that it sees nothing
CLOSED = END - 200
Type = Literal["invoke", "ok", "fail", "info"]


class Blind:
    """A stretch in which an observer saw nothing; all of it is seen at its end, if it has one, as it then is."""

    def __init__(self, span: tuple[int, int] | None) -> None:
        self.begin, self.end = span if span else (END + 1, END + 1)

    def __contains__(self, t: int) -> bool:
        return self.begin <= t < self.end

    def ends(self) -> bool:
        return self.end < END

    def told(self, who: str, part: str, rng: random.Random) -> Iterator[Record]:
        if self.begin < END:
            value = {"of": part, "error": "no answer", "times": 1}
            yield probe(self.begin + rng.randrange(TOLD), who, "error", **value)
            if self.ends():
                yield probe(self.end, who, "recovered", **value)


def probe(t: int, who: str, what: str, **value: Any) -> Event:
    return unchecked(Event, t=t * MS, source="probe", object=who, what=what, value=value)


def watched(life: Life, world: World) -> Iterator[Record]:
    rng = random.Random(world.seed + 3)  # noqa: S311
    yield from _part(world, "blind-pods", BLIND, "watcher", "pods of airflow", rng, lambda b: _pods(life, b, rng))
    yield from _part(world, "blind-jobs", BLIND, "watcher", "scheduler jobs", rng, lambda b: _jobs(life, b, rng))
    yield from _part(world, "blind-runs", BLIND, "runs of workload", "runs", rng, lambda b: _runs(life, world, b, rng))
    logs = "log reader", "logs of airflow"
    yield from _part(world, "blind-logs", BLIND_LOGS, *logs, rng, lambda b: _logs(life, b))
    unread = world.way("ledger-unread")
    yield from _marks(life, world, UNREAD_FROM[unread] if unread is not None else END, rng)


def _part(
    world: World,
    what: str,
    spans: tuple[tuple[int, int], ...],
    who: str,
    part: str,
    rng: random.Random,
    seen: Callable[[Blind], Iterable[Record]],
) -> Iterator[Record]:
    way = world.way(what)
    blind = Blind(spans[way] if way is not None else None)
    yield from blind.told(who, part, rng)
    yield from seen(blind)


def _pods(life: Life, blind: Blind, rng: random.Random) -> Iterator[Record]:
    for pod in life.pods:
        missed: int | None = None
        for t in _changes(pod):
            if t in blind:
                missed = t
            else:
                yield _pod(pod, t, t + rng.randrange(5, 200))
        known = pod.born < blind.begin or pod.gone is None or pod.gone >= blind.end
        if missed is not None and blind.ends() and known:
            yield _pod(pod, missed, blind.end + 1)


def _changes(pod: Pod) -> list[int]:
    edges = [t for span in pod.ready for t in span if t > 0]
    every = {max(pod.born, 10), *edges, *pod.restarts, *([pod.gone] if pod.gone is not None else [])}
    return sorted(t for t in every if t < CLOSED - 200)


def _pod(pod: Pod, t: int, seen: int) -> Event:
    gone = pod.gone is not None and t >= pod.gone
    over = pod.task is not None and t >= pod.ready[-1][1]
    value: dict[str, Any] = {
        "component": pod.component,
        "node": pod.node,
        "phase": "Succeeded" if over else "Running",
        "ready": not gone and pod.serves(t),
        "restarts": sum(at <= t for at in pod.restarts),
        "exit_code": None,
        "deleting": False,
    }
    if pod.task is not None:
        run, task, try_ = pod.task
        value["attempt"] = [run, task, -1, try_]
    what = "deleted" if gone else "added" if t == max(pod.born, 10) else "modified"
    return unchecked(
        Event, t=seen * MS, source="pod", object=f"airflow/{pod.name}", uid=pod.uid, what=what, value=value
    )


def _jobs(life: Life, blind: Blind, rng: random.Random) -> Iterator[Record]:
    for job in life.jobs:
        every = sorted([(t, "heartbeat") for t in job.beats] + [(t, "state") for t, _ in job.states])
        inside = [(t, what) for t, what in every if t in blind]
        seen = [(t, what, t + rng.randrange(10, 500)) for t, what in every if t not in blind]
        if blind.ends() and inside:  # what it is by then, and when it beat last
            last = {what: t for t, what in inside}
            seen += [(t, what, blind.end + 1) for what, t in last.items()]
        for t, what, at in sorted(seen, key=lambda found: found[2]):
            if at < CLOSED:
                yield _job(job, t, what, at)


def _job(job: Job, t: int, what: str, seen: int) -> Event:
    state = next((s for at, s in reversed(job.states) if at <= seen), "running")
    beat = max((at for at in job.beats if at <= seen), default=0)
    value = {"id": job.number, "hostname": job.host, "state": state, "latest_heartbeat": f"{beat} ms"}
    return unchecked(Event, t=seen * MS, source="job", object=f"SchedulerJob/{job.number}", what=what, value=value)


def _op(t: int, f: str, type_: Type, run: Run, **value: Any) -> Op:
    every = {"dag_run": run.name, **value}
    return unchecked(Op, t=t * MS, process="workload", f=f, type=type_, value=every)


def _runs(life: Life, world: World, blind: Blind, rng: random.Random) -> Iterator[Record]:
    for run in life.runs:
        yield _op(run.asked, "trigger", "invoke", run, dag="chain", tasks=[[task, -1] for task in TASKS])
        yield _op(run.accepted, "trigger", "ok" if run.answered else "info", run, status=200)
        if run.answered:
            yield _op(run.accepted + 1, "run", "invoke", run)
            early = world.way("impossible") == 3 and run.name == "run-02"
            yield from _end(run, blind, rng, early=early)
            yield from _looks(run)
            if run.listed:
                yield _op(CLOSED, "tasks", "ok", run, tasks=_tries(run))
    if world.way("impossible") == 2:
        run = next(run for run in life.runs if run.answered and run.ended)
        yield _op((run.ended or 0) + 1_500, "run", "fail", run, state="failed")


def _end(run: Run, blind: Blind, rng: random.Random, *, early: bool) -> Iterator[Record]:
    """How it ended is asked once a second; the stream about it ends with it."""
    yield _op(run.accepted + 2, "stream", "invoke", run, number=1)
    if run.ended is None:
        return
    yield _op(run.ended + 20, "stream", "fail" if run.broken else "ok", run, number=1)
    type_: Type
    t, type_, state = run.ended + rng.randrange(20, 1_000), "ok" if run.state == "success" else "fail", run.state
    if early:
        t = run.asked - 500
    if t in blind:
        t, type_, state = (blind.end + 1, type_, state) if blind.ends() else (CLOSED, "info", "unknown")
    yield _op(t, "run", type_, run, state=state)


def _looks(run: Run) -> Iterator[Record]:
    for asked, seen in run.seen:
        yield _op(asked + 20, "look", "ok" if seen else "fail", run, asked=asked * MS)


def _tries(run: Run) -> list[list[Any]]:
    """By Airflow's own record, how often each task was tried."""
    tries = by_task(run)
    return [[task, -1, max((a.try_ for a in tries[task] if a.known), default=1)] for task in TASKS]


def _logs(life: Life, blind: Blind) -> Iterator[Record]:
    for pod in life.pods:
        for t in pod.worked:
            if t not in blind:
                value = {"component": pod.component, "lines": 3}
                yield unchecked(
                    Event,
                    t=t * MS,
                    source="endpoint",
                    object=f"airflow/{pod.name}",
                    uid=pod.uid,
                    what="worked",
                    value=value,
                )


def _marks(life: Life, world: World, unread: int, rng: random.Random) -> Iterator[Record]:
    """A task's end that comes long after its run's cannot be."""
    late = world.way("impossible") == 4
    for run in life.runs:
        for number, attempt in enumerate(run.attempts):
            host = attempt.host
            yield from _mark(run, attempt, number, "start", attempt.start + rng.randrange(1, 20), unread, host)
            if attempt.end is not None:
                after = 10_000 if late and run.name == "run-02" else 0
                t = max(attempt.end, (run.ended or 0)) + after if after else attempt.end + rng.randrange(1, 20)
                yield from _mark(run, attempt, number, "end", t, unread, host)


def _mark(
    run: Run, attempt: Attempt, number: int, mark: Literal["start", "end"], t: int, unread: int, host: str
) -> Iterator[Record]:
    if t < min(unread, CLOSED):
        yield unchecked(
            Mark,
            t=t * MS,
            dag_run=run.name,
            task=attempt.task,
            try_=attempt.try_,
            mark=mark,
            executor_host=host,
            ti=f"{run.name}-{number}",
        )
