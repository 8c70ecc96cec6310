"""A web server on loopback that fails, path by path and when told to, in each way that a real one can."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

Mode = Literal["ok", "reset", "503", "hang", "truncated", "wrong", "hang up"]
BODY = b'{"version": "3.3.2"}'
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """One request: its path, and the number of the connection that it came on."""

    path: str
    connection: int


class Stub:
    """Answers well until `turn` says otherwise for a path; `down` and `up` are the death and return of the process."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.modes: dict[str, Mode] = defaultdict(lambda: "ok")
        self.open: set[_Talk] = set()
        self.port = 0
        self._loop = loop
        self._listener: socket.socket | None = None
        self._accepting: set[asyncio.Task[object]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def turn(self, modes: Mapping[str, Mode]) -> None:
        """From now on, answer each path so; returns when it is done."""
        self._here(self._turn(modes))

    def down(self) -> None:
        """Refuse connections and cut the open ones."""
        self._here(self._down())

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._here(self._up())

    def leave(self) -> None:
        """As `down`; returns when every connection is gone."""
        self.down()
        self._here(self._emptied())

    def hang_up(self) -> None:
        """Close the connections that are open, as a server does with idle ones."""
        self._here(self._hang_up())

    def asked_for(self, path: str) -> list[Asked]:
        return [a for a in self.asked if a.path == path]

    async def _turn(self, modes: Mapping[str, Mode]) -> None:
        self.modes.update(modes)

    async def _down(self) -> None:
        if self._listener:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        # What was accepted just now must be cut as well: it would be left without anyone to answer it.
        await asyncio.gather(*self._accepting)
        for talk in list(self.open):
            talk.reset()

    async def _up(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        if self._listener:
            one, _ = self._listener.accept()
            task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: _Talk(self), one))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    async def _emptied(self) -> None:
        while self.open:
            await asyncio.sleep(0)

    async def _hang_up(self) -> None:
        for talk in list(self.open):
            talk.transport.close()

    def _here(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


class _Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._stub.connections += 1
        self._number = self._stub.connections
        self._stub.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stub.open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while b"\r\n\r\n" in self._unread:
            head, self._unread = self._unread.split(b"\r\n\r\n", 1)
            path = head.split(b" ")[1].decode()
            self._stub.asked.append(Asked(path, self._number))
            self._answer(self._stub.modes[path], b"Connection: close" in head)

    def reset(self) -> None:
        """Close without the closing handshake: the other side sees a reset."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _answer(self, mode: Mode, close: bool) -> None:
        if mode == "hang":
            return
        if mode == "reset":
            self.reset()
            return
        status = b"503 Service Unavailable" if mode == "503" else b"200 OK"
        body = b'{"detail": "starting"}' if mode == "wrong" else BODY
        length = len(body) + (10 if mode == "truncated" else 0)
        self.transport.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, length) + body)
        if close or mode in ("truncated", "hang up"):
            self.transport.close()


@contextmanager
def stub() -> Iterator[Stub]:
    """A stub that is up; gone at the end of the block, with all its connections."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stub", daemon=True)
    thread.start()
    server = Stub(loop)
    server.up()
    try:
        yield server
    finally:
        server.leave()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
