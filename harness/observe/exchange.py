"""One HTTP request and its answer on a connection; every way in which it can go wrong is told apart.

Nothing is retried. An answer shorter than it says it is counts as a failure, and so does one with the wrong content;
only silence is `info`, as the request may have been served all the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import Literal, cast

import httptools

from harness.observe.prober import NUMBER

Outcome = Literal["ok", "fail", "info"]
Answer = tuple[int, bytes]
LENGTH_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
BODILESS = frozenset({"GET", "HEAD"})
# Stands in a prepared request for the number of each, which is just as long, so that the length is known beforehand.
PLACE = NUMBER.encode()


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
        self.status: int | None = None
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._body: list[bytes] = []
        self._bodiless = False
        self._until_close = True

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Write a request; the future gets status and body once the answer is complete.

        Raises `ConnectionResetError`, here or from the future, if the connection is or gets closed.
        """
        if self._transport is None or self._transport.is_closing():  # `open`, in terms that a type checker understands
            raise ConnectionResetError("the connection was closed while it was idle")
        self.reusable, self.status = False, None
        self._bodiless = request.startswith(b"HEAD ")
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        # The parser holds our methods: a reference cycle that would outlive the connection until garbage collection.
        self._parser = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            if self._parser is None:
                raise ConnectionError("an answer that nobody asked for")
            self._parser.feed_data(data)
        except (ConnectionError, httptools.HttpParserError, httptools.HttpParserUpgrade) as cause:
            self.reusable = False
            self._fail(ConnectionError(f"not an HTTP answer: {cause}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        whole = exc is None and self.status is not None and self._until_close
        self.reusable, self._transport, self._parser = False, None, None
        if whole:
            self._finish()
        self._fail(exc or ConnectionResetError("closed before the answer was whole"))

    def on_message_begin(self) -> None:
        self._body, self._until_close = [], True

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in LENGTH_HEADERS:
            self._until_close = False

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        if self._bodiless and not self._interim():
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser is None or self._interim():
            return
        self.reusable = bool(self._parser.should_keep_alive())
        self._parser = None
        self._finish()

    def _interim(self) -> bool:
        """Whether the answer itself is still to come, as after `100 Continue`."""
        return self.status is not None and 100 <= self.status < 200 and self.status != 101

    def _finish(self) -> None:
        if self._answer is not None and self.status is not None and not self._answer.done():
            self._answer.set_result((self.status, b"".join(self._body)))

    def _fail(self, cause: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(cause)


class Client:
    """Sends one prepared request over and over to one address, each time on a new connection, or on kept ones.

    Like every client, it skips a kept connection that was closed before anything is sent on it: a server may close
    idle ones. One that breaks later fails the request that it carries: nothing is sent twice.
    """

    def __init__(self, host: str, port: int, request: bytes, *, keep: bool, status: int, contains: bytes) -> None:
        self._host = host
        self._port = port
        self._request = request
        self._numbers = count()
        self._keep = keep
        self._status = status
        self._contains = contains
        # First in, first out: each gets its turn, so that none is idle long enough for a server to close it.
        self._idle: deque[Connection] = deque()

    async def once(self, timeout_s: float) -> Reply:
        """One request, `timeout_s` seconds at most from connecting to the last byte. Never raises."""
        number = b"%0*d" % (len(PLACE), next(self._numbers))
        connection = self._kept()
        try:
            async with asyncio.timeout(timeout_s):
                if connection is None:
                    connection = await self._connect()
                status, body = await connection.send(self._request.replace(PLACE, number))
        except TimeoutError:
            return self._bad(connection, "info", f"no whole answer within {timeout_s:g} s")
        except Exception as cause:  # whatever it is, the request was due and must have its sample
            return self._bad(connection, "fail", f"{type(cause).__name__}: {cause}"[:200])
        if self._keep and connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return self._judge(status, body, self._contains.replace(PLACE, number))

    def ask(self, request: bytes) -> None:
        """Send this from now on."""
        self._request = request

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _kept(self) -> Connection | None:
        """The connection that has been idle for longest and is still open."""
        while self._idle:
            connection = self._idle.popleft()
            if connection.open:
                return connection
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._host, self._port)
        return connection

    def _judge(self, status: int, body: bytes, contains: bytes) -> Reply:
        if status != self._status:
            return Reply("fail", status, f"answered {status}, expected {self._status}")
        if contains not in body:
            return Reply("fail", status, f"the answer does not contain {contains.decode()!r}")
        return Reply("ok", status)

    @staticmethod
    def _bad(connection: Connection | None, outcome: Outcome, error: str) -> Reply:
        if connection is None:
            return Reply(outcome, None, error)
        connection.close()
        return Reply(outcome, connection.status, error)


def prepare(
    method: str, host: str, path: str, headers: dict[str, str], *, keep: bool, nonce: str = "", body: str = ""
) -> bytes:
    """The bytes of a request. With a nonce, its query holds that and a number of its own: no cache knows the answer."""
    if nonce:
        path += f"{'&' if '?' in path else '?'}nonce={nonce}.{NUMBER}"
    every = {"Host": host, "Accept": "*/*", "Connection": "keep-alive" if keep else "close", **headers}
    if method not in BODILESS:
        every["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in every.items())]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode("ascii")
