"""The prober: open-loop requests through the load balancer, from a process of its own.

A request is due at its tick whatever became of earlier ones, so a hung one never delays the next; what counts is when
it was due. The process ends when its standard input does, so it never outlives the harness, however that ends.
"""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.errors import HarnessError, UsageError

MOST_SECONDS = 3600.0
MOST_RATE_HZ = 1000.0
MOST_REQUESTS = MOST_RATE_HZ * MOST_SECONDS
END_WITHIN_S = 10.0
OUR_NETWORKS = tuple(
    ipaddress.ip_network(net)
    for net in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


NUMBER = "<number>"  # no path may hold these characters
Conn = Literal["new", "reused"]


@dataclass(frozen=True)
class Target:
    """One series: a path requested at `rate_hz` on one kind of connection, and what a good answer is.

    With a `nonce`, the query of each request holds it and a number, so that no cache knows the answer and servers log
    whose request it was. The number also replaces `NUMBER` in `body` and `must_contain`.
    """

    name: str
    path: str
    conn: Conn
    rate_hz: float
    method: str = "GET"
    expect_status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    must_contain: str | None = None
    nonce: str = ""
    body: str = ""


@dataclass(frozen=True)
class Config:
    """What the sampling process is told: where to record, whom to ask, and for how long at most (seconds).

    With a `login`, user and password, it gets a new token when the one in the headers is no longer accepted.
    """

    history: str
    t0: int
    base_url: str
    targets: tuple[Target, ...]
    timeout_s: float
    most_s: float
    login: tuple[str, str] | None = field(default=None, repr=False)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Config:
        """The reverse of `to_json`, for its own output only."""
        said = json.loads(text)
        login = tuple(said["login"]) if said["login"] else None
        return cls(**{**said, "login": login, "targets": tuple(Target(**target) for target in said["targets"])})


@dataclass(frozen=True)
class Summary:
    """How many requests were due, and how many samples were written."""

    due: int
    recorded: int


class Prober:
    """Starts and stops the process that samples. Load is bounded in rate, in time and in number."""

    def __init__(
        self,
        history: Path,
        t0: int,
        base_url: str,
        targets: Sequence[Target],
        *,
        timeout_s: float,
        most_s: float = MOST_SECONDS,
        login: tuple[str, str] | None = None,
    ) -> None:
        """Raises `UsageError` if requests would leave this machine and its clusters, be too many or be malformed."""
        _refuse_strangers(base_url)
        _refuse_too_much(targets, timeout_s, most_s)
        for target in targets:
            _refuse_malformed(target)
        self._config = Config(str(history), t0, base_url, tuple(targets), timeout_s, most_s, login)
        self._child: subprocess.Popen[str] | None = None
        self._result: Summary | str = Summary(0, 0)

    def start(self) -> None:
        """Begin; the first requests are due within a second or so. `stop` reports a process that could not begin."""
        # The configuration holds a token and a login, so it goes through a pipe, not on the command line.
        self._child = subprocess.Popen(
            [sys.executable, "-m", "harness.observe.sampling"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):
            self._child.stdin.write(self._config.to_json() + "\n")
            self._child.stdin.flush()

    def stop(self) -> Summary:
        """Let requests in flight end, and return the counts; a second call returns the same.

        Raises `HarnessError` if samples were lost.
        """
        if self._child is not None:
            child, self._child = self._child, None
            self._result = "the prober was left before it had ended; its last samples may be missing, so run again"
            self._result = _end(child, self._config.timeout_s + END_WITHIN_S)
        if isinstance(self._result, str):
            raise HarnessError(self._result)
        return self._result

    @property
    def pid(self) -> int | None:
        """The process that samples, while there is one."""
        return self._child.pid if self._child else None


def _end(child: subprocess.Popen[str], within_s: float) -> Summary | str:
    """Close the child's standard input and wait; returns its count, or why that cannot be had."""
    try:
        said, _ = child.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return f"the prober did not end within {within_s:g} s; its last samples are missing, so run again"
    if child.returncode != 0:
        return f"the prober ended with {child.returncode}; samples are missing: see what it printed, and run again"
    summary = Summary(**json.loads(said.strip().splitlines()[-1]))
    if summary.due != summary.recorded:
        return f"the prober recorded {summary.recorded} of {summary.due} due samples; run again"
    return summary


def _refuse_strangers(base_url: str) -> None:
    """Requests only ever go to this machine and the networks of its containers."""
    url = urlsplit(base_url)
    host = "127.0.0.1" if url.hostname == "localhost" else url.hostname or ""
    try:
        address, _ = ipaddress.ip_address(host), url.port
    except ValueError as cause:
        raise UsageError(f"{base_url} names no address; requests go to loopback and private addresses only") from cause
    if not any(address in network for network in OUR_NETWORKS):
        raise UsageError(f"{base_url} is a public address; requests go to loopback and private addresses only")
    if url.scheme != "http" or url.path.strip("/") or url.query or url.username:
        raise UsageError(f"{base_url} is more than http://address:port; put paths into targets and logins into headers")


def _refuse_too_much(targets: Sequence[Target], timeout_s: float, most_s: float) -> None:
    rate = sum(t.rate_hz for t in targets)
    if not targets or not all(t.rate_hz > 0 for t in targets) or not rate <= MOST_RATE_HZ:
        rates = ", ".join(f"{t.rate_hz:g}" for t in targets) or "none"
        raise UsageError(f"requests/s asked for: {rates}; each must be above 0, and all at most {MOST_RATE_HZ:g}")
    if not (timeout_s > 0 and most_s > 0 and rate * most_s <= MOST_REQUESTS):
        raise UsageError(
            f"{rate:g} requests/s for {most_s:g} s with a timeout of {timeout_s:g} s; "
            f"times must be above 0, and all requests at most {MOST_REQUESTS:g}"
        )
    series, times = Counter((t.name, t.conn) for t in targets).most_common(1)[0]
    if times > 1:
        raise UsageError(f"target {series[0]} over {series[1]} connections is given twice; give each a name of its own")


def _refuse_malformed(target: Target) -> None:
    """Refuse what would break the request line or a header, and so send another request than was meant."""
    if target.conn not in ("new", "reused"):
        raise UsageError(f"target {target.name}: connections are new or reused, not {target.conn!r}")
    if not re.fullmatch(r"[A-Z]+", target.method) or not re.fullmatch(r"/[!-~]*", target.path):
        raise UsageError(f"target {target.name}: {target.method} {target.path!r} is no request; encode the path")
    if not target.body.isascii():
        raise UsageError(f"target {target.name}: its body is not ASCII; encode it")
    for name, value in target.headers.items():
        if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not re.fullmatch(r"[ -~]*", value):
            # The value may be a token, so it is not shown.
            raise UsageError(f"target {target.name}: header {name!r} holds what a header cannot; give printable ASCII")
