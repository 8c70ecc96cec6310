"""What goes otherwise than it should, done to a life: promises that are broken, and what breaks of itself."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.worlds.choices import World
from benchmarks.worlds.life import END, HIT, PROBED_UNTIL, Attempt, Life, Outage, Pod, Run
from benchmarks.worlds.stack import SERIES

NEAR = 2_100
LASTING = (700, 1_600, 2_700, 4_500, 9_000, 14_000)


def twist(life: Life, world: World) -> None:
    """Do to a life what the world says goes otherwise."""
    rng = random.Random(world.seed + 1)  # noqa: S311
    for what, do in _TWISTS.items():
        way = world.way(what)
        if way is not None:
            do(life, way, rng)


def _outage(life: Life, way: int, rng: random.Random, series: tuple[int, ...], begin: int) -> None:
    key = SERIES[series[way % len(series)]][0]
    lasts = LASTING[way % len(LASTING)] + rng.randrange(400)
    # Two of a series that are so near to each other may be one to whoever asks now and then.
    near = [o for o in life.outages if o.key == key and o.end > begin - NEAR and o.begin < begin + lasts + NEAR]
    life.outages = [o for o in life.outages if o not in near]
    life.outages.append(Outage(key, begin, begin + lasts, ("fail", "info")[way // len(LASTING) % 2]))


def _read_outage(life: Life, way: int, rng: random.Random) -> None:
    _outage(life, way, rng, (0, 1, 2), (21_000, 31_000)[way // 12] + rng.randrange(10_000))


def _write_outage(life: Life, way: int, rng: random.Random) -> None:
    _outage(life, way, rng, (3,), 22_000 + rng.randrange(20_000))


def _early_outage(life: Life, way: int, rng: random.Random) -> None:
    _outage(life, way * 2 + 1, rng, (way,), 3_000 + rng.randrange(1_000))


def _slow(life: Life, way: int, rng: random.Random) -> None:
    begin = 46_000 + rng.randrange(5_000)
    life.slow.append((SERIES[way % 4][0], begin, begin + (1_100, 20_000)[way // 4], 900))


def _run(life: Life, way: int) -> Run:
    """One that the fault did not meet."""
    whole = [run for run in life.runs if run.ended is not None and (run.ended < HIT or run.asked > HIT)]
    return whole[-1 - way] if whole else life.runs[0]


def _run_fails(life: Life, way: int, _: random.Random) -> None:
    run = _run(life, way)
    run.state = "failed" if run.ended is not None else run.state


def _task_lost(life: Life, way: int, _: random.Random) -> None:
    run = _run(life, way)
    run.attempts = run.attempts[:-1] if run.ended is not None else run.attempts


def _again(run: Run, start: int, try_: int | None, *, known: bool) -> None:
    first = next((a for a in run.attempts if a.end is not None), None)
    if first is None or first.end is None:
        return
    at = first.end + start if start > 0 else first.start - start
    run.attempts.append(Attempt(first.task, try_ or first.try_, first.host, at, at + 900, known=known))


def _twice(life: Life, way: int, _: random.Random) -> None:
    _again(_run(life, way), 120, None, known=False)


def _overlap(life: Life, way: int, _: random.Random) -> None:
    run = _run(life, way)
    _again(run, -700, 1 + max((attempt.try_ for attempt in run.attempts), default=1), known=True)


def _retried(life: Life, way: int, rng: random.Random) -> None:
    """An attempt that died, and Airflow began another."""
    run = _run(life, way)
    if run.attempts and run.attempts[0].end is not None:
        old = run.attempts[0]
        died = Attempt(old.task, old.try_, old.host, old.start - 90, None)
        run.attempts[0] = Attempt(old.task, old.try_ + 1, old.host, old.start, old.end)
        run.attempts.insert(0, died)


def _unknown_try(life: Life, way: int, _: random.Random) -> None:
    _again(_run(life, way), 150, 7, known=False)


def _orphans_left(life: Life, way: int, _: random.Random) -> None:
    for job in life.jobs:
        if any(state == "failed" for _, state in job.states):
            t = job.states.pop()[0]
            if way:
                job.states += [(t, "failed"), (t + 9_000, "running")]


def _unstable(life: Life, way: int, _: random.Random) -> None:
    """What replaced what was hit does not stay: away for a while, or started again."""
    for pod in [p for p in life.pods if p.name.endswith("-again") and p.ready[0][0] < END][:1]:
        begin = pod.ready[0][0]
        away = 52_000 + 500 * way
        pod.ready = [(begin, away), (away + 8_000, END + 1)]
        if way % 2:
            pod.restarts.append(away)


def _stops_beating(life: Life, way: int, _: random.Random) -> None:
    for job in [j for j in life.jobs if j.begun > HIT][:1]:
        if way:
            job.states.append((45_000, "failed"))
        job.beats = job.beats[:2]


def _restart(life: Life, way: int, rng: random.Random) -> None:
    """A pod that no fault hits is started again: before the fault, or after all was whole."""
    component = ("api-server", "ingress", "triggerer")[way % 3]
    pod = life.of(component)[1]
    t = 8_000 if way < 3 else 52_000
    pod.ready = [(a, b) for a, b in ((pod.ready[0][0], t), (t + 3_000 + rng.randrange(999), pod.ready[-1][1])) if b > a]
    pod.restarts.append(t + 1_000)


def _one_node(life: Life, way: int, _: random.Random) -> None:
    for pod in life.of(("api-server", "ingress", "triggerer")[way]):
        pod.node = "node-1"


def _stale(life: Life, way: int, _: random.Random) -> None:
    """Not seen in time, or seen and then not."""
    for run in life.runs[3 : 4 + way % 2]:
        times = [t for t, _ in run.seen]
        run.seen = list(zip(times, (False, False, True) if way < 2 else (True, True, False), strict=True))


def _stream_broken(life: Life, way: int, _: random.Random) -> None:
    for run in [r for r in life.runs if r.ended is not None and r.ended > HIT][1 : 2 + way]:
        run.broken = True


def _forgets(life: Life, way: int, _: random.Random) -> None:
    """Only what was written last, for a while, or anything."""
    life.forgets = (PROBED_UNTIL - 1_500, 60_000, 0)[way]


def _unanswered(life: Life, way: int, _: random.Random) -> None:
    life.runs[1].answered, life.runs[1].listed = bool(way), not way


def _undo(life: Life, way: int, _: random.Random) -> None:
    life.undone += 1_500 * (1 + way % 2)
    life.whole = way < 2


def _left_pod(life: Life, way: int, _: random.Random) -> None:
    for pod in [p for p in life.of("task") if p.ready[-1][1] < 40_000][: 1 + way]:
        pod.gone = None


def _extra_pod(life: Life, way: int, _: random.Random) -> None:
    for pod in life.of("task")[3 : 4 + way]:
        life.pods.append(Pod("task", f"{pod.name}-b", pod.node, pod.born, pod.ready, pod.gone, task=pod.task))


_TWISTS: dict[str, Callable[[Life, int, random.Random], None]] = {
    "read-outage": _read_outage,
    "write-outage": _write_outage,
    "early-outage": _early_outage,
    "slow": _slow,
    "run-fails": _run_fails,
    "task-lost": _task_lost,
    "retried": _retried,  # before what counts its tries
    "twice": _twice,
    "overlap": _overlap,
    "unknown-try": _unknown_try,
    "orphans-left": _orphans_left,
    "unstable": _unstable,
    "stops-beating": _stops_beating,
    "restart": _restart,
    "one-node": _one_node,
    "stale": _stale,
    "stream-broken": _stream_broken,
    "forgets": _forgets,
    "trigger-unanswered": _unanswered,
    "undo": _undo,
    "left-pod": _left_pod,
    "extra-pod": _extra_pod,
}
