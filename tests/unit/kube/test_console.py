"""A command in a pod, asked over the connection that Kubernetes' own client opens: to a loopback server that begins a
shell for it, as a kubelet does."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes import client

from harness.kube import Console, KubeError
from harness.kube.console import Ended, Silent

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE = 1, 8


class Kubelet:
    """Serves one exec: the command runs beside us, and its streams are the channels of the connection."""

    def __init__(self, status: int = 101) -> None:
        self._status = status
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.path = ""
        self.shell: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)
        if self.shell:
            self.shell.kill()
            self.shell.wait()
            for end in (self.shell.stdin, self.shell.stdout):
                assert end
                end.close()

    def _serve(self) -> None:
        line, _ = self._listener.accept()
        with line:
            head = b""
            while b"\r\n\r\n" not in head:
                head += line.recv(4096)
            first, *rest = head.decode().split("\r\n")
            self.path = first.split()[1]
            if self._status != 101:
                line.sendall(f"HTTP/1.1 {self._status} No\r\nContent-Length: 0\r\n\r\n".encode())
                return
            said = dict(one.split(": ", 1) for one in rest if ": " in one)
            key = {name.lower(): value for name, value in said.items()}["sec-websocket-key"]
            accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()  # noqa: S324
            line.sendall(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n".encode()
            )
            self._run(line)

    def _run(self, line: socket.socket) -> None:
        command = parse_qs(urlsplit(self.path).query)["command"]
        self.shell = shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert shell.stdin
        back = threading.Thread(target=self._answers, args=(shell, line), daemon=True)
        back.start()
        while (frame := _frame(line)) and frame[0] != CLOSE:
            if frame[1][:1] == b"\0":
                shell.stdin.write(frame[1][1:])
        shell.stdin.close()
        back.join(5)

    @staticmethod
    def _answers(shell: subprocess.Popen[bytes], line: socket.socket) -> None:
        assert shell.stdout
        try:
            while said := shell.stdout.read(4096):
                line.sendall(_framed(TEXT, b"\1" + said))
            line.sendall(_framed(TEXT, b"\3" + _status(shell.wait(5))) + _framed(CLOSE, struct.pack("!H", 1000)))
        except OSError:
            pass  # whoever asked has gone


def _status(code: int) -> bytes:
    """How Kubernetes says what a command ended with."""
    causes = [{"reason": "ExitCode", "message": str(code)}]
    said = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return json.dumps({"status": "Success"} if code == 0 else said).encode()


def _framed(kind: int, payload: bytes) -> bytes:
    size = struct.pack("!B", len(payload)) if len(payload) < 126 else struct.pack("!BH", 126, len(payload))
    return bytes([0x80 | kind]) + size + payload


def _frame(line: socket.socket) -> tuple[int, bytes] | None:
    """One frame of a client, which masks what it sends; None where it has gone."""
    try:
        head = line.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return None
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", line.recv(2, socket.MSG_WAITALL))
        mask, masked = line.recv(4, socket.MSG_WAITALL), line.recv(size, socket.MSG_WAITALL) if size else b""
    except OSError:
        return None
    return head[0] & 0x0F, bytes(byte ^ mask[n % 4] for n, byte in enumerate(masked))


@contextmanager
def console(script: str) -> Iterator[tuple[Console, Kubelet]]:
    kubelet = Kubelet()
    configuration = client.Configuration(host=kubelet.url)
    one = Console(configuration, "airflow", "patroni-0", ("sh", "-c", script))
    try:
        yield one, kubelet
    finally:
        one.close()
        kubelet.close()


def test_a_command_is_asked_again_and_again_over_one_connection() -> None:
    with console("while read -r line; do echo said $line; echo; echo end; done") as (one, kubelet):
        for word in ("a", "b", "c"):
            one.send(word)
            assert one.until("end", 5) == [f"said {word}"]
        where = urlsplit(kubelet.path)
        assert where.path == "/api/v1/namespaces/airflow/pods/patroni-0/exec"
        assert parse_qs(where.query)["command"][:2] == ["sh", "-c"]


def test_what_came_so_far_is_told_and_the_rest_may_still_come() -> None:
    with console("read -r line; echo half; read -r line; echo whole; echo end; cat") as (one, _):
        one.send("go")
        with pytest.raises(Silent, match=r"no answer for 0\.5 s") as silent:
            one.until("end", 0.5)
        assert silent.value.said == ["half"]
        one.send("on")
        assert one.until("end", 5) == ["whole"]


def test_the_last_words_of_what_ends_are_told() -> None:
    with console("read -r line; echo it is starting up; exit 2") as (one, _):
        one.send("go")
        with pytest.raises(Ended, match="it is starting up"):
            one.until("end", 5)
        with pytest.raises(KubeError):
            one.until("end", 5)


def test_what_cannot_be_begun_is_said() -> None:
    kubelet = Kubelet(status=404)
    try:
        with pytest.raises(KubeError, match="404"):
            Console(client.Configuration(host=kubelet.url), "airflow", "patroni-0", ("true",))
    finally:
        kubelet.close()


def test_it_can_be_closed_twice() -> None:
    with console("cat") as (one, _):
        one.close()
