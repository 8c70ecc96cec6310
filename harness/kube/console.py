"""Commands in a pod's container, over the connection that `exec` opens: run to their end, or asked by lines while they
run, which is cheaper than to begin a process for each question.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import websocket
from kubernetes import client
from kubernetes.stream import stream

from harness.kube.source import KubeError, reaching

OPENS_WITHIN_S = 4.0
CLOSES_WITHIN_S = 1
ENDING = 3  # the channel on which it is told how a command ended
SIGKILLED = 128 + 9

# The client of Kubernetes opens connections without a limit, and a node that is off never answers.
websocket.setdefaulttimeout(OPENS_WITHIN_S)


class Silent(KubeError):
    """No answer came in time; `said` is what came of it so far. It may still come."""

    def __init__(self, message: str, said: list[str]) -> None:
        super().__init__(message)
        self.said = said


class Ended(KubeError):
    """The command is over; the message is what it said last."""


class Console:
    """One thread asks. Raises `KubeError` where the command cannot be begun."""

    def __init__(
        self, configuration: client.Configuration, namespace: str, pod: str, command: Sequence[str], container: str = ""
    ) -> None:
        self._stream = opened(configuration, namespace, pod, command, container)

    def send(self, text: str) -> None:
        """Raises `Ended` where nobody reads it any more."""
        try:
            self._stream.write_stdin(f"{text}\n")
        except Exception as cause:  # whatever the library, or the one below it, raises
            raise Ended(f"{self._rest() or cause}") from cause

    def until(self, last: str, within_s: float) -> list[str]:
        """The lines up to one that reads `last`, without it. Raises `Silent` and `Ended`."""
        said: list[str] = []
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._stream.readline_stdout(timeout=left).strip()
            except Exception as cause:
                raise Ended(f"the connection broke: {cause}") from cause
            if line == last:
                return said
            if line:
                said.append(line)
            elif not self._stream.is_open():
                raise Ended(" ".join([*said, self._rest()]).strip() or "it ended without a word")
        raise Silent(f"no answer for {within_s:g} s", said)

    def killed(self) -> bool:
        """Whether the command is over by SIGKILL, as all that run in a container are when it ends; a connection that
        broke says nothing. It does not wait."""
        with suppress(Exception):
            self._stream.update(timeout=0)
        return not self._stream.is_open() and _code(self._stream) == SIGKILLED

    def close(self) -> None:
        close(self._stream)

    def _rest(self) -> str:
        with suppress(Exception):
            both = self._stream.read_stdout() + self._stream.read_stderr()
            return " ".join(both.split())
        return ""


def once(
    configuration: client.Configuration,
    namespace: str,
    pod: str,
    command: Sequence[str],
    within_s: float,
    container: str = "",
) -> str:
    """Run a command to its end, and return what it printed. Raises `KubeError`, with its last words, where it failed,
    did not end in time, or did not say how it ended."""
    line = opened(configuration, namespace, pod, command, container, asked=False)
    try:
        deadline = time.monotonic() + within_s
        while line.is_open() and (left := deadline - time.monotonic()) > 0:
            line.update(timeout=left)
        said, complaint, code = line.read_stdout(timeout=0), line.read_stderr(timeout=0), _code(line)
    except Exception as cause:  # whatever the library, or the one below it, raises
        raise KubeError(f"the connection to {namespace}/{pod} broke: {cause}") from cause
    finally:
        close(line)
    if code != 0:
        ended = f"ended with {code}" if code is not None else f"did not end within {within_s:g} s, or did not say how"
        raise KubeError(f"{command[0]} in {namespace}/{pod} {ended}: {' '.join((complaint or said).split())[-500:]}")
    return str(said)


def opened(
    configuration: client.Configuration,
    namespace: str,
    pod: str,
    command: Sequence[str],
    container: str = "",
    *,
    asked: bool = True,
) -> Any:
    """The connection to a command that begins; without `asked`, nothing can be sent to it. Raises `KubeError`."""
    # Of its own, since the library changes the client's calls while it opens a stream.
    api = client.CoreV1Api(client.ApiClient(configuration))
    named = {"container": container} if container else {}
    with reaching():
        return stream(
            api.connect_get_namespaced_pod_exec,
            pod,
            namespace,
            command=list(command),
            stdin=asked,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
            **named,
        )


def _code(line: Any) -> int | None:
    """How a command ended, or None where it did not, or nobody said so."""
    if line.is_open():
        return None
    try:
        said = json.loads(line.peek_channel(ENDING))
        return 0 if said["status"] == "Success" else int(said["details"]["causes"][0]["message"])
    except (ValueError, LookupError, TypeError):
        return None


def close(line: Any) -> None:
    """End the connection, in whatever state it is."""
    with suppress(Exception):  # it may be closed already, or nobody be there to close it
        line.close(timeout=CLOSES_WITHIN_S)
    with suppress(Exception):  # the library leaves open what the other side has ended
        line.sock.shutdown()
