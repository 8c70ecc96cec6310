"""The lines of a history, format 1: one class per kind.

Times are integer nanoseconds of the host's monotonic clock since the run began. Unknown fields are ignored, so a newer
harness may add some.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

NS = 1_000_000_000
MOST_T = 1 << 62  # 146 years
ABORTED = "aborted"  # `what` of a probe event: who ended the run early, with `because` in its value


class Record(BaseModel):
    """One line; `t` is nanoseconds since the run began."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    t: int = Field(ge=0, le=MOST_T)


class Schedule(BaseModel):
    """What a scheduled DAG owes, as its file says: enough to work out its runs without asking Airflow.

    Times are Airflow's wall time in ISO 8601. `expression` is cron of 5 fields, or 6 with seconds last. With
    `interval`, a run for [a, b) is due at b, else at its tick. Runs of kind `asset` are called for by updates of the
    assets that it `consumes`. `pools` is task → pool, `produces` asset → task, `deferred` task → seconds that it waits,
    `callbacks` the kinds (success, failure, deadline) that a run owes, each with its task, or "" for the DAG.
    The runs due in the `backfill_s` before its start are requested as a backfill.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    kind: Literal["cron", "delta", "asset"]
    expression: str = ""
    every_s: float = 0
    interval: bool = False
    timezone: str = "UTC"
    start: str = ""
    end: str = ""
    unpaused: str
    catchup: bool = False
    max_active_runs: int | None = None
    tasks: tuple[tuple[str, int], ...] = ()
    pools: dict[str, str] = {}
    consumes: tuple[str, ...] = ()
    produces: dict[str, str] = {}
    callbacks: tuple[tuple[str, str], ...] = ()
    deferred: dict[str, float] = {}
    backfill_s: float = Field(default=0, exclude_if=lambda seconds: not seconds)


class Meta(Record):
    """The first line: what ran, on what, and the bounds in force (name → limit, unit, origin).

    `component` is what was to be hit; "none" if nothing is, to see what the checks measure without a fault.
    `recovery` are the phases of the recovery that are owed; None if the record does not say.
    `remade` says why the stack was rebuilt before this run, if the previous run left none to continue with.
    `machine` is the processor, cores and memory that it ran on; empty if the record does not say.
    `schedules` are the scheduled DAGs that ran, and `pools` how many slots each of their pools has.
    `ledger`: whether the target has one; without one, only Airflow says what its tasks did.
    """

    kind: Literal["meta"] = "meta"
    format: int
    run_id: str
    experiment: str
    stack: str
    wall: str
    component: str = ""
    versions: dict[str, str] = {}
    replicas: dict[str, int] = {}
    slo: dict[str, dict[str, Any]] = {}
    probe: dict[str, Any] = {}
    seed: int = 0
    recovery: list[str] | None = None
    remade: str = ""
    machine: str = ""
    schedules: dict[str, Schedule] = Field(default={}, exclude_if=lambda every: not every)
    pools: dict[str, int] = Field(default={}, exclude_if=lambda every: not every)
    ledger: bool = Field(default=True, exclude_if=lambda there: there)


class Sample(Record):
    """One request: `t` is when it started, `due` when it should have, `end` when its answer or error came.

    `vantage` is where it was made, if not on this machine; its times are then translated to our clock.
    """

    kind: Literal["sample"] = "sample"
    target: str
    conn: Literal["new", "reused"]
    method: str
    path: str
    due: int = Field(ge=0, le=MOST_T)
    end: int = Field(ge=0, le=MOST_T)
    outcome: Literal["ok", "fail", "info"]
    status: int | None = None
    error: str | None = None
    vantage: str = Field(default="", exclude_if=lambda vantage: not vantage)


class Op(Record):
    """One step of an operation: `invoke`, then one of `ok`, `fail`, `info`.

    `f` is trigger; run; tasks: what Airflow knows in the end of a run's tasks: how many tries each had, which of
    several began, and when and where those `tries` ran, by that host's clock; or there: which of the `runs` that this
    process asked for are there in the end, and the states of those that are `undone` (info: nobody knows).

    Process `prober`, kept: the `value` left at a `path` once nobody writes it any more, and when it was `asked` for
    (fail: there is none; info: nobody knows).
    Process `schedule`, listed: Airflow was asked for all runs of a `dag`, and knew so many `runs` (info: it could not
    be asked); scheduled: one of these runs; backfill: runs of the logical dates from `from_date` to `to_date` were
    asked for (fail: refused; info: nobody knows).
    Process `late`, put: a file has a new `dag` from then on; seen: a run of it was made.
    Processes `database` and `broker`, role: what a `server` says it is (primary, replica or none), and whether it
    `wrote` what it was asked to keep meanwhile (info: no answer); leader: whom the decider (`by`) calls the primary.
    Process `archive`, backup: a base `backup` of the database in a pod is complete, and `begins` with this file of its
    log; position: how far (`lsn`) its log was on disk, and how much of it was `archived`, when it was `asked`.
    """

    kind: Literal["op"] = "op"
    process: str
    f: str
    type: Literal["invoke", "ok", "fail", "info"]
    value: dict[str, Any] = {}


class Mark(Record):
    """What a task wrote about itself, outside Airflow: that one of its attempts started or ended.

    `resumed` on an end: the attempt was deferred in between, so it may have begun on another host. `ti` is Airflow's
    own id of the attempt, which its processes carry in their titles. `dag` is set in marks of scheduled runs, whose ids
    are unique only within a DAG.
    """

    kind: Literal["ledger"] = "ledger"
    dag_run: str
    task: str
    map_index: int = -1
    try_: int = Field(alias="try")
    mark: Literal["start", "end"]
    executor_host: str
    resumed: bool = False
    ti: str = ""
    dag: str = Field(default="", exclude_if=lambda dag: not dag)

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, populate_by_name=True)


class Fault(Record):
    """One step in the life of a fault."""

    kind: Literal["fault"] = "fault"
    id: str
    action: str
    phase: Literal["begin", "injected", "proved", "ended", "rolled-back"]
    target: dict[str, Any] = {}
    evidence: dict[str, Any] = {}


class Event(Record):
    """Something seen in the cluster or in Airflow."""

    kind: Literal["event"] = "event"
    source: Literal["pod", "endpoint", "node", "job", "probe"]
    object: str
    uid: str | None = None
    what: str
    value: dict[str, Any] = {}


class Phase(Record):
    """The edge of a phase."""

    kind: Literal["phase"] = "phase"
    name: Literal["baseline", "fault", "recovery", "cooldown"]
    edge: Literal["begin", "end"]


class End(Record):
    """The last line; without it the history is truncated."""

    kind: Literal["end"] = "end"
    complete: bool


AnyRecord = Annotated[Meta | Sample | Op | Mark | Fault | Event | Phase | End, Field(discriminator="kind")]
ADAPTER: TypeAdapter[AnyRecord] = TypeAdapter(AnyRecord)
KINDS = frozenset({"meta", "sample", "op", "ledger", "fault", "event", "phase", "end"})
