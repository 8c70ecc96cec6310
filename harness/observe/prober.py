"""The prober: open-loop requests through the load balancer, from a process of its own.

A request is due at its tick whatever became of those before it, so a hung one never delays the next; what counts is when
it was due. The process ends when its standard input does, so it goes with the harness however that ends.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from harness.errors import HarnessError, UsageError

MOST_SECONDS = 3600.0
MOST_RATE_HZ = 1000.0


@dataclass(frozen=True)
class Target:
    """One series: a path asked for at `rate_hz` on one kind of connection, and what a good answer is."""

    name: str
    path: str
    conn: Literal["new", "reused"]
    rate_hz: float
    method: str = "GET"
    expect_status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    must_contain: str | None = None


@dataclass(frozen=True)
class Summary:
    """How many requests were due, and how many samples were written."""

    due: int
    recorded: int


class Prober:
    """Starts and stops the process that samples. Load is bounded in rate and in time."""

    def __init__(
        self,
        history: Path,
        t0: int,
        base_url: str,
        targets: list[Target],
        *,
        timeout_s: float,
        most_s: float = MOST_SECONDS,
    ) -> None:
        """Raises `UsageError` where requests would leave this machine and its clusters, or be too many."""
        _refuse_strangers(base_url)
        rate = sum(t.rate_hz for t in targets)
        if not targets or rate > MOST_RATE_HZ:
            raise UsageError(f"{rate:g} requests/s were asked for; between 1 target and {MOST_RATE_HZ:g}/s are allowed")
        self._timeout_s = timeout_s
        self._config: dict[str, Any] = {
            "history": str(history),
            "t0": t0,
            "base_url": base_url,
            "targets": [asdict(t) for t in targets],
            "timeout_s": timeout_s,
            "most_s": most_s,
        }
        self._child: subprocess.Popen[str] | None = None
        self._summary: Summary | None = None

    def start(self) -> None:
        """Begin; the first requests are due within a second."""
        # The configuration holds a token, so it goes through a pipe and not by the command line.
        self._child = subprocess.Popen(
            [sys.executable, "-m", "harness.observe.sampling"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(self._config) + "\n")
        self._child.stdin.flush()

    def stop(self) -> Summary:
        """Let requests in flight end, and return the count. Raises `HarnessError` where samples were lost."""
        if self._child is None:
            return self._summary or Summary(0, 0)
        child, self._child = self._child, None
        try:
            said, _ = child.communicate(timeout=self._timeout_s + 10)
        except subprocess.TimeoutExpired as cause:
            child.kill()
            child.communicate()
            raise HarnessError("the prober did not end; its last samples are missing") from cause
        if child.returncode != 0:
            raise HarnessError(f"the prober ended with {child.returncode}; samples are missing")
        self._summary = Summary(**json.loads(said.strip().splitlines()[-1]))
        return self._summary

    @property
    def pid(self) -> int | None:
        """The process that samples, while there is one."""
        return self._child.pid if self._child else None


def _refuse_strangers(base_url: str) -> None:
    """Only this machine and the networks of its containers are ever sent anything."""
    host = urlsplit(base_url).hostname or ""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as cause:
        raise UsageError(f"{base_url} names no address; requests go to loopback and private addresses only") from cause
    if not (address.is_loopback or address.is_private):
        raise UsageError(f"{base_url} is a public address; requests go to loopback and private addresses only")
