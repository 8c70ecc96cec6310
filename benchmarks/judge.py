"""How long judging takes, and how much memory: `python benchmarks/judge.py [--samples 1000000 --tasks 50000]`.

Makes a good history of that size (two marks a task), judges it in a process of its own, and prints what that took.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.history import NS
from harness.judge.verdict import required
from harness.settings import ROOT
from harness.slo import load

SERIES = (("version", "new"), ("version", "reused"), ("pools", "new"), ("pools", "reused"))
JUDGE = """
import resource, sys, time
from pathlib import Path
from harness.history import History
from harness.judge.verdict import judge
from harness.report import html
began = time.monotonic()
history = History.read(Path(sys.argv[1]))
read = time.monotonic()
outcome = judge(history)
judged = time.monotonic()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
page = Path(sys.argv[1]).with_suffix(".html")
html.write(history, outcome, page)
drawn = time.monotonic()
print(f"read {read - began:.2f} s, judged {judged - read:.2f} s, together {judged - began:.2f} s, peak {peak:.0f} MiB")
print(f"report {drawn - judged:.2f} s, {page.stat().st_size / 1e6:.1f} MB; {outcome.verdict}")
"""


def lines(samples: int, tasks: int) -> Iterator[dict[str, object]]:
    """The records of a run at 200 requests/s, with as many runs of ten tasks as are asked for."""
    every = NS // 200
    last = samples * every
    bounds = load(ROOT / "slo.yaml", "tuned", "celery", "scheduler-kill", required("scheduler", writes=False))
    slo = {name: bound.to_json() for name, bound in bounds.items()}
    first = {"t": 0, "kind": "meta", "format": 1, "run_id": "bench", "experiment": "bench", "stack": "celery"}
    yield {**first, "wall": "2026-01-01T00:00:00.000Z", "slo": slo}
    for i in range(samples):
        target, conn = SERIES[i % len(SERIES)]
        due = i * every
        times = {"t": due + 900_000, "due": due, "end": due + 9_000_000}
        asked = {"target": target, "conn": conn, "method": "GET", "path": f"/api/v2/{target}"}
        yield {**times, "kind": "sample", **asked, "outcome": "ok", "status": 200, "error": None}
    for i in range(tasks):
        t = last * i // max(1, tasks)
        for mark, at in (("start", t), ("end", t + NS)):
            task = {"dag_run": f"run-{i // 10}", "task": f"task-{i % 10}", "map_index": -1, "try": 1}
            yield {"t": at, "kind": "ledger", **task, "mark": mark, "executor_host": "worker-0"}
    yield {"t": last, "kind": "end", "complete": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, default=50_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for line in lines(given.samples, given.tasks):
                file.write(json.dumps(line, separators=(",", ":")) + "\n")
        size = path.stat().st_size / 1e6
        print(f"{given.samples} samples, {2 * given.tasks} marks, {size:.0f} MB, load {os.getloadavg()[0]:.1f}")
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", JUDGE, str(path)], check=True)
        print(f"the whole process {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    main()
