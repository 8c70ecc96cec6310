"""Is what the prober measures on this machine true? It probes a stub that fails by a script; what is found is kept."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from harness.errors import HarnessError
from harness.history import FORMAT, NS, History, Meta, Recorder, wall_now
from harness.judge.calibration import PUNCTUAL_NS, Calibration, compare
from harness.observe.prober import Conn, Prober, Target
from harness.observe.stub import Script, Span
from harness.settings import Settings

RATE_HZ = 50.0  # of each series; shorter intervals than experiments have show more of what delays
TIMEOUT_S = 1.0
LATE_S = 1.5  # a slow answer comes after its time-out
LENGTHS_S = (0.02, 0.02, 0.02, 0.02, 0.05, 0.05, 0.1, 0.1, 0.5, 0.5, 1.0, 2.0, 5.0, 30.0)
HEALTHY_S = 0.5  # between two outages; they too are up to one interval longer, to begin and end anywhere on the grid
LEAD_S = 3.0  # until the prober's processes are at work
FLAP_S = 0.15  # so long down, so long up
ALWAYS: tuple[str, ...] = ("hang", "500", "truncate", "slow", "flap")
CONNS: tuple[Conn, ...] = ("new", "reused")
SECONDS = round(LEAD_S + sum(LENGTHS_S) + HEALTHY_S * len(LENGTHS_S) + LATE_S + 2)


def calibrate(settings: Settings, seed: int | None = None) -> Calibration:
    """Measure, which takes about a minute, and keep what was found for the runs that follow."""
    with tempfile.TemporaryDirectory() as folder:
        found = _measure(Path(folder) / "history.jsonl", seed)
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)
    return found


def known(settings: Settings) -> Calibration | None:
    """The last calibration of this machine; None where there is none, or it was another machine then."""
    try:
        found = Calibration.model_validate_json(_path(settings).read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.machine == machine() else None


def machine() -> str:
    """What a calibration is only good for."""
    parts = (platform.node(), platform.release(), f"{os.cpu_count()} cores", platform.python_version())
    return ", ".join((*parts, version("airflow-chaos")))


def _path(settings: Settings) -> Path:
    return settings.cache / "calibration.json"


def _measure(path: Path, seed: int | None) -> Calibration:
    recorder = Recorder.create(path)
    script = _script(recorder.t0, recorder.now(), seed)
    recorder.write(Meta(t=0, format=FORMAT, run_id="calibration", experiment="", stack="", wall=wall_now()))
    true = _probe(path, script)
    recorder.close()
    columns = History.read(path).samples.columns
    rows = [
        compare(series.target, samples, true[series.target])
        for series, samples in sorted(columns.items())
        if series.target in true
    ]
    if len(rows) != len(CONNS) * len(true):
        raise HarnessError("not every series was sampled, so nothing is known of the prober; calibrate again")
    interval_ms = 1000 / RATE_HZ
    return Calibration(
        wall=wall_now(),
        machine=machine(),
        interval_ms=interval_ms,
        stated_ms=interval_ms + PUNCTUAL_NS / 1e6,
        rows=rows,
    )


def _script(t0: int, now: int, seed: int | None) -> Script:
    """The same outages for each kind, in an order and at places of its own."""
    chance = random.Random(seed)  # noqa: S311
    spans = {kind: _spans(now, chance) for kind in (*ALWAYS, "refuse")}
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


def _probe(path: Path, script: Script) -> dict[str, list[Span]]:
    """Record what the prober sees of the stub; returns when it failed by its own account."""
    command = [sys.executable, "-m", "harness.observe.stub"]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stub,
        ExitStack() as afterwards,
    ):
        assert stub.stdin
        assert stub.stdout
        stub.stdin.write(script.to_json() + "\n")
        stub.stdin.flush()
        try:
            ports = json.loads(stub.stdout.readline() or "null")
            if ports is None:
                raise HarnessError("the stub did not start; see what it printed, and calibrate again")
            for name, kinds in (("always", ALWAYS), ("sometimes", ("refuse",))):
                prober = _prober(path, script.t0, ports[name], kinds)
                prober.start()
                afterwards.callback(prober.stop)
            last = max(end for own in script.spans.values() for _, end in own)
            time.sleep(max(0.0, (script.t0 + last - time.monotonic_ns()) / NS) + HEALTHY_S)
            afterwards.close()
            said, _ = stub.communicate()
        except BaseException:
            stub.kill()
            raise
    if stub.returncode != 0:
        raise HarnessError(
            "the stub failed, so it is not known what was true; see what it printed, and calibrate again"
        )
    return {kind: [(begin, end) for begin, end in own] for kind, own in json.loads(said).items()}


def _prober(path: Path, t0: int, port: int, kinds: tuple[str, ...]) -> Prober:
    targets = [Target(kind, f"/{kind}", conn, RATE_HZ, must_contain="version") for kind in kinds for conn in CONNS]
    return Prober(path, t0, f"http://127.0.0.1:{port}", targets, timeout_s=TIMEOUT_S)
