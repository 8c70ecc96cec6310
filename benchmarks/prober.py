"""How punctual the prober is and what it costs: `python benchmarks/prober.py [--rate 200 --seconds 20]`.

Four series (two paths, each on new and on kept connections) ask a stub on loopback, which runs in a process of its own.
The processor's time is the prober's alone, from its first samples on: the interpreter's start is no cost per request.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import cast

import psutil
import uvloop

from harness.history import NS, History, Recorder
from harness.observe.prober import Prober, Target
from harness.wait import until

PUNCTUAL_NS = 5_000_000
BODY = b'{"version": "3.3.2", "git_version": null}'
WARM_UP_S = 1.0


class Stub(asyncio.Protocol):
    """Answers each request at once, and closes where it is asked to."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        close = b"Connection: close" in data
        kind = b"close" if close else b"keep-alive"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n"
        self._transport.write(head % (len(BODY), kind) + BODY)
        if close:
            self._transport.close()


@dataclass(frozen=True)
class Cost:
    """What the prober's process used: percent of one core, and resident memory in MiB at either end."""

    cpu: float
    memory_begin: float
    memory_end: float


def serve() -> None:
    """The stub's process: says its port, and answers until its standard input ends."""

    async def answer() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Stub, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        server.close()

    uvloop.run(answer())


@contextmanager
def stub() -> Iterator[str]:
    """The address of a stub that is at work."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        child.stdin.close()


def measure(path: Path, rate_hz: float, seconds: float) -> tuple[Cost, History]:
    """Probe a stub for `seconds`, and return what that cost and what was recorded."""
    recorder = Recorder.create(path)
    targets = [
        Target(name, place, conn, rate_hz / 4, must_contain="version")
        for name, place in (("version", "/api/v2/version"), ("dags", "/api/v2/dags?limit=5"))
        for conn in ("new", "reused")
    ]
    with stub() as url:
        prober = Prober(path, recorder.t0, url, targets, timeout_s=5)
        prober.start()
        assert prober.pid
        process = psutil.Process(prober.pid)
        until(path.read_bytes, lambda said: b'"sample"' in said, what="the first sample", timeout=30, every=0.05)
        time.sleep(WARM_UP_S)
        cost = _cost(process, seconds)
        prober.stop()
    recorder.close()
    return cost, History.read(path)


def _cost(process: psutil.Process, seconds: float) -> Cost:
    began, before, memory = time.monotonic(), process.cpu_times(), process.memory_info().rss
    time.sleep(seconds)
    wall, after = time.monotonic() - began, process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return Cost(100 * used / wall, memory / 2**20, process.memory_info().rss / 2**20)


def rows(cost: Cost, history: History, rate_hz: float) -> list[tuple[str, str]]:
    """The figures, as text."""
    samples = list(history.samples)
    scheduling = next(str(e.value["scheduling"]) for e in history.events if e.what == "started")
    late = [(s.t - s.due) / 1e6 for s in samples]
    cuts = quantiles(late, n=100)
    length = (samples[-1].due - samples[0].due) / NS
    punctual = sum(s.t - s.due <= PUNCTUAL_NS for s in samples)
    load = " ".join(f"{x:.1f}" for x in os.getloadavg())
    return [
        ("requests/s asked for", f"{rate_hz:g}"),
        ("requests/s held", f"{(len(samples) - 1) / length:.1f}"),
        ("started within 5 ms of due", f"{100 * punctual / len(samples):.2f} %"),
        ("lateness p50 / p99 / max", f"{cuts[49]:.2f} / {cuts[98]:.2f} / {max(late):.2f} ms"),
        ("answered well", f"{100 * sum(s.outcome == 'ok' for s in samples) / len(samples):.2f} %"),
        ("processor", f"{cost.cpu:.1f} % of one core"),
        ("memory, first and last", f"{cost.memory_begin:.0f} / {cost.memory_end:.0f} MiB"),
        ("scheduling of the prober", scheduling),
        ("samples", str(len(samples))),
        ("load of the machine (1, 5, 15 min)", f"{load} on {os.cpu_count()} cores"),
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=float, default=200, help="requests per second, over four series")
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        serve()
        return
    with tempfile.TemporaryDirectory() as folder:
        cost, history = measure(Path(folder) / "history.jsonl", given.rate, given.seconds)
    print("| figure | measured |\n| --- | --- |")
    for name, value in rows(cost, history, given.rate):
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
