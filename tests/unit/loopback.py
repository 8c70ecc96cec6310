"""A real HTTP server on loopback that answers as a test tells it to: well, badly, late or not at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked; `client` is its port, the same for as long as it keeps its connection."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    client: int


@dataclass(frozen=True)
class Reply:
    """An answer: JSON `body`, or `raw` bytes, or `lines` one chunk each as they come, or with `drop` none at all.

    `length` is the one that is promised, where it is not the true one. `take` is handed the connection, to speak
    another protocol on it, and the headers.
    """

    status: int = 200
    body: Any = None
    lines: Iterable[str] | None = None
    raw: bytes | None = None
    drop: bool = False
    length: int | None = None
    take: Callable[[socket.socket, dict[str, str]], None] | None = None


@dataclass
class Server:
    """Where it listens, and all that it was asked."""

    url: str
    port: int
    asked: list[Request] = field(default_factory=list)

    def asked_for(self, method: str, path: str) -> list[Request]:
        return [r for r in self.asked if (r.method, r.path) == (method, path)]


@contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[Server]:
    """Answer every request by `answer`, which may wait; ends with the block."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length) if length else b""
            url = urlsplit(self.path)
            body = json.loads(content) if content else None
            query = parse_qs(url.query)
            asked = Request(self.command, url.path, query, dict(self.headers), body, self.client_address[1])
            with lock:
                server.asked.append(asked)
            self.reply(answer(asked))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def reply(self, reply: Reply) -> None:
            if reply.drop:
                self.close_connection = True
                return
            if reply.take:
                self.close_connection = True
                reply.take(self.connection, {name.lower(): value for name, value in self.headers.items()})
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            if reply.lines is not None:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for line in reply.lines:
                    data = line.encode() + b"\n"
                    self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
                return
            data = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
            self.send_header("Content-Length", str(len(data) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(data)
            if reply.length is not None:
                self.close_connection = True

        def handle(self) -> None:
            with suppress(OSError):  # the client went away, as some tests want it to
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    listener.block_on_close = False
    port = listener.server_address[1]
    server = Server(f"http://127.0.0.1:{port}", port)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
