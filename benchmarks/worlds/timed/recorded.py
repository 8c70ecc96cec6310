"""What was recorded of scheduled work: what Airflow listed in the end, marks, callbacks, readings of its clock.

Marks are in the order in which they were written, so all are late by the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from benchmarks.worlds import watched
from benchmarks.worlds.choices import World
from benchmarks.worlds.life import Life
from benchmarks.worlds.sampled import MS
from benchmarks.worlds.timed.dags import POOL, Dag, Plan, plan
from benchmarks.worlds.timed.scheduler import Made
from benchmarks.worlds.timed.seen import ASKED, MARKED, READ_FROM, READ_TO, ended, marked, over
from benchmarks.worlds.unchecked import unchecked
from harness.history import Event, Mark, Op, Record
from harness.records import Schedule

READINGS = (1_000, 40_000, 78_000)
DRIFTED = {1: 2_000, 2: 300}  # milliseconds, by the way that clocks drift
ERROR = 20
# Timetables that are none, or whose runs depend on more than what they say.
ODD: tuple[dict[str, Any], ...] = (
    {"kind": "cron", "expression": "61 * * * *"},
    {"kind": "cron", "expression": "* * * * *", "timezone": "Europe/Atlantis"},
    {"kind": "delta", "every_s": 0.0},
    {"kind": "delta", "every_s": 10.0},
    {"kind": "delta", "every_s": 10.0, "interval": True, "start": "2026-01-01T00:00:03"},
)


def schedules(world: World) -> dict[str, Schedule]:
    """What the DAGs' files say."""
    found = {dag.name: _schedule(dag, plan(world)) for dag in plan(world).dags}
    odd = world.way("odd-timetable")
    if odd is not None and found:
        first = next(iter(found))
        found[first] = found[first].model_copy(update={"interval": False, "catchup": False, "end": "", **ODD[odd]})
    return found


def pools(world: World) -> dict[str, int]:
    made = plan(world)
    return {POOL: made.slots} if any(dag.pools for dag in made.dags) else {}


def _schedule(dag: Dag, made: Plan) -> Schedule:
    return Schedule(
        kind=dag.kind,
        unpaused=made.text(dag.unpaused),
        catchup=dag.catchup,
        max_active_runs=dag.most,
        tasks=tuple((task, -1) for task in dag.tasks),
        pools=dag.pools,
        consumes=dag.consumes,
        produces=dag.produces,
        callbacks=dag.calls,
        deferred={task: ms / 1000 for task, ms in dag.waits.items()},
        **dag.said,
    )


def recorded(life: Life, world: World) -> Iterator[Record]:
    if world.way("schedules") is None:
        return
    unread = world.way("ledger-unread")
    until = watched.UNREAD_FROM[unread] if unread is not None else READ_TO
    yield from _clock(world, plan(world))
    for run in life.timed:
        yield from _marks(run, until)
        yield from _calls(run, until)
    for dag in plan(world).dags:
        yield from _listed(life, world, dag)


def _clock(world: World, made: Plan) -> Iterator[Record]:
    way = world.way("clock")
    for number, t in enumerate(READINGS[:1] if way == 0 else READINGS):
        drifted = DRIFTED.get(-1 if way is None else way, 0) * number // (len(READINGS) - 1)
        yield watched.probe(t, "clock", "offset", wall=made.text(t + drifted + 7 - 5 * number), error_ns=ERROR * MS)


def _marks(run: Made, until: int) -> Iterator[Record]:
    for attempt in marked(run):
        end = ended(attempt)
        edges: list[tuple[Literal["start", "end"], int, str]] = [("start", attempt.start, attempt.host)]
        edges += [] if end is None else [("end", end, attempt.resumed or attempt.host)]
        for mark, t, host in edges:
            if t + MARKED < until:
                yield _mark(run, attempt.task, attempt.try_, mark, t, host, resumed=mark == "end" and attempt.resumed)
    for attempt in run.attempts:
        if attempt.start + MARKED < READ_FROM and (end := ended(attempt)) is not None and end + MARKED < until:
            yield _mark(run, attempt.task, attempt.try_, "end", end, attempt.host, resumed=attempt.resumed)


def _mark(
    run: Made, task: str, try_: int, mark: Literal["start", "end"], t: int, host: str, *, resumed: object
) -> Mark:
    return unchecked(Mark,
        t=(t + MARKED) * MS, dag=run.dag.name, dag_run=run.name, task=task, try_=try_, mark=mark, executor_host=host,
        resumed=bool(resumed), ti=f"{run.dag.name}-{run.name}-{task}-{try_}",
    )  # fmt: skip


def _calls(run: Made, until: int) -> Iterator[Record]:
    for kind, task, t in run.calls:
        if READ_FROM <= t < min(until, ASKED + 300):
            value = {"dag": run.dag.name, "dag_run": run.name, "task": task, "kind": kind}
            yield unchecked(Event, t=t * MS, source="job", object="callback", what="called", value=value)


def _listed(life: Life, world: World, dag: Dag) -> Iterator[Record]:
    way, made = world.way("unlisted"), plan(world)
    mine = [run for run in life.timed if run.dag is dag and run.known and run.made < ASKED]
    first = dag is made.dags[0]
    yield _op(ASKED, "listed", "invoke", {"dag": dag.name})
    for run in mine[1:] if first and way == 1 else mine:
        value = _value(run, made)
        if way == 2:
            value["consumed"] = None
        if way == 3 and first:
            value["queued_at"] = None
        yield _op(ASKED + 20, "scheduled", "ok", value)
    if not (first and way == 0):
        yield _op(ASKED + 30, "listed", "ok", {"dag": dag.name, "runs": len(mine)})
    else:
        yield _op(ASKED + 30, "listed", "info", {"dag": dag.name, "error": "no answer"})


def _value(run: Made, made: Plan) -> dict[str, Any]:
    tick = run.tick
    moved = run.logical - tick.logical if tick and run.logical is not None else 0
    value: dict[str, Any] = {
        "dag": run.dag.name,
        "dag_run": run.name,
        "run_type": "scheduled" if tick else "asset_triggered",
        "state": run.state if over(run) else "running",
        "logical_date": made.text(tick.logical + moved) if tick else None,
        "run_after": made.text((tick.due if tick else run.made) + moved),
        "queued_at": made.text(run.made),
        "end_date": made.text(run.ended) if over(run) and run.ended is not None else None,
    }
    if run.dag.consumes:
        value["consumed"] = [[u.number, u.asset, u.source.dag.name, u.source.name] for u in run.consumed]
    return value


def _op(t: int, f: str, type_: Literal["invoke", "ok", "info"], value: dict[str, Any]) -> Op:
    return unchecked(Op, t=t * MS, process="schedule", f=f, type=type_, value=value)
