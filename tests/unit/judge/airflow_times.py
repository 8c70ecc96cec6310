"""A scheduler in miniature, to plant defects in what it did: what a good one records of DAGs that run by themselves.

It looks every half second, makes the next run of each DAG that is due, and works out the one after it as Airflow does;
while it is away, it does nothing. Seconds are those of the run; Airflow's wall clock reads `WALL` where they are 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from harness.history import End, Event, Fault, History, Mark, Meta, Op, Record
from harness.records import Schedule
from tests.unit.builders import at, meta

WALL = datetime(2026, 6, 1, 12, tzinfo=UTC)
ASKED, END = 200.0, 205.0
STEP = 0.5
READ_EVERY = 30.0  # the DAG's file
FILLED = 1.0  # when a backfill is asked for
ASSET, POOL = "file", "narrow"


@dataclass(frozen=True)
class Dag:
    """A DAG with a run every `period` s, of which one task lasts `length` s. One of period 0 waits for the asset. The
    last `backfill` runs before its start are asked for as a backfill."""

    name: str
    period: int = 10
    length: float = 2.0
    kind: Literal["cron", "delta", "asset"] = "delta"
    interval: bool = True
    catchup: bool = True
    most: int | None = None
    pooled: bool = False
    produces: bool = False
    deferred: bool = False
    callbacks: bool = False
    unpaused: float = 0.0
    backfill: int = 0

    @property
    def task(self) -> str:
        return "wait" if self.deferred else "work"

    def schedule(self) -> Schedule:
        return Schedule(
            kind=self.kind,
            expression=f"* * * * * */{self.period}" if self.kind == "cron" else "",
            every_s=float(self.period),
            interval=self.interval,
            start=wall(0),
            unpaused=wall(self.unpaused),
            catchup=self.catchup,
            max_active_runs=self.most,
            tasks=(("first", -1), (self.task, -1)),
            pools={self.task: POOL} if self.pooled else {},
            consumes=(ASSET,) if self.kind == "asset" else (),
            produces={ASSET: self.task} if self.produces else {},
            callbacks=(("success", ""), ("success", "first")) if self.callbacks else (),
            deferred={self.task: self.length} if self.deferred else {},
            backfill_s=float(self.backfill * self.period),
        )


@dataclass
class Run:
    dag: Dag
    tick: float | None
    due: float
    made: float
    consumed: list[Run] = field(default_factory=list)
    began: float | None = None
    worked: float | None = None
    done: float | None = None
    ended: float | None = None
    filled: bool = False

    @property
    def kind(self) -> str:
        return "backfill" if self.filled else "asset_triggered" if self.tick is None else "scheduled"

    @property
    def name(self) -> str:
        return f"{self.kind}__{wall(self.due)}"


class Life:
    """What became of some DAGs, with schedulers away in each of `away`, and the records of it."""

    def __init__(self, dags: Iterable[Dag], away: Iterable[tuple[float, float]]) -> None:
        self.dags, self.away = list(dags), list(away)
        self.runs: list[Run] = []
        self.slots = 1

    def __repr__(self) -> str:
        return f"<away {self.away}: {self.dags[0]}, {', '.join(f'{d.name} every {d.period} s' for d in self.dags[1:])}>"

    def live(self) -> Life:
        pending = {dag.name: _following(dag, None, 0.0) for dag in self.dags if dag.kind != "asset"}
        self.runs += [_filled(dag, number) for dag in self.dags for number in range(dag.backfill, 0, -1)]
        now = 0.0
        while now < END:
            self._work(now)
            if now % READ_EVERY == 7:
                self._look_again(pending, now)
            if not any(a <= now < b for a, b in self.away):
                self._schedule(pending, now)
            now += STEP
        return self

    def _look_again(self, pending: dict[str, float], now: float) -> None:
        for dag in (dag for dag in self.dags if dag.name in pending):
            pending[dag.name] = _following(dag, self._last(dag), now)

    def _schedule(self, pending: dict[str, float], now: float) -> None:
        for run in self.runs:
            if run.done is not None and run.ended is None:
                run.ended = now
        for dag in (dag for dag in self.dags if dag.unpaused <= now and not self._full(dag)):
            if dag.kind == "asset":
                self._consume(dag, now)
                continue
            due = pending[dag.name] + dag.period * dag.interval
            if due <= now:
                self.runs.append(Run(dag, pending[dag.name], due, now))
                pending[dag.name] = _following(dag, pending[dag.name], now)
        for run in self.runs:
            if run.began is None and run.made < now and not (run.filled and self._fills(run.dag)):
                run.began = now

    def _consume(self, dag: Dag, now: float) -> None:
        consumed = {id(one) for run in self.runs for one in run.consumed}
        done = (r for r in self.runs if r.dag.produces and r.done is not None and r.done < now)
        fresh = [run for run in done if id(run) not in consumed]
        if fresh:
            self.runs.append(Run(dag, None, now, now, fresh))

    def _work(self, now: float) -> None:
        """Tasks go on by themselves, but what waits for a slot waits for another to end."""
        at_work = [run for run in self.runs if run.done is None]
        for run in at_work:
            if run.worked is not None and now >= run.worked + run.dag.length:
                run.done = now
        for run in at_work:
            held = sum(r.dag.pooled and r.worked is not None and r.done is None for r in at_work)
            if run.began is not None and run.worked is None and not (run.dag.pooled and held >= self.slots):
                run.worked = max(now, run.began + STEP / 2)

    def _full(self, dag: Dag) -> bool:
        return sum(r.ended is None and r.dag == dag and not r.filled for r in self.runs) >= (dag.most or 16)

    def _fills(self, dag: Dag) -> bool:
        return any(r.filled and r.dag == dag and r.began is not None and r.ended is None for r in self.runs)

    def _last(self, dag: Dag) -> float | None:
        ticks = (r.tick for r in self.runs if r.dag == dag and not r.filled and r.tick is not None)
        return max(ticks, default=None)

    def records(self) -> list[Record]:
        """All but the end."""
        listed = [record for dag in self.dags for record in self._listed(dag)]
        listed += [record for dag in self.dags if dag.backfill for record in asked_for(dag)]
        marks = [record for run in self.runs for record in _marks(run)]
        ledger = {"marks": sum(isinstance(record, Mark) for record in marks), "complete": True}
        rest = [*_clock(), *marks, *self._faults(), probe(0.0, "ledger", "started"), *listed]
        rest.append(probe(ASKED + 3, "ledger", "stopped", **ledger))
        return [self.meta(), *sorted(rest, key=lambda record: record.t)]

    def meta(self) -> Meta:
        return meta({}, schedules={dag.name: dag.schedule() for dag in self.dags}, pools={POOL: self.slots})

    def _listed(self, dag: Dag) -> list[Record]:
        mine = [run for run in self.runs if run.dag == dag and run.made < ASKED]
        lines = [scheduled(run) for run in mine]
        return [listed("invoke", dag.name, 0.0), *lines, listed("ok", dag.name, 2.0, runs=len(lines))]

    def _faults(self) -> list[Record]:
        found: list[Record] = []
        for number, (since, until) in enumerate(self.away):
            target = {"kind": "Pod", "name": f"airflow/scheduler-{number}", "uid": f"uid-{number}"}
            for phase, t in (("injected", since), ("ended", max(since + 1, until - 2))):
                found.append(Fault(t=at(t), id=f"f{number}", action="kill_pods", phase=phase, target=target))  # type: ignore[arg-type]
        return found


def wall(seconds: float) -> str:
    return (WALL + timedelta(seconds=seconds)).isoformat()


def probe(t: float, who: str, what: str, **value: Any) -> Event:
    return Event(t=at(t), source="probe", object=who, what=what, value=value)


def listed(type_: Literal["invoke", "ok", "info"], dag: str, later: float, **value: Any) -> Op:
    return Op(t=at(ASKED + later), process="schedule", f="listed", type=type_, value={"dag": dag, **value})


def asked_for(dag: Dag, answer: Literal["ok", "fail", "info"] = "ok") -> list[Record]:
    first, last = wall(-dag.backfill * dag.period), wall(-dag.period)
    asked = {"dag": dag.name, "from_date": first, "to_date": last}
    steps: tuple[tuple[float, Literal["invoke", "ok", "fail", "info"], dict[str, str]], ...] = (
        (FILLED - STEP, "invoke", asked), (FILLED, answer, {"dag": dag.name}),
    )  # fmt: skip
    return [Op(t=at(t), process="schedule", f="backfill", type=type_, value=value) for t, type_, value in steps]


def scheduled(run: Run) -> Op:
    over = run.ended is not None and run.ended < ASKED
    value: dict[str, Any] = {
        "dag": run.dag.name,
        "dag_run": run.name,
        "logical_date": None if run.tick is None else wall(run.tick),
        "run_after": wall(run.due),
        "queued_at": wall(run.made),
        "state": "success" if over else "running",
        "run_type": run.kind,
        "end_date": wall(run.ended) if over and run.ended is not None else None,
    }
    if run.dag.kind == "asset":
        value["consumed"] = [[round(r.due * 4), ASSET, r.dag.name, r.name] for r in run.consumed]
    return Op(t=at(ASKED + 1), process="schedule", f="scheduled", type="ok", value=value)


def _marks(run: Run) -> Iterable[Record]:
    moments = {
        ("first", "start"): run.began,
        ("first", "end"): None if run.began is None else run.began + STEP / 4,
        (run.dag.task, "start"): run.worked,
        (run.dag.task, "end"): run.done,
    }
    for (task, edge), t in moments.items():
        if t is not None:
            yield Mark(t=at(t), dag=run.dag.name, dag_run=run.name, task=task, try_=1, mark=edge, executor_host="w")  # type: ignore[arg-type]
    if run.dag.callbacks and run.ended is not None:
        for task in ("", "first"):
            told = {"dag": run.dag.name, "dag_run": run.name, "task": task, "kind": "success"}
            yield Event(t=at(run.ended + STEP), source="job", object="callback", what="called", value=told)


def _clock() -> list[Record]:
    return [probe(t, "clock", "offset", wall=wall(t), error_ns=at(0.01)) for t in (1.0, 80.0, 190.0)]


def _filled(dag: Dag, number: int) -> Run:
    tick = float(-number * dag.period)
    return Run(dag, tick, tick + dag.period * dag.interval, FILLED, filled=True)


def _following(dag: Dag, last: float | None, now: float) -> float:
    """The logical second of the next run, as Airflow works it out at `now`."""
    first = 0.0 if last is None else last + dag.period
    newest = math.floor(now / dag.period) * dag.period - dag.period * dag.interval
    return first if dag.catchup else max(first, float(newest))


def whole(records: Iterable[Record]) -> History:
    return History.of([*records, End(t=at(END), complete=True)])


def rename(records: list[Record], change: Callable[[Op], dict[str, Any] | None]) -> list[Record]:
    """The records with what Airflow says of each run changed; None drops it. The counts go along."""
    kept: list[Record] = []
    for record in records:
        if isinstance(record, Op) and record.f == "scheduled":
            value = change(record)
            kept += [] if value is None else [record.model_copy(update={"value": value})]
        else:
            kept.append(record)
    return recount(kept)


def recount(records: list[Record]) -> list[Record]:
    """The same, with as many runs and marks as there are now said to be there."""
    runs = [r.value["dag"] for r in records if isinstance(r, Op) and r.f == "scheduled"]
    marks = sum(isinstance(r, Mark) for r in records)
    out: list[Record] = []
    for r in records:
        if isinstance(r, Op) and (r.f, r.type) == ("listed", "ok"):
            out.append(r.model_copy(update={"value": {**r.value, "runs": runs.count(r.value["dag"])}}))
        elif isinstance(r, Event) and (r.object, r.what) == ("ledger", "stopped"):
            out.append(r.model_copy(update={"value": {**r.value, "marks": marks}}))
        else:
            out.append(r)
    return out


def life(*dags: Dag, away: Iterable[tuple[float, float]] = ()) -> Life:
    return Life(dags, away).live()
