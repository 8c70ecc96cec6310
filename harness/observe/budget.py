"""How fast the error budget burns during a run, read from the history, which the prober writes to a few times a
second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.records import NS
from harness.safety import Brake

START_S = 15.0  # the prober's own process takes a second or two to begin, and more on a busy machine


class _Answer(msgspec.Struct, gc=False):
    """The fields of a sample's line that count here."""

    kind: str
    end: int = 0
    outcome: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)


class Budget:
    """The requests of the last seconds, by when they ended; `now` returns nanoseconds of the run."""

    def __init__(self, history: Path, brake: Brake, now: Callable[[], int]) -> None:
        self._history = history
        self._brake = brake
        self._now = now
        self._began = now()
        self._read_to = 0
        self._rest = b""
        self._first: int | None = None
        self._ends: deque[tuple[int, bool]] = deque()

    def __call__(self) -> str | None:
        """Why the run must not go on, or None."""
        self._read()
        now, within_s = self._now(), self._brake.within_s
        while self._ends and self._ends[0][0] <= now - within_s * NS:
            self._ends.popleft()
        watched_s = (now - (self._began if self._first is None else self._first)) / NS
        if not self._ends:
            late = watched_s > within_s + START_S
            return (
                f"no request has come to its end for {within_s:g} s, so nobody knows how users fare" if late else None
            )
        bad = sum(failed for _, failed in self._ends)
        if watched_s < within_s or bad <= self._brake.errors_share * len(self._ends):
            return None
        share = f"{100 * self._brake.errors_share:g} %"
        return f"{bad} of the {len(self._ends)} requests of {within_s:g} s had no good answer, and at most {share} may"

    def _read(self) -> None:
        """Read what was written since the last call; an incomplete line is kept for the next one."""
        with self._history.open("rb") as file:
            file.seek(self._read_to)
            added = file.read()
        self._read_to += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        for line in lines:
            if b'"sample"' in line:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            answer = _ANSWER.decode(line)
        except msgspec.MsgspecError:
            return  # the judge says what is wrong with it
        if answer.kind == "sample":
            self._first = answer.end if self._first is None else self._first
            self._ends.append((answer.end, answer.outcome != "ok"))
