"""What a kubelet does for `exec`: begin a command, and carry its streams and its end over a websocket. The command runs
beside us, as a test wraps it."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from tests.unit.kube.test_console import CLOSE, MAGIC, TEXT, _frame, _framed
from tests.unit.loopback import Reply

STDOUT, STDERR, ENDING = b"\1", b"\2", b"\3"


def execed(command: Sequence[str], *, breaks: bool = False) -> Reply:
    """The answer to an `exec`. With `breaks`, the connection ends with nothing said of how the command did."""
    return Reply(take=lambda line, headers: _serve(line, headers, command, breaks))


def _serve(line: socket.socket, headers: dict[str, str], command: Sequence[str], breaks: bool) -> None:
    key = headers["sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()  # noqa: S324
    line.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n".encode()
    )
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as child:
        lock = threading.Lock()
        streams = [threading.Thread(target=_carry, args=(child.stdout, STDOUT, line, lock), daemon=True)]
        streams.append(threading.Thread(target=_carry, args=(child.stderr, STDERR, line, lock), daemon=True))
        threading.Thread(target=_listen, args=(child, line), daemon=True).start()
        for stream in streams:
            stream.start()
        code = child.wait()
        for stream in streams:
            stream.join(5)
    if not breaks:
        line.sendall(_framed(TEXT, ENDING + _status(code)) + _framed(CLOSE, struct.pack("!H", 1000)))


def _status(code: int) -> bytes:
    if code == 0:
        return b'{"status": "Success"}'
    ended = str(code if code > 0 else 128 - code)
    causes = [{"reason": "ExitCode", "message": ended}]
    return json.dumps({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}).encode()


def _carry(stream: IO[bytes] | None, channel: bytes, line: socket.socket, lock: threading.Lock) -> None:
    assert stream
    try:
        while said := stream.read(4096):
            with lock:
                line.sendall(_framed(TEXT, channel + said))
    except OSError:
        pass  # whoever asked has gone


def _listen(child: subprocess.Popen[bytes], line: socket.socket) -> None:
    """What is typed; whoever goes leaves nothing behind."""
    assert child.stdin
    try:
        while (frame := _frame(line)) and frame[0] != CLOSE:
            if frame[1][:1] == b"\0":
                child.stdin.write(frame[1][1:])
    except OSError:
        pass
    if child.poll() is None:
        child.kill()
