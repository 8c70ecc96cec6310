"""What goes otherwise with scheduled work, done to what truly happened: skips, doubles, and what else must not be.

What is not there to be broken stays as it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from benchmarks.worlds.choices import SCHEDULES, World
from benchmarks.worlds.life import HIT, Attempt, Life
from benchmarks.worlds.timed.dags import plan
from benchmarks.worlds.timed.scheduler import Made, Scheduler
from benchmarks.worlds.timed.seen import ASKED, READ_FROM, ended

Plant = Callable[[Life, int, random.Random], None]
AROUND = 8_000  # of a fault, in which ticks may stay away
DONE_BY = 62_000


def schedule(life: Life, world: World) -> None:
    """Let scheduled work be done in a life, and do to it what the world says goes otherwise."""
    if world.way(SCHEDULES) is None:
        return
    scheduler = Scheduler(life, world, plan(world))
    life.timed, life.back = scheduler.live(), scheduler.back
    rng = random.Random(world.seed + 7)  # noqa: S311
    for what, do in _PLANTS.items():
        way = world.way(what)
        if way is not None and life.timed:
            do(life, way, rng)
    _settle(life)


def _done(life: Life, *dags: str, since: int = 1_000) -> list[Made]:
    """Runs of some DAGs that were seen from beginning to end, and long ago when Airflow was asked."""
    return [
        run
        for run in life.timed
        if (not dags or run.dag.name in dags) and run.made > since and run.ended is not None and run.ended < DONE_BY
    ]


def _pick(rng: random.Random, runs: list[Made]) -> Made | None:
    return rng.choice(runs) if runs else None


def _skipped(life: Life, way: int, rng: random.Random) -> None:
    """A tick that was due while a scheduler was there, and had room, has no run."""
    back = life.back + AROUND
    calm = [r for r in _done(life) if r.tick and r.made < r.tick.due + 1_500 and r.tick.due > r.dag.unpaused]
    calm = [r for r in calm if r.tick and (r.tick.following < HIT - AROUND or r.tick.due > back)]
    calm = [r for r in calm if not r.dag.produces]
    for _ in range(1 + way % 2):
        if run := _pick(rng, [r for r in calm if r in life.timed]):
            life.timed.remove(run)
            assert run.tick is not None
            life.skipped.add(run.tick)


def _copy(run: Made, name: str, later: int) -> Made:
    attempts = [replace(a, start=a.start + later, end=None if a.end is None else a.end + later) for a in run.attempts]
    ended_ = None if run.ended is None else run.ended + later
    calls = [(kind, task, t + later) for kind, task, t in run.calls]
    return replace(run, name=name, made=run.made + later, ended=ended_, attempts=attempts, consumed=[], calls=calls)


def _again(life: Life, way: int, rng: random.Random) -> None:
    """A second run of one tick, or one of no tick."""
    if way < 2 and (run := _pick(rng, [r for r in _done(life) if r.tick and not r.dag.produces and not r.dag.pools])):
        more = _copy(run, f"again__{run.name}", rng.randrange(300, 900))
        assert run.tick is not None
        more.logical = run.tick.logical + 1_500 if way else None
        life.timed.append(more)


def _unlisted(life: Life, _: int, rng: random.Random) -> None:
    """The ledger shows a run that Airflow does not know."""
    if run := _pick(rng, [r for r in _done(life) if not r.dag.produces and not r.dag.pools]):
        more = _copy(run, f"strange__{run.name}", 400)
        more.known = False
        life.timed.append(more)


def _never_done(life: Life, way: int, rng: random.Random) -> None:
    """One that failed, never ended, or is a success of which a task never ended."""
    runs = [r for r in _done(life) if r.tick and not r.dag.fails and not r.dag.waits and r.made < HIT + 9_000]
    if run := _pick(rng, runs):
        if way == 0:
            run.state = "failed"
        elif way == 1:
            run.state, run.ended, run.calls = "running", None, []
            run.attempts[-1].end = None
        else:
            run.attempts = run.attempts[:-1]


def _task_again(life: Life, way: int, rng: random.Random) -> None:
    if run := _pick(rng, [r for r in _done(life) if not r.dag.pools]):
        last = run.attempts[-1]
        if last.end is not None:
            try_ = last.try_ + way
            run.attempts.append(replace(last, try_=try_, start=last.end + 20, end=last.end + 120, resumed=""))


def _late(life: Life, way: int, rng: random.Random) -> None:
    """One begins long after it was due, or after it could have."""
    runs = [r for r in _done(life) if r.tick and r.dag.most is None and not r.dag.pools and not r.dag.produces]
    if run := _pick(rng, runs):
        by = (7_000, 16_000)[way]
        moved = _copy(run, run.name, by)
        run.attempts, run.ended, run.calls = moved.attempts, moved.ended, moved.calls


def _out_of_turn(life: Life, _: int, rng: random.Random) -> None:
    """Two runs of a DAG that may have one at work change places."""
    runs = sorted((r for r in _done(life) if r.dag.most == 1 and r.tick), key=lambda r: (r.dag.name, r.made))
    both = [(a, b) for a, b in pairwise(runs) if a.dag is b.dag and b.starts and a.starts]
    if both:
        a, b = rng.choice(both)
        a.attempts, b.attempts = b.attempts, a.attempts
        a.ended, b.ended = b.ended, a.ended


def _beside(life: Life, _: int, rng: random.Random) -> None:
    """One is at work still when the next of its DAG begins."""
    runs = sorted((r for r in _done(life) if r.dag.most == 1 and r.starts), key=lambda r: (r.dag.name, r.made))
    both = [(a, b) for a, b in pairwise(runs) if a.dag is b.dag and min(b.starts) - (ended(a.attempts[-1]) or 0) > 0]
    if both:
        a, b = rng.choice(both)
        end = min(b.starts) + 100
        a.attempts[-1].end, a.ended = end, max(end + 50, a.ended or 0)


def _full(life: Life, _: int, rng: random.Random) -> None:
    """One holds its slot for longer than its pool knows."""
    held = [(a, r) for r in _done(life) for a in r.attempts if a.task in r.dag.pools and ended(a) is not None]
    held.sort(key=lambda one: one[0].start)
    if len(held) > 4:
        place = rng.randrange(len(held) - 4)
        first, run = held[place]
        first.end = end = held[place + 3][0].start + 60
        run.ended = max(end + 50, run.ended or 0)


def _call_lost(life: Life, way: int, rng: random.Random) -> None:
    runs = [r for r in _done(life) if r.calls]
    for run in rng.sample(runs, min(len(runs), 1 + way)):
        run.calls.pop()


def _call_again(life: Life, way: int, rng: random.Random) -> None:
    if run := _pick(rng, [r for r in _done(life) if r.calls]):
        kind, task, t = run.calls[0]
        run.calls += [(kind, task, t + 150)] * (1 + way)


def _update_lost(life: Life, way: int, rng: random.Random) -> None:
    """No run was made for it: it is not among what a run was made for, or the run was never made."""
    runs = [r for r in _done(life) if len(r.consumed) > (1 if way == 0 else 0)]
    if run := _pick(rng, runs or [r for r in _done(life) if r.consumed]):
        if way == 0 and len(run.consumed) > 1:
            run.consumed.remove(rng.choice(run.consumed))
        else:
            life.timed.remove(run)


def _update_twice(life: Life, way: int, rng: random.Random) -> None:
    """Two runs were made for it, or one for nothing."""
    runs = [r for r in _done(life) if r.consumed]
    both = [(a, b) for a, b in pairwise(runs) if a.dag is b.dag]
    if way == 0 and both:
        a, b = rng.choice(both)
        b.consumed = [*a.consumed, *b.consumed]
    elif way and (run := _pick(rng, runs)):
        life.timed.append(_copy(run, f"idle__{run.name}", 500))


def _trigger_lost(life: Life, _: int, rng: random.Random) -> None:
    """A task does not come back from its trigger."""
    if run := _pick(rng, [r for r in _done(life) if r.dag.waits and r.attempts]):
        last = run.attempts[-1]
        run.attempts[-1] = Attempt(last.task, last.try_, last.host, last.start, None)
        run.state, run.ended, run.calls = "running", None, []


def _settle(life: Life) -> None:
    """What had not ended when all was over has no end."""
    for run in life.timed:
        run.attempts = [a for a in run.attempts if a.start < ASKED + 200]
        for attempt in run.attempts:
            if attempt.end is not None and (ended(attempt) is None and attempt.end > READ_FROM):
                attempt.end = None


_PLANTS: dict[str, Plant] = {
    "tick-skipped": _skipped,
    "out-of-turn": _out_of_turn,
    "beside": _beside,
    "pool-full": _full,
    "begun-late": _late,
    "never-done": _never_done,
    "task-again": _task_again,
    "trigger-lost": _trigger_lost,
    "update-lost": _update_lost,
    "update-twice": _update_twice,
    "call-lost": _call_lost,
    "call-twice": _call_again,
    "tick-twice": _again,
    "unlisted-run": _unlisted,
}
