"""One HTTP request and its answer on a connection, with every way that it can go wrong told apart.

Nothing is retried. An answer that ends before its own length says so is a failure, and so is one that says what it should
not; only silence is `info`, for the request may have been served all the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, cast

import httptools

Outcome = Literal["ok", "fail", "info"]


@dataclass(frozen=True)
class Reply:
    """How a request ended; `status` where an answer began, `error` where it is not `ok`."""

    outcome: Outcome
    status: int | None = None
    error: str | None = None


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time. `reusable` says whether another may follow."""

    def __init__(self) -> None:
        self.reusable = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []

    def send(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Write a request; the future has status and body once the answer is whole. Raises OSError where it is closed."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection was closed while it was idle")
        self.reusable = False
        self._body = []
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as cause:
            self._fail(ConnectionError(f"not an HTTP answer: {cause}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._transport = None
        self._fail(exc or ConnectionResetError("closed before the answer was whole"))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.reusable = bool(self._parser.should_keep_alive())
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), b"".join(self._body)))

    def _fail(self, cause: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(cause)


class Client:
    """Sends one prepared request again and again to one address: each on a new connection, or on kept ones."""

    def __init__(self, host: str, port: int, request: bytes, *, keep: bool, status: int, contains: bytes) -> None:
        self._host = host
        self._port = port
        self._request = request
        self._keep = keep
        self._status = status
        self._contains = contains
        self._idle: list[Connection] = []

    async def once(self, timeout_s: float) -> Reply:
        """One request, `timeout_s` seconds at most from connecting to the last byte. Never raises."""
        connection = self._idle.pop() if self._idle else None
        try:
            async with asyncio.timeout(timeout_s):
                if connection is None:
                    connection = await self._connect()
                status, body = await connection.send(self._request)
        except TimeoutError:
            self._drop(connection)
            return Reply("info", error=f"no whole answer within {timeout_s:g} s")
        except OSError as cause:
            self._drop(connection)
            return Reply("fail", error=f"{type(cause).__name__}: {cause}"[:200])
        if self._keep and connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return self._judge(status, body)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._host, self._port)
        return connection

    def _judge(self, status: int, body: bytes) -> Reply:
        if status != self._status:
            return Reply("fail", status, f"answered {status}, expected {self._status}")
        if self._contains not in body:
            return Reply("fail", status, f"the answer does not contain {self._contains.decode()!r}")
        return Reply("ok", status)

    @staticmethod
    def _drop(connection: Connection | None) -> None:
        if connection is not None:
            connection.close()


def prepare(method: str, host: str, path: str, headers: dict[str, str], *, keep: bool) -> bytes:
    """The bytes of a request without a body."""
    every = {"Host": host, "Accept": "*/*", "Connection": "keep-alive" if keep else "close", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in every.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
