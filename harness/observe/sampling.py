"""The process of the prober: ticks, requests, samples. `python -m harness.observe.sampling`, configuration on stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import ceil, gcd
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from harness.calls import UNKNOWN_TOKEN, Calls
from harness.errors import HarnessError
from harness.history import NS, Event, Recorder, Sample
from harness.observe.exchange import Client, Reply, prepare
from harness.observe.prober import Config, Summary, Target
from harness.observe.prompt import be_prompt, stdin_ended

LEAD_NS = NS // 5
FLUSH_S = 0.2
BEARER = "Authorization"
MS = 1_000_000


@dataclass
class Series:
    """One target on one kind of connection, and when its next request is due."""

    target: Target
    client: Client
    every_ns: int
    next_due: int


class Sampler:
    """Starts every request when it is due, and writes a sample once it is answered."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._recorder = Recorder(Path(config.history), config.t0)
        self._timeout_s = config.timeout_s
        self._end = self._recorder.now() + round(config.most_s * NS)
        self._series = _series(config, self._recorder.now() + LEAD_NS)
        self._open: set[asyncio.Task[None]] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._samples: list[Sample] = []
        self._due = 0
        self._recorded = 0

    async def run(self, scheduling: str) -> Summary:
        """Sample until standard input ends or time is up; every request that was due gets its sample."""
        self._note("started", {"scheduling": scheduling})
        ticks = asyncio.create_task(self._tick())
        told = asyncio.create_task(stdin_ended())
        flush = asyncio.create_task(self._flush_often())
        await asyncio.wait({ticks, told, flush}, return_when=asyncio.FIRST_COMPLETED)
        ticks.cancel()
        self._start_due()
        if self._open:
            await asyncio.wait(self._open)
        if self._renewal:
            await self._renewal
        told.cancel()
        flush.cancel()
        for ended in await asyncio.gather(ticks, told, flush, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        self._flush()
        for series in self._series:
            series.client.close()
        summary = Summary(self._due, self._recorded)
        self._note("stopped", asdict(summary))
        self._recorder.close()
        return summary

    async def _tick(self) -> None:
        while (due := self._start_due()) < self._end:
            # The loop's timers count whole milliseconds; rounded down, it would wake too early and spin.
            await asyncio.sleep(ceil(max(0, due - self._recorder.now()) / MS) / 1000)

    def _start_due(self) -> int:
        """Start every request that is due, including those that a stall held up; returns when the next one is due."""
        while True:
            series = min(self._series, key=lambda s: s.next_due)
            due = series.next_due
            if due >= self._end or due > self._recorder.now():
                return due
            series.next_due += series.every_ns
            self._due += 1
            task = asyncio.create_task(self._sample(series, due))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _sample(self, series: Series, due: int) -> None:
        t, target = self._recorder.now(), series.target
        reply = await series.client.once(self._timeout_s)
        self._samples.append(sample_of(target, due, t, self._recorder.now(), reply))
        idle = self._renewal is None or self._renewal.done()
        if reply.status == UNKNOWN_TOKEN and target is series.target and BEARER in target.headers and idle:
            self._renewal = asyncio.create_task(self._log_in())

    async def _log_in(self) -> None:
        """Get a new token, as a user who was logged out would. The refused request stays refused; if no token is to be
        had now, the next refused request tries again."""
        if self._config.login is None:
            return
        door = Calls(self._config.base_url, *self._config.login, self._timeout_s)
        try:
            token = await asyncio.to_thread(door.login)
        except HarnessError:
            return
        finally:
            door.close()
        for series in self._series:
            if BEARER in series.target.headers:
                series.target = replace(series.target, headers=series.target.headers | {BEARER: f"Bearer {token}"})
                series.client.ask(_request(self._config, series.target))

    async def _flush_often(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._flush()

    def _flush(self) -> None:
        samples, self._samples = self._samples, []
        if samples:
            self._recorder.write(*samples)
            self._recorded += len(samples)

    def _note(self, what: str, value: dict[str, Any]) -> None:
        self._recorder.write(Event(t=self._recorder.now(), source="probe", object="prober", what=what, value=value))


def sample_of(target: Target, due: int, t: int, end: int, reply: Reply) -> Sample:
    """The record of one request; not validated, as the prober makes hundreds a second."""
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


def phases(intervals: Sequence[int]) -> list[int]:
    """When each series begins, so that no two ticks coincide; all in nanoseconds.

    Modulo the greatest common divisor of the intervals, all ticks of a series fall on one place, so series on different
    places never meet. If that divisor leaves no room, ticks must meet now and then, and only the first are set apart.
    Series with equal intervals are spread over it, so that no long part of it goes by without a request; the two series
    of a target, which follow each other, are half an interval apart.
    """
    shared = gcd(*intervals)
    if shared < len(intervals) * MS:
        return [min(intervals) * place // len(intervals) for place in range(len(intervals))]
    places = [shared * place // len(intervals) for place in range(len(intervals))]
    alike, before = Counter(intervals), Counter[int]()
    found = []
    for every in intervals:
        pair, second = divmod(before[every], 2)
        before[every] += 1
        wanted = every * (pair + second * ceil(alike[every] / 2)) // alike[every]
        place = min(places, key=lambda one: abs(wanted % shared - one))
        places.remove(place)
        found.append(wanted // shared * shared + place)
    return found


def _series(config: Config, first: int) -> list[Series]:
    url = urlsplit(config.base_url)
    # No name lookup may delay a request.
    host, port = "127.0.0.1" if url.hostname == "localhost" else url.hostname or "", url.port or 80
    intervals = [round(NS / target.rate_hz) for target in config.targets]
    made = []
    for target, every, phase in zip(config.targets, intervals, phases(intervals), strict=True):
        keep, request = target.conn == "reused", _request(config, target)
        contains = (target.must_contain or "").encode()
        client = Client(host, port, request, keep=keep, status=target.expect_status, contains=contains)
        made.append(Series(target, client, every, first + phase))
    return made


def _request(config: Config, target: Target) -> bytes:
    host, keep = urlsplit(config.base_url).netloc, target.conn == "reused"
    return prepare(target.method, host, target.path, target.headers, keep=keep, nonce=target.nonce, body=target.body)


def _allow_many_connections() -> None:
    """A hanging stack holds rate × timeout connections open; running out of descriptors would look like its fault."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(read: Callable[[], str] = sys.stdin.readline) -> None:
    """Entry. Ctrl-C is the harness's to handle: it ends us by closing our standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config = Config.from_json(read())
    _allow_many_connections()
    scheduling = be_prompt()
    # Everything loaded so far stays, so collections during a run have little to look at.
    gc.freeze()

    async def sample() -> Summary:
        return await Sampler(config).run(scheduling)

    summary = uvloop.run(sample())
    print(json.dumps(asdict(summary)), flush=True)


if __name__ == "__main__":
    main()
