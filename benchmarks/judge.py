"""How long judging takes, and how much memory: `python benchmarks/judge.py [--samples 1000000 --tasks 50000]`.

Makes a good run whose cooldown is so long that it has that many samples and tasks (two marks each), and with so many
faults where that is asked for; judges it in a process of its own, and prints what that took. Every checker has its
work: the verdict is PASS, or it says so and ends.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.history import End, Event, Phase, Record, Sample
from tests.unit.builders import END, STEP, at, crowd, healthy, mark, op, prober, sample

TASKS = [f"task-{number}" for number in range(10)]
JUDGE = """
import resource, sys, time
from pathlib import Path
from harness.history import History
from harness.judge.verdict import judge
from harness.outcome import Verdict
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
assert outcome.verdict is Verdict.PASS, [c.because for c in outcome.checks if c.verdict is not Verdict.PASS]
"""


def records(samples: int, tasks: int, faults: int) -> Iterator[Record]:
    """The records of a good run, with so many more samples and tasks in its cooldown; with so many faults, or its
    own."""
    steps = samples // 3
    end = END + steps * STEP
    asked = 3 * steps
    for record in crowd(faults) if faults else healthy():
        asked += isinstance(record, Sample)
        if isinstance(record, Phase) and record.name == "cooldown" and record.edge == "end":
            continue
        if isinstance(record, Event) and record.source == "probe" and record.what == "stopped":
            continue
        yield record
    # Schedulers beat no longer than in the run that this one was made of.
    yield Event(t=at(END), source="probe", object="watcher", what="stopped")
    for i in range(steps):
        for target, conn, shift in (("version", "new", 0.0), ("version", "reused", 0.1), ("dags", "new", 0.2)):
            yield sample(55 + i * STEP + shift, "ok", target, conn)  # type: ignore[arg-type]
    runs = tasks // len(TASKS)
    for i in range(runs):
        yield from dag_run(f"more-{i}", END + i * (end - END - 20) / max(1, runs))
    yield prober(end, "stopped", due=asked, recorded=asked)
    yield Phase(t=at(end), name="cooldown", edge="end")
    yield End(t=at(end), complete=True)


def dag_run(name: str, t: float) -> Iterator[Record]:
    """A run of ten tasks, one after the other, accepted at once."""
    yield op(t, "trigger", "invoke", name, dag="chain", tasks=[[task, -1] for task in TASKS])
    yield op(t + 0.05, "trigger", "ok", name, status=200, tries=1)
    yield op(t + 0.06, "run", "invoke", name)
    for second, task in enumerate(TASKS, start=1):
        yield mark(t + second, "start", name, task)
        yield mark(t + second + 0.9, "end", name, task)
    yield op(t + 12, "run", "ok", name, state="success")
    yield op(t + 12.5, "tasks", "ok", name, tasks=[[task, -1, 1] for task in TASKS])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--faults", type=int, default=0, help="so many schedulers are killed; 0: two, as ever")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for record in records(given.samples, given.tasks, given.faults):
                file.write(record.model_dump_json(by_alias=True) + "\n")
        size = path.stat().st_size / 1e6
        given_out = f"{given.samples} samples, {2 * given.tasks} marks, {given.faults} faults"
        print(f"{given_out}, {size:.0f} MB, load {os.getloadavg()[0]:.1f}")
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", JUDGE, str(path)], check=True)
        print(f"the whole process {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    main()
