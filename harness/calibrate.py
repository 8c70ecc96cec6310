"""Does the prober measure correctly on this machine? It probes a stub with scripted failures; the result is kept."""

from __future__ import annotations

import inspect
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from harness.errors import HarnessError
from harness.files import write
from harness.history import FORMAT, NS, History, Meta, Recorder, wall_now
from harness.judge.calibration import PUNCTUAL_NS, Calibration, compare
from harness.observe import exchange, prober, sampling
from harness.observe.prober import Conn, Prober, Target
from harness.observe.stub import Script, Span
from harness.settings import Settings

RATE_HZ = 50.0  # per series; intervals shorter than in experiments show more of the delays
TIMEOUT_S = 1.0
LATE_S = 1.5  # slow answers come after the time-out
LENGTHS_S = (0.02, 0.02, 0.02, 0.02, 0.05, 0.05, 0.1, 0.1, 0.5, 0.5, 1.0, 2.0, 5.0, 30.0)
HEALTHY_S = 0.5  # between two outages; up to an interval longer, as outages are, to start anywhere on the grid
LEAD_S = 3.0  # until the prober's processes are at work
FLAP_S = 0.15  # down for this long, then up for as long
DOORS = {"always": ("hang", "500", "truncate", "slow", "flap"), "sometimes": ("refuse",)}
CONNS: tuple[Conn, ...] = ("new", "reused")
SECONDS = round(LEAD_S + sum(LENGTHS_S) + HEALTHY_S * len(LENGTHS_S) + LATE_S + 2)


def calibrate(settings: Settings, seed: int | None = None) -> Calibration:
    """Measure, which takes about a minute, and keep the result for the runs that follow."""
    with tempfile.TemporaryDirectory() as folder:
        found = _measure(Path(folder) / "history.jsonl", seed)
    path = _path(settings)
    write(path, found.model_dump_json(indent=2) + "\n")
    return found


def known(settings: Settings) -> Calibration | None:
    """The last calibration of this machine; None if there is none, or the machine has changed since."""
    try:
        found = Calibration.model_validate_json(_path(settings).read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.machine == machine() else None


def machine() -> str:
    """What a calibration holds for: this machine, and the prober as it is."""
    parts = (platform.node(), platform.release(), f"{os.cpu_count()} cores", platform.python_version())
    code = sha256(b"".join(Path(inspect.getfile(module)).read_bytes() for module in (prober, sampling, exchange)))
    return ", ".join((*parts, version("airflow-chaos"), f"prober {code.hexdigest()[:8]}"))


def _path(settings: Settings) -> Path:
    return settings.cache / "calibration.json"


def _measure(path: Path, seed: int | None) -> Calibration:
    recorder = Recorder.create(path)
    plan = script(recorder.t0, recorder.now(), seed)
    recorder.write(Meta(t=0, format=FORMAT, run_id="calibration", experiment="", stack="", wall=wall_now()))
    with failing(plan) as server, ExitStack() as afterwards:
        for one in probers(path, plan.t0, server.ports):
            one.start()
            afterwards.callback(one.stop)
        wait_for(plan)
    recorder.close()
    columns = History.read(path).samples.columns
    rows = [
        compare(series.target, samples, server.true[series.target])
        for series, samples in sorted(columns.items())
        if series.target in server.true
    ]
    if len(rows) != len(CONNS) * len(server.true):
        raise HarnessError("not every series was sampled, so nothing is known about the prober; calibrate again")
    interval_ms = 1000 / RATE_HZ
    return Calibration(
        wall=wall_now(),
        machine=machine(),
        interval_ms=interval_ms,
        stated_ms=interval_ms + PUNCTUAL_NS / 1e6,
        rows=rows,
    )


def script(t0: int, now: int, seed: int | None) -> Script:
    """The same outages for each kind of failure, each in its own order and at its own times."""
    chance = random.Random(seed)  # noqa: S311
    spans = {kind: _spans(now, chance) for kinds in DOORS.values() for kind in kinds}
    spans["flap"] = tuple(piece for span in spans["flap"] for piece in _flaps(span))
    return Script(t0, spans, LATE_S)


def _spans(now: int, chance: random.Random) -> tuple[Span, ...]:
    at = now + round(LEAD_S * NS)
    spans = []
    for length in chance.sample(LENGTHS_S, len(LENGTHS_S)):
        begin = at + round((HEALTHY_S + chance.random() / RATE_HZ) * NS)
        at = begin + round((length + chance.random() / RATE_HZ) * NS)
        spans.append((begin, at))
    return tuple(spans)


def _flaps(span: Span) -> list[Span]:
    step = round(FLAP_S * NS)
    return [(begin, min(begin + step, span[1])) for begin in range(span[0], span[1], 2 * step)]


@dataclass
class Failing:
    """A running stub: where it listens and, once it has ended, when it failed by its own account."""

    ports: Mapping[str, int]
    true: dict[str, list[Span]] = field(default_factory=dict)


@contextmanager
def failing(plan: Script) -> Iterator[Failing]:
    """Raises `HarnessError` if the stub does not reach the end of its script."""
    command = [sys.executable, "-m", "harness.observe.stub"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stub:
        assert stub.stdin
        assert stub.stdout
        try:
            stub.stdin.write(plan.to_json() + "\n")
            stub.stdin.flush()
            ports = json.loads(stub.stdout.readline() or "null")
            if ports is None:
                raise HarnessError("the stub did not start; see what it printed, and calibrate again")
            server = Failing(ports)
            yield server
            said, _ = stub.communicate()
        except BaseException:
            stub.kill()
            raise
    if stub.returncode != 0:
        raise HarnessError("the stub failed, so nobody knows what was true; see what it printed, and calibrate again")
    server.true = {kind: [(begin, end) for begin, end in own] for kind, own in json.loads(said).items()}


def wait_for(plan: Script) -> None:
    """Return once the last outage is over and the time after it was seen."""
    last = max(end for own in plan.spans.values() for _, end in own)
    time.sleep(max(0.0, (plan.t0 + last - time.monotonic_ns()) / NS) + HEALTHY_S)


def probers(path: Path, t0: int, ports: Mapping[str, int]) -> list[Prober]:
    """One for each port of the stub; both record into one history."""
    found = []
    for port, kinds in DOORS.items():
        targets = [Target(kind, f"/{kind}", conn, RATE_HZ, must_contain="version") for kind in kinds for conn in CONNS]
        found.append(Prober(path, t0, f"http://127.0.0.1:{ports[port]}", targets, timeout_s=TIMEOUT_S))
    return found
