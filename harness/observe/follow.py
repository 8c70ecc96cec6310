"""Follow one kind of object through broken streams: list, watch, resume, and list again once the place is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from harness.errors import HarnessError
from harness.kube import UNREADABLE, Change, KubeError, Listing, Source

RETRY_S = 0.5
GONE = 410


class Identified(Protocol):
    """What a followed thing must have; a new one under an old name has another uid."""

    @property
    def uid(self) -> str: ...


T = TypeVar("T", bound=Identified)


class Follower(Generic[T]):
    """A thread that reports each change (`added`, `modified` or `deleted`, and the thing), and each error.

    `on_problem` is called with None once all is well again.
    """

    def __init__(
        self,
        name: str,
        source: Source[T],
        on_change: Callable[[str, T], None],
        on_problem: Callable[[str, str | None], None],
    ) -> None:
        self.name = name
        self._source = source
        self._on_change = on_change
        self._on_problem = on_problem
        self._known: dict[str, T] = {}
        self._version = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow {name}", daemon=True)

    def start(self) -> None:
        """List once, so that an error at the start is raised here; then follow in a thread."""
        self._take(self._source.list())
        self._thread.start()

    def signal(self) -> None:
        """Ask the thread to end."""
        self._stopping.set()
        self._source.interrupt()

    def ended(self, within_s: float) -> bool:
        """Wait for the thread to end, and wake it if it has not. One that never started has ended."""
        if self._thread.ident is None:
            return True
        self._thread.join(min(within_s, 0.1))
        if self._thread.is_alive():
            # The stream may have been opened just after the last wake-up.
            self._source.interrupt()
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self._take(self._source.list())
                self._on_problem(self.name, None)
                for change in self._source.changes(self._version):
                    self._apply(change)
                    if self._stopping.is_set():
                        return
            except Exception as problem:
                if self._stopping.is_set():
                    return
                status = problem.status if isinstance(problem, KubeError) else None
                # A place that grew too old is normal; any other error, even our own, is reported.
                if status != GONE:
                    self._on_problem(self.name, f"{type(problem).__name__}: {problem}")
                if status in (GONE, UNREADABLE) or not isinstance(problem, HarnessError):
                    self._version = ""
                self._stopping.wait(RETRY_S)

    def _take(self, listing: Listing[T]) -> None:
        now = {thing.uid: thing for thing in listing.items}
        for uid in [uid for uid in self._known if uid not in now]:
            self._on_change("deleted", self._known.pop(uid))
        for uid, thing in now.items():
            self._on_change("modified" if uid in self._known else "added", thing)
        self._known = now
        self._version = listing.version

    def _apply(self, change: Change[T]) -> None:
        self._version = change.version
        if change.thing is None:
            return
        if change.what == "deleted":
            self._known.pop(change.thing.uid, None)
        else:
            self._known[change.thing.uid] = change.thing
        self._on_change(change.what, change.thing)
