"""The answers of Airflow's REST API, typed; fields that nobody here needs are ignored."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

OVER = frozenset({"success", "failed"})


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Tag(Answer):
    """A tag of a DAG."""

    name: str


class Dag(Answer):
    """A DAG that Airflow has read from its file."""

    dag_id: str
    is_paused: bool
    tags: tuple[Tag, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Its tags."""
        return tuple(tag.name for tag in self.tags)


class DagDetails(Dag):
    """A DAG as its newest file defines it; `file_token` names that file when we ask for it to be parsed again."""

    start_date: str | None
    file_token: str


class ListedRun(Answer):
    """Everything that we need to know about a scheduled run; times are RFC 3339."""

    run_id: str = Field(alias="dag_run_id")
    run_type: str
    state: str
    logical_date: str | None
    run_after: str
    queued_at: str | None
    end_date: str | None

    @property
    def over(self) -> bool:
        return self.state in OVER


class Backfill(Answer):
    """A backfill of a DAG; `completed_at` is None until all its runs are over."""

    id: int
    completed_at: str | None


class Update(Answer):
    """An update of an asset, and who made it."""

    id: int
    name: str | None
    dag: str | None = Field(alias="source_dag_id")
    run_id: str | None = Field(alias="source_run_id")


class RunState(Answer):
    """A DAG run: `state` is queued, running, success or failed."""

    run_id: str = Field(alias="dag_run_id")
    state: str


class Try(Answer):
    """One try of a task. If it was withdrawn before it started, `started` may be the start of the try before it.

    Times are RFC 3339, by the clock of the host that it ran on.
    """

    number: int = Field(alias="try_number")
    state: str | None = None
    started: str | None = Field(alias="start_date")
    ended: str | None = Field(alias="end_date", default=None)
    hostname: str | None = None


class TaskState(Try):
    """A task instance, which is its last try; `state` is None before it is scheduled. `id` is Airflow's own."""

    id: str = ""
    run_id: str = Field(alias="dag_run_id", default="")
    task_id: str
    map_index: int


class Job(Answer):
    """A scheduler or triggerer as it registers itself in the database; `latest_heartbeat` is RFC 3339."""

    id: int
    hostname: str | None
    state: str | None
    latest_heartbeat: str | None


class DeferredTask(Answer):
    """A task that waits in a triggerer; `triggerer` is None until one has taken it."""

    run_id: str = Field(alias="dag_run_id")
    task_id: str
    triggerer: Job | None = Field(alias="triggerer_job")


@dataclass(frozen=True)
class TriggerReply:
    """The answer to a trigger, from Airflow or whatever is in front of it: 200 or 201 means that the run was made, 409
    that it existed. For a backfill, 200 means that all runs were made.

    `made_at` is when, by the clock of the api-server that made it.
    """

    status: int
    detail: str
    made_at: str = ""

    @property
    def made(self) -> bool:
        return self.status in (200, 201)
