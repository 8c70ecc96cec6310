"""Shared by processes that must act on time on a loaded machine, and end when told to."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress


def be_prompt() -> str:
    """Ask for priority over ordinary processes, and return what was granted: "real-time" (as root) or "ordinary".

    The stack loads the same cores. Time spent waiting for one would be measured as if the stack had taken it.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
            return "real-time"
    return "ordinary"


async def stdin_ended() -> None:
    """Return when standard input ends, and so when the process that we work for ends, however it does."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
