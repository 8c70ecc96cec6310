"""Where progress is shown: on a terminal, or in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text


class Screen(Protocol):
    """What is shown of a run. Raises OSError if it cannot be written."""

    def now(self, text: str) -> None:
        """Where the run is; replaces what was shown before."""

    def event(self, text: str) -> None:
        """Something that happened."""

    def keep(self, text: str) -> None:
        """A line that stays, wherever it is shown."""


class Lines:
    """For logs: one line for each event."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def now(self, text: str) -> None:
        pass

    def event(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def keep(self, text: str) -> None:
        self.event(text)


class OneLine:
    """For terminals: one line that says where the run is."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def now(self, text: str) -> None:
        self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def event(self, text: str) -> None:
        pass

    def keep(self, text: str) -> None:
        self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def screen_on(console: Console) -> Iterator[Screen]:
    """A line that rewrites itself if the console is a terminal that can do it; colours forced on a log make it none.

    Anything else printed meanwhile appears above the line, if it goes to a terminal too. Raises no errors itself.
    """
    if not console.file.isatty() or console.is_dumb_terminal:
        yield Lines(console)
        return
    live = Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )
    with suppress(Exception):
        live.start()
    try:
        yield OneLine(live)
    finally:
        with suppress(Exception):
            live.stop()
