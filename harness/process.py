"""The only door to other programs: bounded in time, never through a shell, failures with their output."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import CommandFailed

TAIL = 2000
_running: set[subprocess.Popen[str]] = set()


def end_all() -> None:
    """End every program running in any thread, with everything that it started."""
    for child in list(_running):
        _end(child)


def run(
    command: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    log: Path | None = None,
) -> str:
    """Run a program to its end and return its standard output; `log` takes both streams instead, appended.

    Raises `CommandFailed` with the end of its output. A program that runs out of time, or is interrupted with
    us, is ended with everything that it started.
    """
    child = _start(command, env, cwd, stdin, log)
    shown = shlex.join(command)
    _running.add(child)
    try:
        stdout, stderr = child.communicate(stdin, timeout=timeout)
    except BaseException as cause:
        _end(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()
        if isinstance(cause, subprocess.TimeoutExpired):
            raise CommandFailed(f"{shown} did not end within {timeout:g} s", None, _tail(log, "")) from cause
        raise
    finally:
        _running.discard(child)
    if child.returncode != 0:
        said = _tail(log, (stderr or "") + (stdout or ""))
        raise CommandFailed(f"{shown} ended with {child.returncode}: {said}", child.returncode, said)
    return stdout or ""


def _start(
    command: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None, stdin: str | None, log: Path | None
) -> subprocess.Popen[str]:
    """In its own session, so that it can be ended with everything that it starts."""
    out = log.open("a", encoding="utf-8") if log else None
    try:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=out or subprocess.PIPE,
            stderr=subprocess.STDOUT if out else subprocess.PIPE,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as cause:
        raise CommandFailed(f"{command[0]} is not installed", None, "") from cause
    finally:
        if out:
            out.close()


def _end(child: subprocess.Popen[str]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
            child.wait(timeout=5)
            return
        except ProcessLookupError:
            child.wait()
            return
        except subprocess.TimeoutExpired:
            continue


def _tail(log: Path | None, said: str) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log and log.exists() else said
    return text.strip()[-TAIL:]
