"""The only door to Airflow: its REST API, version 2, one HTTP try a call and every answer typed.

Nothing is retried here and no proxy of the environment is used: what a fault does to a request must be seen, not
smoothed over. Whoever wants to retry a trigger does so by its run id.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import requests
import urllib3
from pydantic import ValidationError

from harness.answers import Answer, Dag, DeferredTask, Job, RunState, TaskState, TriggerReply, Try
from harness.errors import HarnessError, UsageError

PAGE = 100  # Airflow's own upper limit
NEWS_PAGE = 25
OVER = frozenset({"success", "failed"})
Json = dict[str, Any]


class AirflowUnavailable(HarnessError):
    """No answer, a broken one, or one that is not Airflow's.

    `timed_out`: nobody answered in time. `maybe_served`: the request may have reached Airflow and had its effect.
    `status`: of the answer, where there was one.
    """

    def __init__(
        self, message: str, *, timed_out: bool = False, maybe_served: bool = True, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.timed_out = timed_out
        self.maybe_served = maybe_served
        self.status = status


A = TypeVar("A", bound=Answer)


class Airflow:
    """Airflow at one address, as one user. It logs in at the first call that needs it; one thread uses it at a time."""

    def __init__(self, base_url: str, username: str, password: str, timeout: float = 5.0) -> None:
        """`timeout` in seconds, for connecting and for each wait on an answer."""
        self.base_url = base_url.rstrip("/")
        self._username = username
        self._password = password
        self._timeout = timeout
        self._token = ""
        self._keep_alive = True
        self._session = _session()

    def another(self, *, keep_alive: bool = True) -> Airflow:
        """The same login with connections of its own; without `keep_alive` every request opens a new one."""
        twin = Airflow(self.base_url, self._username, self._password, self._timeout)
        twin._token = self._token
        twin._keep_alive = keep_alive
        if not keep_alive:
            twin._session.headers["Connection"] = "close"
        return twin

    def close(self) -> None:
        self._session.close()

    def login(self) -> str:
        """Get a token for this user, and return it. Raises `UsageError` where the login is refused."""
        reply = self._send("POST", "/auth/token", json={"username": self._username, "password": self._password})
        if reply.status_code in (401, 403):
            raise UsageError(f"Airflow at {self.base_url} refused the login of {self._username}; run `harness up`")
        body = self._body(reply)
        if reply.status_code != 201 or not isinstance(body.get("access_token"), str):
            raise self._unexpected("POST /auth/token", reply)
        self._token = body["access_token"]
        return self._token

    def version(self) -> str:
        """Which Airflow answers; needs no login."""
        body = self._get("/api/v2/version", {}, login=False)
        return str(body.get("version", ""))

    def dags(self) -> list[Dag]:
        """Every DAG that is known."""
        return list(self._every("/api/v2/dags", "dags", Dag, {"order_by": "dag_id"}))

    def unpause(self, dag: str) -> None:
        """Let the runs of a DAG start."""
        reply = self._send_as_user("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False})
        if reply.status_code != 200:
            raise self._unexpected(f"PATCH {dag}", reply)

    def trigger(self, dag: str, run_id: str) -> TriggerReply:
        """Ask once for a run under our own id. Any HTTP answer is a reply; 200 and 201 are checked to be that run."""
        path = f"/api/v2/dags/{dag}/dagRuns"
        reply = self._send_as_user("POST", path, json={"dag_run_id": run_id, "logical_date": None})
        if reply.status_code in (200, 201) and self._body(reply).get("dag_run_id") != run_id:
            raise self._unexpected(f"POST {path}", reply)
        return TriggerReply(reply.status_code, reply.text[:200])

    def runs(self, dag: str, prefix: str = "") -> list[RunState]:
        """Every run of a DAG whose id begins with `prefix`, oldest first."""
        every = self._every(f"/api/v2/dags/{dag}/dagRuns", "dag_runs", RunState, _begins(prefix) | {"order_by": "id"})
        return [run for run in every if run.run_id.startswith(prefix)]

    def knows(self, dag: str, run_id: str) -> bool:
        """Whether a run is there for whoever asks for it."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}"
        reply = self._send_as_user("GET", path)
        if reply.status_code == 200 and self._body(reply).get("dag_run_id") == run_id:
            return True
        if reply.status_code == 404 and "detail" in self._body(reply):
            return False
        raise self._unexpected(f"GET {path}", reply)

    def states(self, dag: str, run_id: str, every_s: int) -> Iterator[str]:
        """The state of a run every so many seconds until it is over, as one answer that stays open all the while.

        Raises `AirflowUnavailable` where it breaks off, is silent for too long, or ends before the run does.
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
        """Make what a write is to change, where it is not there yet; `path` is its own."""
        if self._send_as_user("GET", path).status_code == 200:
            return
        reply = self._send_as_user("POST", path.rpartition("/")[0], json=body)
        if reply.status_code not in (200, 201, 409):
            raise self._unexpected(f"POST {path}", reply)

    def variable(self, path: str) -> str | None:
        """What a Variable holds, by its path; None where there is no such one."""
        body = self._body(reply := self._send_as_user("GET", path))
        if reply.status_code == 404 and "detail" in body:
            return None
        if reply.status_code == 200 and isinstance(value := body.get("value"), str):
            return value
        raise self._unexpected(f"GET {path}", reply)

    def finished(self, dag: str, prefix: str, known: Container[str]) -> list[RunState]:
        """Runs that came to their end and are not `known`, by reading from the newest end back to what is known.

        Cheap where thousands of runs are over; one that Airflow wrote late can be missed, so ask `runs` at the end.
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

    def begun(self, dag: str, run_id: str, task: TaskState) -> list[int]:
        """The numbers of those tries of a task that began to run, in order. What was only queued, and then withdrawn,
        has no start of its own: none at all, or that of the try before it."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances/{task.task_id}"
        path += f"/{task.map_index}/tries" if task.map_index >= 0 else "/tries"
        tries = sorted(self._every(path, "task_instances", Try, {}), key=lambda one: one.number)
        starts = [None, *(one.started for one in tries)]
        return [one.number for before, one in zip(starts, tries, strict=False) if one.started not in (None, before)]

    def scheduler_jobs(self) -> list[Job]:
        """The latest schedulers, dead ones too, newest first."""
        query = {"job_type": "SchedulerJob", "order_by": "-id"}
        return next(self._pages("/api/v2/jobs", "jobs", Job, query, NEWS_PAGE), [])

    def deferred(self) -> list[DeferredTask]:
        """Every task that waits in a triggerer, or for one."""
        path = "/api/v2/dags/~/dagRuns/~/taskInstances"
        return list(self._every(path, "task_instances", DeferredTask, {"state": ["deferred"]}))

    def _every(self, path: str, key: str, kind: type[A], query: Json) -> Iterator[A]:
        for page in self._pages(path, key, kind, query, PAGE):
            yield from page

    def _pages(self, path: str, key: str, kind: type[A], query: Json, size: int) -> Iterator[list[A]]:
        offset = 0
        while True:
            body = self._get(path, query | {"limit": size, "offset": offset})
            try:
                page = [kind.model_validate(item) for item in body[key]]
                total = int(body["total_entries"])
            except (KeyError, TypeError, ValueError, ValidationError) as cause:
                raise AirflowUnavailable(f"GET {path} was not answered as Airflow's API does: {cause}") from cause
            offset += len(page)
            yield page
            if not page or offset >= total:
                return

    def _get(self, path: str, query: Json, login: bool = True) -> Json:
        reply = (self._send_as_user if login else self._send)("GET", path, params=query)
        if reply.status_code != 200:
            raise self._unexpected(f"GET {path}", reply)
        return self._body(reply)

    def _send_as_user(self, method: str, path: str, **said: Any) -> requests.Response:
        reply = self._send(method, path, token=self._token or self.login(), **said)
        if reply.status_code == 401:
            raise UsageError(f"Airflow at {self.base_url} no longer takes our token for {method} {path}; log in again")
        return reply

    def _send(self, method: str, path: str, *, token: str = "", **said: Any) -> requests.Response:
        """`said` is what requests takes: json, params, stream."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with self._told(f"{method} {path}"):
                return self._session.request(
                    method,
                    self.base_url + path,
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                    **said,
                )
        finally:
            if not self._keep_alive and not said.get("stream"):
                # A server need not say that it closes; a connection left in the pool would then break the next request.
                self._session.close()

    @contextmanager
    def _told(self, asked: str) -> Iterator[None]:
        """Say in our own errors what became of a request."""
        asked = f"{asked} at {self.base_url}"
        try:
            yield
        except requests.ConnectTimeout as cause:
            message = f"{asked}: no connection within {self._timeout:g} s"
            raise AirflowUnavailable(message, timed_out=True, maybe_served=False) from cause
        except requests.Timeout as cause:
            message = f"{asked}: no answer within {self._timeout:g} s"
            raise AirflowUnavailable(message, timed_out=True) from cause
        except requests.RequestException as cause:
            message = f"{asked}: {_root(cause)}"
            raise AirflowUnavailable(message, maybe_served=not _refused(cause), timed_out=_slow(cause)) from cause
        except (ValueError, KeyError, TypeError) as cause:
            raise AirflowUnavailable(f"{asked} was not answered as Airflow's API does: {cause}") from cause

    def _body(self, reply: requests.Response) -> Json:
        try:
            body = reply.json()
        except requests.JSONDecodeError as cause:
            raise self._unexpected(f"{reply.request.method} {reply.request.path_url}", reply) from cause
        if not isinstance(body, dict):
            raise self._unexpected(f"{reply.request.method} {reply.request.path_url}", reply)
        return body

    def _unexpected(self, asked: str, reply: requests.Response) -> AirflowUnavailable:
        said = " ".join(reply.text.split())[:200]
        message = f"{asked} at {self.base_url} was answered {reply.status_code}: {said}"
        return AirflowUnavailable(message, status=reply.status_code)


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _begins(prefix: str) -> Json:
    # Airflow drops what is no letter or digit at the end of the pattern, so callers compare once more.
    return {"run_id_prefix_pattern": prefix} if prefix else {}


def _root(cause: BaseException) -> str:
    while cause.__context__ is not None:
        cause = cause.__context__
    return f"{type(cause).__name__}: {cause}"


def _refused(cause: requests.RequestException) -> bool:
    """Whether no connection was made, so that nothing can have been served."""
    reason = cause.args[0] if cause.args else None
    return isinstance(getattr(reason, "reason", reason), urllib3.exceptions.NewConnectionError)


def _slow(cause: requests.RequestException) -> bool:
    """Whether the answer began and then stopped: requests calls that a lost connection."""
    reason = cause.args[0] if cause.args else None
    return isinstance(reason, urllib3.exceptions.ReadTimeoutError)
