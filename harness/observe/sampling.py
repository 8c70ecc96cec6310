"""The process of the prober: ticks, requests, samples. `python -m harness.observe.sampling`, configuration on stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from harness.history import NS, Event, Recorder, Sample
from harness.observe.exchange import Client, Reply, prepare
from harness.observe.prober import Target

LEAD_NS = NS // 5
FLUSH_S = 0.2


@dataclass
class Series:
    """One target on one kind of connection, and when its next request is due."""

    target: Target
    client: Client
    every_ns: int
    next_due: int


class Sampler:
    """Starts every due request at its time, and writes a sample when its answer is there."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._recorder = Recorder(Path(config["history"]), config["t0"])
        self._timeout_s = float(config["timeout_s"])
        self._end = self._recorder.now() + round(config["most_s"] * NS)
        self._series = _series(config, self._recorder.now() + LEAD_NS)
        self._open: set[asyncio.Task[None]] = set()
        self._lines: list[Sample] = []
        self._due = 0
        self._recorded = 0
        self._stopping = asyncio.Event()

    async def run(self) -> dict[str, int]:
        """Sample until standard input ends; returns the counts."""
        self._note("started", {})
        watch = asyncio.create_task(self._until_stdin_ends())
        flush = asyncio.create_task(self._flush_often())
        await self._tick()
        if self._open:
            await asyncio.wait(self._open)
        for task in (watch, flush):
            task.cancel()
        self._flush()
        for series in self._series:
            series.client.close()
        counts = {"due": self._due, "recorded": self._recorded}
        self._note("stopped", counts)
        self._recorder.close()
        return counts

    async def _tick(self) -> None:
        while not self._stopping.is_set():
            series = min(self._series, key=lambda s: s.next_due)
            if series.next_due >= self._end:
                return
            wait = series.next_due - self._recorder.now()
            if wait > 0:
                try:
                    async with asyncio.timeout(wait / NS):
                        await self._stopping.wait()
                    return
                except TimeoutError:
                    pass
            self._due += 1
            task = asyncio.create_task(self._sample(series, series.next_due))
            self._open.add(task)
            task.add_done_callback(self._open.discard)
            series.next_due += series.every_ns

    async def _sample(self, series: Series, due: int) -> None:
        t = self._recorder.now()
        reply = await series.client.once(self._timeout_s)
        self._lines.append(sample_of(series.target, due, t, self._recorder.now(), reply))

    async def _until_stdin_ends(self) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
        self._stopping.set()

    async def _flush_often(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._recorder.write(*lines)
            self._recorded += len(lines)

    def _note(self, what: str, value: dict[str, Any]) -> None:
        self._recorder.write(Event(t=self._recorder.now(), source="probe", object="prober", what=what, value=value))


def sample_of(target: Target, due: int, t: int, end: int, reply: Reply) -> Sample:
    """The record of one request; built without validating again, for the prober makes hundreds a second."""
    return Sample.model_construct(
        t=t,
        target=target.name,
        conn=target.conn,
        method=target.method,
        path=target.path,
        due=due,
        end=end,
        outcome=reply.outcome,
        status=reply.status,
        error=reply.error,
    )


def _series(config: dict[str, Any], first: int) -> list[Series]:
    """All series, their ticks set apart so that they do not coincide."""
    url = urlsplit(config["base_url"])
    host, port = url.hostname or "", url.port or 80
    targets = [Target(**t) for t in config["targets"]]
    made = []
    for place, target in enumerate(targets):
        keep = target.conn == "reused"
        request = prepare(target.method, url.netloc, target.path, target.headers, keep=keep)
        contains = (target.must_contain or "").encode()
        client = Client(host, port, request, keep=keep, status=target.expect_status, contains=contains)
        every = round(NS / target.rate_hz)
        made.append(Series(target, client, every, first + every * place // len(targets)))
    return made


def main(read: Callable[[], str] = sys.stdin.readline) -> None:
    """Entry. Ctrl-C is the harness's to handle: it ends us by closing our standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config = json.loads(read())
    # A full collection in the middle of a run would delay the requests that are due meanwhile.
    gc.freeze()
    gc.disable()

    async def sample() -> dict[str, int]:
        return await Sampler(config).run()

    counts = uvloop.run(sample())
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
