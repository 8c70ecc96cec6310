"""A web server on loopback with scripted failures, so it knows when it failed: the prober is calibrated against it.

`python -m harness.observe.stub`, the script on standard input. It prints where it listens, serves until its standard
input ends, then prints when each kind of outage really was.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import time
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Literal, cast

import uvloop

from harness.errors import HarnessError
from harness.observe.prompt import be_prompt, stdin_ended

Kind = Literal["refuse", "hang", "500", "truncate", "slow", "flap"]
Span = tuple[int, int]
MS = 1_000_000
BODY = b'{"version": "stub"}'
LAG_S = 0.1  # how long a `slow` answer takes while it is not too slow
# Below the ports of outgoing connections: one of those could otherwise take ours while nobody listens on it.
PORTS = range(20_000, 30_000)
TRIES = 50


@dataclass(frozen=True)
class Script:
    """Per kind the stretches [begin, end) in which it fails, in nanoseconds since `t0`. Too slow means `late_s`."""

    t0: int
    spans: Mapping[str, tuple[Span, ...]]
    late_s: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Script:
        """The reverse of `to_json`, for its own output only."""
        said = json.loads(text)
        spans = {kind: tuple((begin, end) for begin, end in own) for kind, own in said["spans"].items()}
        return cls(said["t0"], spans, said["late_s"])

    def fails(self, kind: str) -> bool:
        """Whether a request of this kind that comes now should fail."""
        now = time.monotonic_ns() - self.t0
        own = self.spans.get(kind, ())
        place = bisect_right(own, now, key=lambda span: span[0]) - 1
        return place >= 0 and now < own[place][1]


class Talk(asyncio.Protocol):
    """One connection. The path of a request is the kind of outage that it may meet."""

    def __init__(self, script: Script, open_: set[Talk]) -> None:
        self._script = script
        self._open = open_
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while b"\r\n\r\n" in self._unread:
            head, self._unread = self._unread.split(b"\r\n\r\n", 1)
            kind = head.split(b" ", 2)[1].decode()[1:]
            self._meet(kind, b"Connection: close" in head)

    def reset(self) -> None:
        """End as a killed process does: without the closing handshake."""
        linger = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    def _meet(self, kind: str, close: bool) -> None:
        fails = self._script.fails(kind)
        if kind == "slow":
            late = self._script.late_s if fails else LAG_S
            asyncio.get_running_loop().call_later(late, self._answer, b"200 OK", len(BODY), close)
        elif not fails:
            self._answer(b"200 OK", len(BODY), close)
        elif kind in ("500", "flap"):
            self._answer(b"500 Internal Server Error", len(BODY), close)
        elif kind == "truncate":
            self._answer(b"200 OK", len(BODY) + 10, close=True)

    def _answer(self, status: bytes, length: int, close: bool) -> None:
        if self._transport.is_closing():
            return
        kept = b"close" if close else b"keep-alive"
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n" % (status, length, kept)
        self._transport.write(head + BODY)
        if close:
            self._transport.close()


class Door:
    """A port that answers requests and can be shut: new connections are then refused, and open ones cut."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._open: set[Talk] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        for port in [self.port] if self.port else random.sample(PORTS, TRIES):
            with suppress(OSError):
                loop = asyncio.get_running_loop()
                make = lambda: Talk(self._script, self._open)  # noqa: E731
                self._server = await loop.create_server(make, "127.0.0.1", port, backlog=1000)
                self.port = port
                return
        raise HarnessError("the stub found no free port on loopback; free one from 20000 to 30000")

    def shut(self) -> None:
        if self._server:
            self._server.close()
        for talk in list(self._open):
            talk.reset()


async def _refuse(door: Door, script: Script) -> list[Span]:
    """Shut the door as scripted; returns when it really was shut."""
    found: list[Span] = []
    for begin, end in script.spans.get("refuse", ()):
        await _sleep_until(script.t0 + begin)
        door.shut()
        shut = time.monotonic_ns() - script.t0
        await _sleep_until(script.t0 + end)
        await door.open()
        found.append((shut, time.monotonic_ns() - script.t0))
    return found


async def _sleep_until(t: int) -> None:
    # The loop's timers have whole milliseconds; rounded down, it would wake too early.
    await asyncio.sleep(ceil(max(0, t - time.monotonic_ns()) / MS) / 1000)


async def serve(script: Script) -> dict[str, Any]:
    """Serve until standard input ends; returns when each kind failed."""
    always, sometimes = Door(script), Door(script)
    await always.open()
    await sometimes.open()
    print(json.dumps({"always": always.port, "sometimes": sometimes.port}), flush=True)
    refusing = asyncio.create_task(_refuse(sometimes, script))
    await stdin_ended()
    refusing.cancel()
    refused = (await asyncio.gather(refusing, return_exceptions=True))[0]
    always.shut()
    sometimes.shut()
    if isinstance(refused, BaseException):
        raise HarnessError("the stub ended before its script did") from refused
    return {**script.spans, "refuse": refused}


def main() -> None:
    script = Script.from_json(sys.stdin.readline())
    be_prompt()
    print(json.dumps(uvloop.run(serve(script))), flush=True)


if __name__ == "__main__":
    main()
