"""Calls of Airflow's REST API: one HTTP try each, answers page by page, and everything that can go wrong.

Nothing is retried, and the environment's proxies are ignored: what a fault does to a request must show, not be smoothed
over. To retry a trigger, repeat its run id. Only a rejected token is replaced: the harness's own calls carry on with a
fresh one, while a trigger, which is measured, reports that it was refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import requests
import urllib3
from pydantic import ValidationError

from harness.answers import Answer
from harness.errors import HarnessError, UsageError

PAGE = 100  # Airflow's own upper limit
LOGIN = "/auth/token"
UNKNOWN_TOKEN = 401
Json = dict[str, Any]
A = TypeVar("A", bound=Answer)


class AirflowUnavailable(HarnessError):
    """No answer, a broken one, or one that is not Airflow's.

    `timed_out`: nobody answered in time. `maybe_served`: the request may have reached Airflow and had its effect.
    `status`: of the answer, if any.
    """

    def __init__(
        self, message: str, *, timed_out: bool = False, maybe_served: bool = True, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.timed_out = timed_out
        self.maybe_served = maybe_served
        self.status = status


@dataclass
class Session:
    """A user's current token, shared by all connections of a login."""

    token: str = ""


class Calls:
    """Airflow at one address, as one user. It logs in at the first call that needs it, and again when its token is
    rejected; for one thread at a time."""

    def __init__(self, base_url: str, username: str, password: str, timeout: float = 5.0) -> None:
        """`timeout` in seconds, for connecting and for each wait on an answer."""
        self.base_url = base_url.rstrip("/")
        self._username = username
        self._password = password
        self._timeout = timeout
        self._login = Session()
        self._keep_alive = True
        self._session = _session()

    def another(self, *, keep_alive: bool = True) -> Self:
        """The same login with separate connections; without `keep_alive` every request opens a new one."""
        twin = type(self)(self.base_url, self._username, self._password, self._timeout)
        twin._login = self._login
        twin._keep_alive = keep_alive
        if not keep_alive:
            twin._session.headers["Connection"] = "close"
        return twin

    def close(self) -> None:
        self._session.close()

    def login(self) -> str:
        """Get a token for this user, and return it. Raises `UsageError` if the login is refused."""
        reply = self._send("POST", LOGIN, json={"username": self._username, "password": self._password})
        if reply.status_code in (401, 403):
            raise UsageError(f"Airflow at {self.base_url} refused the login of {self._username}; run `harness up`")
        body = self._body(reply)
        if reply.status_code != 201 or not isinstance(body.get("access_token"), str):
            raise self._unexpected(f"POST {LOGIN}", reply)
        self._login.token = body["access_token"]
        return self._login.token

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

    def _typed(self, path: str, body: Json, kind: type[A]) -> A:
        try:
            return kind.model_validate(body)
        except ValidationError as cause:
            raise AirflowUnavailable(f"GET {path} was not answered as Airflow's API does: {cause}") from cause

    def _get(self, path: str, query: Json, login: bool = True) -> Json:
        reply = (self._send_as_user if login else self._send)("GET", path, params=query)
        if reply.status_code != 200:
            raise self._unexpected(f"GET {path}", reply)
        return self._body(reply)

    def _send_as_user(self, method: str, path: str, **said: Any) -> requests.Response:
        """With the current token; if it is rejected because its key was replaced, once more with a fresh one."""
        reply = self._send_once(method, path, **said)
        if reply.status_code == UNKNOWN_TOKEN:
            reply.close()
            reply = self._send_once(method, path, **said)
        if reply.status_code == UNKNOWN_TOKEN:
            raise UsageError(f"Airflow at {self.base_url} no longer takes our token for {method} {path}; log in again")
        return reply

    def _send_once(self, method: str, path: str, **said: Any) -> requests.Response:
        """As the user, whatever the answer; if it rejects our token, the next call logs in again."""
        token = self._login.token or self.login()
        reply = self._send(method, path, token=token, **said)
        if reply.status_code == UNKNOWN_TOKEN and self._login.token == token:
            self._login.token = ""
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
                # A server may close without saying so; a connection left in the pool would then break the next request.
                self._session.close()

    @contextmanager
    def _told(self, asked: str) -> Iterator[None]:
        """Translate the failures of a request into our own errors."""
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
        # The answer to a login holds a token, or repeats a password that it did not understand.
        said = reply.reason if LOGIN in asked else " ".join(reply.text.split())[:200]
        message = f"{asked} at {self.base_url} was answered {reply.status_code}: {said}"
        return AirflowUnavailable(message, status=reply.status_code)


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


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
