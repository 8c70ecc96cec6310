"""One call to the cluster: listing, watching, and saying in our own errors what went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import urllib3
import yaml
from kubernetes import client, config, watch
from kubernetes.client import ApiException
from kubernetes.config import ConfigException

from harness.errors import HarnessError, UsageError

CALL_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 3.0
WATCH_TIMEOUT_S = 300
UNREADABLE = 200

T = TypeVar("T")


class KubeError(HarnessError):
    """The cluster answered a call badly: `status` is that of HTTP, 0 if the answer broke off, 200 if it came but
    cannot be read."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Forbidden(UsageError):
    """The cluster does not let us."""


@dataclass(frozen=True)
class Change(Generic[T]):
    """One step of a watch; for a deletion, `thing` is what was last there. `version` is where to resume after it."""

    what: Literal["added", "modified", "deleted", "bookmark"]
    thing: T | None
    version: str


@dataclass(frozen=True)
class Listing(Generic[T]):
    """Everything there at one moment; `version` is where a watch continues from."""

    items: tuple[T, ...]
    version: str


class Source(Generic[T]):
    """One kind of object that can be listed and watched. One thread reads it; any may `interrupt` that."""

    def __init__(self, call: Callable[..., Any], where: dict[str, str], parse: Callable[[Any], T]) -> None:
        self._call = call
        self._where = where
        self._parse = parse
        self._watch: Any = watch.Watch()  # type: ignore[no-untyped-call]

    def list(self) -> Listing[T]:
        """Raises `UsageError` if the cluster is out of reach, `KubeError` if it refuses."""
        with reaching():
            found = self._call(**self._where, _request_timeout=CALL_TIMEOUT_S)
            return Listing(tuple(self._parse(i) for i in found.items), found.metadata.resource_version)

    def changes(self, version: str) -> Iterator[Change[T]]:
        """What changes from `version` on, until the server ends the stream, which is not an error.

        Raises as `list` does; a `KubeError` of status 410 means that `version` is too old: list again.
        """
        options = {"resource_version": version, "allow_watch_bookmarks": True, "timeout_seconds": WATCH_TIMEOUT_S}
        limits = (CONNECT_TIMEOUT_S, WATCH_TIMEOUT_S + CALL_TIMEOUT_S)
        with reaching():
            for event in self._watch.stream(self._call, **self._where, **options, _request_timeout=limits):
                if event is None:
                    raise KubeError("the cluster's watch broke off in the middle of a line; list again", 410)
                kind = str(event["type"]).lower()
                at = event["raw_object"]["metadata"]["resourceVersion"]
                if kind == "bookmark":
                    yield Change("bookmark", None, at)
                elif kind in ("added", "modified", "deleted"):
                    yield Change(kind, self._parse(event["object"]), at)  # type: ignore[arg-type]

    def interrupt(self) -> None:
        """End a `changes` that waits in another thread; call again until that thread has ended."""
        self._watch.stop()


def configured(kubeconfig: Path, context: str | None, refusal: str) -> client.Configuration:
    """How to talk to a cluster, by a context of a kubeconfig; None means its current one.

    One call is one try: what a fault does to the cluster's own server must not be smoothed over. Raises `UsageError`
    with this refusal where the file does not name a cluster so.
    """
    configuration = client.Configuration()
    configuration.retries = False
    library: Any = config
    try:
        library.load_kube_config(str(kubeconfig), context, client_configuration=configuration, persist_config=False)
    except (ConfigException, yaml.YAMLError, OSError, TypeError, ValueError) as cause:
        raise UsageError(refusal) from cause
    return configuration


@contextmanager
def reaching() -> Iterator[None]:
    """Say in our own errors what went wrong between us and the cluster."""
    try:
        yield
    except ApiException as cause:
        if cause.status == 401:
            raise UsageError(
                "the cluster does not know us (401): the login in the kubeconfig has expired or was withdrawn; "
                "log in again, or run `harness up`"
            ) from cause
        if cause.status == 403:
            raise Forbidden(f"the cluster refused us (403): {_said(cause)}; give this user the right to it") from cause
        raise KubeError(f"the cluster answered {cause.status} {cause.reason}", cause.status or 0) from cause
    except urllib3.exceptions.ProtocolError as cause:
        raise KubeError(f"the cluster's answer broke off: {cause}") from cause
    except (urllib3.exceptions.HTTPError, OSError) as cause:
        raise UsageError(f"the stack is not up: its cluster cannot be reached ({cause}); run `harness up`") from cause
    except ValueError as cause:
        raise KubeError(f"the cluster's answer cannot be read: {cause}", UNREADABLE) from cause


def _said(cause: ApiException) -> str:
    """The server's own words: who may not do what."""
    try:
        return str(json.loads(cause.body or "")["message"])
    except (ValueError, LookupError, TypeError):
        return str(cause.reason)
