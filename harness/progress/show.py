"""Show the progress of runs: on a terminal one line that rewrites itself, elsewhere a line for each event.

One way only: a separate thread reads what the run has written. Whatever it trips over, the run goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.experiment import Experiment
from harness.history import NAMES, NS
from harness.outcome import Outcome
from harness.progress.estimate import Estimate
from harness.progress.screen import Screen, screen_on
from harness.progress.seen import Seen
from harness.progress.words import Place, ended, line, opening, told

EVERY_S = 0.5
LOOKS_S = 2.0
PATIENCE_S = 2.0  # with a terminal that accepts nothing


class Tail:
    """The complete lines added to a file since the last call."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""

    def lines(self) -> list[bytes]:
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        return whole

    def close(self) -> None:
        self._file.close()


class Watch:
    """One run, as its history shows it."""

    def __init__(self, screen: Screen, place: Place) -> None:
        self._screen = screen
        self._place = place
        self._seen = Seen()
        self._folder: Path | None = None
        self._outcome: Outcome | None = None
        self._tail: Tail | None = None
        self._read_at = time.monotonic()
        self._look_at = 0.0

    def opened(self, folder: Path) -> None:
        """The history is in this folder from now on. Does nothing else: it is called in the middle of the run."""
        self._folder = folder

    def judged(self, outcome: Outcome) -> None:
        """The run is over, with this outcome."""
        self._outcome = outcome

    def tell(self) -> None:
        """Read what is new, and show it."""
        if self._tail is None and self._folder is not None:
            self._tail = Tail(self._folder / NAMES[0])
            self._screen.event(opening(self._place))
        now = time.monotonic()
        news = self._seen.take(lines := self._tail.lines() if self._tail else [])
        if lines:
            self._read_at = now
        if now >= self._look_at or self._seen.over:
            news += self._seen.look()
            self._look_at = now + LOOKS_S
        for one in sorted(news, key=lambda one: one.t):
            self._screen.event(told(self._place, self._seen, one))
        self._screen.now(line(self._place, self._seen, self._seen.t + round((now - self._read_at) * NS)))

    def follow(self, over: threading.Event) -> None:
        """Tell until it is over, and then the rest."""
        ending = False
        while not ending:
            ending = over.wait(EVERY_S)
            with suppress(Exception):
                self.tell()
        if self._tail:
            self._tail.close()
        if self._outcome and self._place.of > 1:  # for a single run, the final table tells more
            with suppress(Exception):
                self._screen.keep(ended(self._place, self._seen, self._outcome))


class Unwatched:
    """A run that nobody watches."""

    def opened(self, folder: Path) -> None:
        pass

    def judged(self, outcome: Outcome) -> None:
        pass


Watched = Watch | Unwatched


@dataclass(frozen=True)
class Planned:
    """One planned run; `experiment` is as it runs on the stack, which is named as in a history."""

    experiment: Experiment
    stack: str


class Showing:
    """Several runs, one after the other; without a console nothing is shown."""

    def __init__(self, console: Console | None, planned: Sequence[Planned], reports: Path) -> None:
        self._console = console
        self._places = places(planned, Estimate(reports)) if console else []

    @property
    def shown(self) -> bool:
        return self._console is not None

    @contextmanager
    def watching(self, number: int) -> Iterator[Watched]:
        """Show the run of this number, from 1 on, until the block is left."""
        if self._console is None:
            yield Unwatched()
            return
        over = threading.Event()
        with screen_on(self._console) as screen:
            watch = Watch(screen, self._places[number - 1])
            thread = threading.Thread(target=watch.follow, args=(over,), name="progress", daemon=True)
            thread.start()
            try:
                yield watch
            finally:
                over.set()
                thread.join(PATIENCE_S)


def places(planned: Sequence[Planned], estimate: Estimate) -> list[Place]:
    """Each run, with how long it should take, and all later ones together."""
    takes = [estimate.seconds(one.experiment.name, one.stack, one.experiment.plan) for one in planned]
    return [
        Place(
            experiment=one.experiment.name,
            stack=one.stack,
            number=number,
            of=len(planned),
            phases=one.experiment.plan.phases,
            takes_s=takes[number - 1],
            later_s=sum(takes[number:]),
        )
        for number, one in enumerate(planned, start=1)
    ]
