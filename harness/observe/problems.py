"""What went wrong in an observer itself: recorded once when it begins and once when it is over, never left out."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from harness.history import Event, Recorder


class Problems:
    """Writes probe events `error` and `recovered` for one observer; any thread may report.

    Value of both: {"of": which part, "error": its first message, "times": how often it was met}.
    """

    def __init__(self, recorder: Recorder, observer: str) -> None:
        self._recorder = recorder
        self._observer = observer
        self._open: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def report(self, part: str, error: str | None) -> None:
        """`error` None says that the part works (again)."""
        with self._lock:
            first, times = self._open.get(part, (error, 0))
            if error is None:
                self._open.pop(part, None)
            else:
                self._open[part] = (first or error, times + 1)
        if error is None and times:
            self.write("recovered", {"of": part, "error": first, "times": times})
        elif error is not None and not times:
            self.write("error", {"of": part, "error": error, "times": 1})

    def write(self, what: str, value: Mapping[str, object]) -> None:
        """A probe event of this observer."""
        if self._closed:
            return
        event = Event(t=self._recorder.now(), source="probe", object=self._observer, what=what, value=dict(value))
        self._recorder.write(event)

    def close(self) -> None:
        """Record nothing from here on: the history may be closed."""
        self._closed = True
