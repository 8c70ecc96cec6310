"""Our prober and vegeta side by side: `python benchmarks/beside.py [--seed 1]`.

Both ask the same stub, which fails by a script, in the same minute: each series of ours at 50 requests/s on kept
connections, and vegeta at the same rate for each kind. How late did requests start, and how far from what was true are
the outages that their records show? Vegeta is compiled from `benchmarks/vegeta/` (locked), so Go must be on the PATH.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Literal

import numpy as np

from harness import calibrate
from harness.calibrate import CONNS, DOORS, RATE_HZ, TIMEOUT_S
from harness.history import FORMAT, NS, History, Meta, Recorder, Sample, wall_now
from harness.judge.calibration import Row, compare
from harness.samples import Column, Samples
from harness.settings import ROOT, Settings

MODULE = "github.com/tsenart/vegeta/v12"
KINDS = tuple(kind for kinds in DOORS.values() for kind in kinds)


@dataclass(frozen=True)
class Seen:
    """What one of the two recorded: how late its requests were, in ms, and its samples by kind of outage."""

    late_ms: list[float]
    columns: Mapping[str, Column]


def compiled() -> Path:
    """The program, in our cache."""
    place = Settings().cache / "benchmarks" / "vegeta"
    place.parent.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-mod=readonly", "-o", str(place), MODULE]
    subprocess.run(command, cwd=ROOT / "benchmarks" / "vegeta", check=True)
    return place


@contextmanager
def attacking(program: Path, folder: Path, ports: Mapping[str, int]) -> Iterator[Path]:
    """Vegeta at work; its results are in the file when the block has ended."""
    targets = "".join(f"GET http://127.0.0.1:{ports[door]}/{kind}\n" for door, kinds in DOORS.items() for kind in kinds)
    rate = f"{round(RATE_HZ) * len(KINDS)}/s"
    command = [str(program), "attack", f"-rate={rate}", "-duration=10m", f"-timeout={TIMEOUT_S:g}s"]
    results = folder / "results.bin"
    with results.open("wb") as out:
        child = subprocess.Popen([*command, "-targets=stdin"], stdin=subprocess.PIPE, stdout=out, text=True)
        assert child.stdin
        child.stdin.write(targets)
        child.stdin.close()
        try:
            yield folder / "results.csv"
        finally:
            child.terminate()  # it lets requests in flight end, and writes them
            child.wait(timeout=30)
    subprocess.run([program, "encode", "--to=csv", "--output", folder / "results.csv", results], check=True)


def run(program: Path, folder: Path, seed: int) -> tuple[Seen, Seen, dict[str, list[tuple[int, int]]]]:
    """Ours, vegeta's, and when the stub really failed."""
    path = folder / "history.jsonl"
    recorder = Recorder.create(path)
    recorder.write(Meta(t=0, format=FORMAT, run_id="beside", experiment="", stack="", wall=wall_now()))
    plan = calibrate.script(recorder.t0, recorder.now(), seed)
    wall_t0 = time.time_ns() - time.monotonic_ns() + recorder.t0
    with calibrate.failing(plan) as server, ExitStack() as afterwards:
        results = afterwards.enter_context(attacking(program, folder, server.ports))
        for one in calibrate.probers(path, plan.t0, server.ports):
            one.start()
            afterwards.callback(one.stop)
        calibrate.wait_for(plan)
    recorder.close()
    return _ours(History.read(path)), _vegeta(results, wall_t0), server.true


def _ours(history: History) -> Seen:
    kept = {s.target: column for s, column in history.samples.columns.items() if s.conn == CONNS[1]}
    late = np.concatenate([(column.t - column.due) / 1e6 for column in history.samples.columns.values()])
    return Seen(late.tolist(), kept)


def _vegeta(results: Path, wall_t0: int) -> Seen:
    """It does not record when a request was due, so what counts is its distance from an even grid of its own rate."""
    starts: list[tuple[int, int]] = []
    samples: list[Sample] = []
    with results.open(newline="") as lines:
        for row in csv.reader(lines):
            start, code, took, error, number, url = int(row[0]), int(row[1]), int(row[2]), row[5], int(row[8]), row[10]
            starts.append((number, start))
            outcome: Literal["ok", "fail"] = "ok" if code == 200 and not error else "fail"
            t, kind = start - wall_t0, url.rsplit("/", 1)[-1]
            samples.append(
                Sample(
                    t=t, target=kind, conn="reused", method="GET", path=f"/{kind}", due=t, end=t + took, outcome=outcome
                )
            )
    step = NS / (RATE_HZ * len(KINDS))
    offsets = [start - number * step for number, start in starts]
    late = [(offset - min(offsets)) / 1e6 for offset in offsets]
    return Seen(late, {s.target: column.in_order() for s, column in Samples.of(samples).columns.items()})


def schedule_row(name: str, seen: Seen) -> str:
    cuts = quantiles(seen.late_ms, n=100)
    punctual = 100 * sum(late <= 5 for late in seen.late_ms) / len(seen.late_ms)
    figures = (f"{median(seen.late_ms):.2f}", f"{cuts[98]:.2f}", f"{max(seen.late_ms):.2f}", f"{punctual:.2f} %")
    return f"| {name} | {len(seen.late_ms)} | {' | '.join(figures)} |"


def outage_row(kind: str, rows: list[Row]) -> str:
    cells = (f"{r.least_ms:+.1f} to {r.most_ms:+.1f}" for r in rows)
    return f"| {kind} | {rows[0].outages} | {' | '.join(cells)} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, true = run(compiled(), Path(folder), given.seed)
    print("| late, ms | requests | p50 | p99 | max | within 5 ms |\n| --- | --- | --- | --- | --- | --- |")
    print(schedule_row("prober", ours))
    print(schedule_row("vegeta", theirs))
    print("\n| measured minus true, ms | outages | prober | vegeta |\n| --- | --- | --- | --- |")
    for kind in KINDS:
        print(outage_row(kind, [compare(kind, seen.columns[kind], true[kind]) for seen in (ours, theirs)]))


if __name__ == "__main__":
    main()
