"""A loopback server that speaks as much of Redis' protocol 3 as one stream needs, and breaks when a test says so.

Where it has a password, it does for nobody anything who has not said it.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

Entry = tuple[bytes, dict[bytes, bytes]]


class Stream:
    """A stream of entries, and keys. `break_next` closes that many connections after their next XADD, XREAD or GET."""

    def __init__(self) -> None:
        self.port = 0
        self.password = b""
        self.entries: list[Entry] = []
        self.keys: dict[bytes, bytes] = {}
        self.keep_broken = True
        self.break_next = 0
        self.broken = 0
        self._lock = threading.Lock()

    def add(self, fields: dict[bytes, bytes]) -> bytes:
        with self._lock:
            number = b"%d-0" % (len(self.entries) + 1)
            self.entries.append((number, fields))
            return number

    def answer(self, words: list[bytes]) -> bytes | None:
        """The reply to one command, or None where the connection is to break instead."""
        command = words[0].upper()
        if command in (b"XADD", b"XREAD", b"GET") and self.break_next:
            self.break_next -= 1
            self.broken += 1
            if command == b"XADD" and self.keep_broken:
                self.add(_fields(words[3:]))
            return None
        if command == b"XADD":
            return _bulk(self.add(_fields(words[3:])))
        if command == b"GET":
            return _bulk(self.keys[words[1]]) if words[1] in self.keys else b"_\r\n"
        if command == b"SET":
            self.keys[words[1]] = words[2]
        if command == b"XREVRANGE":
            return _entries(self.entries[-1:])
        if command == b"XREAD":
            after = int(words[-1].split(b"-")[0])
            new = [entry for entry in self.entries if int(entry[0].split(b"-")[0]) > after]
            return b"%1\r\n" + _bulk(b"ledger") + _entries(new) if new else b"_\r\n"
        return b"%1\r\n+proto\r\n:3\r\n" if command == b"HELLO" else b"+OK\r\n"


def _fields(words: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(words[::2], words[1::2], strict=True))


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


def _entries(entries: list[Entry]) -> bytes:
    out = b"*%d\r\n" % len(entries)
    for number, fields in entries:
        words = [word for pair in fields.items() for word in pair]
        out += b"*2\r\n" + _bulk(number) + b"*%d\r\n" % len(words) + b"".join(map(_bulk, words))
    return out


@contextmanager
def streaming(tls: ssl.SSLContext | None = None) -> Iterator[Stream]:
    """Serve one stream for the length of the block."""
    stream = Stream()

    class Handler(socketserver.StreamRequestHandler):
        timeout = 20

        def handle(self) -> None:
            known = not stream.password
            with suppress(OSError):
                while (head := self.rfile.readline()).startswith(b"*"):
                    words = [self._word() for _ in range(int(head[1:]))]
                    known = known or stream.password in words  # after AUTH, or HELLO 3 AUTH
                    reply = stream.answer(words) if known else b"-NOAUTH Authentication required.\r\n"
                    if reply is None:
                        return
                    self.wfile.write(reply)

        def _word(self) -> bytes:
            length = int(self.rfile.readline()[1:])
            return self.rfile.read(length + 2)[:-2]

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            if tls:  # its handshake is up to the handler's first read
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

    with Listener(("127.0.0.1", 0), Handler) as listener:
        stream.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield stream
        finally:
            listener.shutdown()
            thread.join()
