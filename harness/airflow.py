"""The only door to Airflow: calls to its REST API, version 2, with typed answers."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence

from harness.answers import (
    OVER,
    Backfill,
    Dag,
    DagDetails,
    DeferredTask,
    Job,
    ListedRun,
    RunState,
    TaskState,
    TriggerReply,
    Try,
    Update,
)
from harness.calls import PAGE, AirflowUnavailable, Calls, Json

__all__ = ["Airflow", "AirflowUnavailable"]

NEWS_PAGE = 25


class Airflow(Calls):
    """What Airflow can be asked, and told to do."""

    def version(self) -> str:
        """The version of Airflow that answers; needs no login."""
        body = self._get("/api/v2/version", {}, login=False)
        return str(body.get("version", ""))

    def dags(self) -> list[Dag]:
        """Every DAG that Airflow knows."""
        return list(self._every("/api/v2/dags", "dags", Dag, {"order_by": "dag_id"}))

    def details(self, dag: str) -> DagDetails:
        """A DAG as its newest file defines it."""
        path = f"/api/v2/dags/{dag}/details"
        return self._typed(path, self._get(path, {}), DagDetails)

    def read_again(self, file_token: str) -> None:
        """Ask the DAG processor to parse a file next. Asked twice, it parses it once."""
        path = f"/api/v2/parseDagFile/{file_token}"
        reply = self._send_as_user("PUT", path)
        if reply.status_code not in (201, 409):
            raise self._unexpected("PUT /api/v2/parseDagFile", reply)

    def unpause(self, dag: str) -> None:
        """Let the runs of a DAG start."""
        self.pause(dag, paused=False)

    def pause(self, dag: str, *, paused: bool = True) -> None:
        """Stop new runs of a DAG from being created, and new tasks of existing ones from starting."""
        reply = self._send_as_user("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": paused})
        if reply.status_code != 200:
            raise self._unexpected(f"PATCH {dag}", reply)

    def trigger(self, dag: str, run_id: str) -> TriggerReply:
        """Ask once for a run with our own id. Any HTTP answer is a reply; 200 and 201 must name that run, and after a
        401 the next call logs in again."""
        path = f"/api/v2/dags/{dag}/dagRuns"
        reply = self._send_once("POST", path, json={"dag_run_id": run_id, "logical_date": None})
        if reply.status_code not in (200, 201):
            return TriggerReply(reply.status_code, reply.text[:200])
        body = self._body(reply)
        if body.get("dag_run_id") != run_id:
            raise self._unexpected(f"POST {path}", reply)
        return TriggerReply(reply.status_code, reply.text[:200], str(body.get("queued_at") or ""))

    def runs(self, dag: str, prefix: str = "") -> list[RunState]:
        """Every run of a DAG whose id begins with `prefix`, oldest first."""
        every = self._every(f"/api/v2/dags/{dag}/dagRuns", "dag_runs", RunState, _begins(prefix) | {"order_by": "id"})
        return [run for run in every if run.run_id.startswith(prefix)]

    def listed(self, dag: str) -> list[ListedRun]:
        """Every run of a DAG, with all that it takes to judge its schedule, oldest first."""
        return list(self._every(f"/api/v2/dags/{dag}/dagRuns", "dag_runs", ListedRun, {"order_by": "id"}))

    def consumed(self, dag: str, run_id: str) -> list[Update]:
        """The asset updates that a run was created for; the answer is not paged."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/upstreamAssetEvents"
        body = self._get(path, {})
        updates = body.get("asset_events")
        if not isinstance(updates, list) or len(updates) != body.get("total_entries"):
            raise AirflowUnavailable(f"GET {path} was not answered as Airflow's API does: {body}")
        return [self._typed(path, one, Update) for one in updates]

    def forget(self, dag: str, runs: Sequence[ListedRun]) -> None:
        """Delete runs of a DAG and all their tasks; unfinished runs are failed first."""
        for first in range(0, len(runs), PAGE):
            some = runs[first : first + PAGE]
            going = [{"dag_id": dag, "dag_run_id": run.run_id, "state": "failed"} for run in some if not run.over]
            end = [{"action": "update", "entities": going}] if going else []
            delete = {"action": "delete", "entities": [{"dag_id": dag, "dag_run_id": run.run_id} for run in some]}
            reply = self._send_as_user("PATCH", "/api/v2/dags/~/dagRuns", json={"actions": [*end, delete]})
            done = self._body(reply).get("delete") if reply.status_code == 200 else None
            if not isinstance(done, dict) or done.get("errors"):
                raise self._unexpected(f"PATCH runs of {dag}", reply)

    def backfill(self, dag: str, from_date: str, to_date: str, at_once: int) -> TriggerReply:
        """Ask once for a backfill of the logical dates between two moments, `at_once` runs at a time. Any HTTP answer
        is a reply; a 200 comes only after all runs were made."""
        path = "/api/v2/backfills"
        said: Json = {"dag_id": dag, "from_date": from_date, "to_date": to_date, "max_active_runs": at_once}
        reply = self._send_as_user("POST", path, json=said)
        if reply.status_code == 200 and self._body(reply).get("dag_id") != dag:
            raise self._unexpected(f"POST {path}", reply)
        return TriggerReply(reply.status_code, reply.text[:200])

    def cancel_backfills(self, dag: str) -> None:
        """End each unfinished backfill of a DAG, so that another can be requested: only one may run at a time."""
        for one in self._every("/api/v2/backfills", "backfills", Backfill, {"dag_id": dag, "order_by": "id"}):
            if one.completed_at is None:
                reply = self._send_as_user("PUT", f"/api/v2/backfills/{one.id}/cancel")
                if reply.status_code not in (200, 409):
                    raise self._unexpected(f"PUT backfill {one.id} of {dag}", reply)

    def drop(self, dag: str) -> None:
        """Delete a DAG with all of its runs, if it exists."""
        reply = self._send_as_user("DELETE", f"/api/v2/dags/{dag}")
        if reply.status_code not in (204, 404):
            raise self._unexpected(f"DELETE {dag}", reply)

    def pool(self, name: str, slots: int) -> None:
        """Create a pool with this many slots, or set them if it exists."""
        reply = self._send_as_user("POST", "/api/v2/pools", json={"name": name, "slots": slots})
        if reply.status_code == 409:
            said = {"pool": name, "slots": slots, "include_deferred": False}
            reply = self._send_as_user("PATCH", f"/api/v2/pools/{name}", json=said)
        if reply.status_code not in (200, 201):
            raise self._unexpected(f"pool {name}", reply)

    def knows(self, dag: str, run_id: str) -> bool:
        """Whether anybody who asks can see a run."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}"
        reply = self._send_as_user("GET", path)
        if reply.status_code == 200 and self._body(reply).get("dag_run_id") == run_id:
            return True
        if reply.status_code == 404 and "detail" in self._body(reply):
            return False
        raise self._unexpected(f"GET {path}", reply)

    def states(self, dag: str, run_id: str, every_s: int) -> Iterator[str]:
        """The state of a run every `every_s` seconds until it is over, from one answer that stays open.

        Raises `AirflowUnavailable` if it breaks off, is silent for too long, or ends before the run does.
        """
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/wait"
        state = ""
        with self._send_as_user("GET", path, params={"interval": every_s}, stream=True) as reply:
            if reply.status_code != 200:
                raise self._unexpected(f"GET {path}", reply)
            with self._told(f"GET {path}"):
                for line in filter(None, reply.iter_lines(chunk_size=1)):
                    state = str(json.loads(line)["state"])
                    yield state
        if state not in OVER:
            raise AirflowUnavailable(f"GET {path} at {self.base_url} ended while the run was {state or 'unheard of'}")

    def ensure(self, path: str, body: Json) -> None:
        """Create the object at `path` that writes will change, if it does not exist."""
        if self._send_as_user("GET", path).status_code == 200:
            return
        reply = self._send_as_user("POST", path.rpartition("/")[0], json=body)
        if reply.status_code not in (200, 201, 409):
            raise self._unexpected(f"POST {path}", reply)

    def variable(self, path: str) -> str | None:
        """The value of the Variable at this path; None if there is none."""
        body = self._body(reply := self._send_as_user("GET", path))
        if reply.status_code == 404 and "detail" in body:
            return None
        if reply.status_code == 200 and isinstance(value := body.get("value"), str):
            return value
        raise self._unexpected(f"GET {path}", reply)

    def finished(self, dag: str, prefix: str, known: Container[str]) -> list[RunState]:
        """Finished runs that are not `known`, read from the newest back to a page of known ones.

        Cheap when thousands of runs are over, but can miss one that Airflow wrote late, so ask `runs` at the end.
        """
        query = _begins(prefix) | {"order_by": "-end_date", "state": ["success", "failed"]}
        news: list[RunState] = []
        for page in self._pages(f"/api/v2/dags/{dag}/dagRuns", "dag_runs", RunState, query, NEWS_PAGE):
            new = [run for run in page if run.run_id.startswith(prefix) and run.run_id not in known]
            news.extend(new)
            if not new:
                break
        return news

    def task_instances(self, dag: str, run_id: str) -> list[TaskState]:
        """The tasks of one run."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances"
        return list(self._every(path, "task_instances", TaskState, {}))

    def begun(self, dag: str, run_id: str, task: TaskState) -> list[Try]:
        """The tries of a task that began to run, in order. One that was queued and then withdrawn has no start, or the
        start of the try before it."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances/{task.task_id}"
        path += f"/{task.map_index}/tries" if task.map_index >= 0 else "/tries"
        tries = sorted(self._every(path, "task_instances", Try, {}), key=lambda one: one.number)
        starts = [None, *(one.started for one in tries)]
        return [one for before, one in zip(starts, tries, strict=False) if one.started not in (None, before)]

    def running(self, prefix: str) -> list[TaskState]:
        """Every task that is running now, of runs whose id begins with `prefix`."""
        path = "/api/v2/dags/~/dagRuns/~/taskInstances"
        every = self._every(path, "task_instances", TaskState, {"state": ["running"]})
        return [task for task in every if task.run_id.startswith(prefix)]

    def scheduler_jobs(self) -> list[Job]:
        """The latest schedulers, dead ones too, newest first."""
        query = {"job_type": "SchedulerJob", "order_by": "-id"}
        return next(self._pages("/api/v2/jobs", "jobs", Job, query, NEWS_PAGE), [])

    def deferred(self) -> list[DeferredTask]:
        """Every task that waits in a triggerer, or for one."""
        path = "/api/v2/dags/~/dagRuns/~/taskInstances"
        return list(self._every(path, "task_instances", DeferredTask, {"state": ["deferred"]}))


def _begins(prefix: str) -> Json:
    # Airflow drops anything but letters and digits from the end of the pattern, so callers compare again.
    return {"run_id_prefix_pattern": prefix} if prefix else {}
