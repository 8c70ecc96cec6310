"""What a command in a pod prints, fetched over one connection (`exec`), whatever its bytes and however many."""

from __future__ import annotations

import base64
import shlex
import time
from collections.abc import Sequence
from typing import IO, Any

from kubernetes import client

from harness.kube.console import close, opened
from harness.kube.source import KubeError, reaching

WAITS_S = 5


def fetch(
    configuration: client.Configuration,
    namespace: str,
    pod: str,
    command: Sequence[str],
    into: IO[bytes],
    within_s: float,
) -> None:
    """Raises `KubeError` where the command cannot be begun, fails, or takes longer; `into` may have a part by then.

    The way there carries texts, so the bytes travel as base64. What comes last says how the command ended.
    """
    script = f"set -e; {shlex.join(command)} | base64 --wrap=0"
    there = opened(configuration, namespace, pod, ("bash", "-o", "pipefail", "-c", script), asked=False)
    try:
        with reaching():
            _copy(there, into, time.monotonic() + within_s)
    finally:
        close(there)


def _copy(there: Any, into: IO[bytes], deadline: float) -> None:
    rest = ""
    while there.is_open():
        if time.monotonic() >= deadline:
            raise KubeError("what was to be fetched did not come in time")
        there.update(timeout=WAITS_S)
        rest = _decoded(rest + there.read_stdout(timeout=0), into)
    rest = _decoded(rest + there.read_stdout(timeout=0), into)
    if there.returncode != 0 or rest:
        said = " ".join(there.read_stderr(timeout=0).split())[:300]
        raise KubeError(f"what was to be fetched ended with {there.returncode}: {said or 'without a word'}")


def _decoded(text: str, into: IO[bytes]) -> str:
    """Write what is whole, and return the rest: four characters stand for three bytes."""
    whole = len(text) - len(text) % 4
    into.write(base64.b64decode(text[:whole]))
    return text[whole:]
