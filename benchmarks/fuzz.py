"""Broken input to every reader: `python benchmarks/fuzz.py [--inputs 100000 --seed 1]`.

Histories, bounds and experiments are mutated byte by byte and value by value. Each must end in a verdict or in one of
our own errors; anything else is a defect, and is shown with the seed that makes it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import experiment
from harness.errors import HarnessError
from harness.history import End, History
from harness.judge.verdict import judge
from harness.outcome import Verdict
from harness.settings import ROOT
from harness.slo import load
from tests.unit.builders import END, at, healthy

JUNK = (
    b"",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\n",
    b"\x00",
    b"\xff\xfe",
    b"null",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 30,
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    2**70,
    "",
    "x",
    [],
    {},
    [[]],
    {"a": None},
    "2026",
    "\ud800".encode("utf-8", "replace").decode(),
)


BOUNDS = b"""
tuned:
  celery:
    scheduler-kill:
      tasks.lost: {limit: 0, unit: count, origin: "a promise"}
      availability.read.outage: {limit: 1.5, unit: s, origin: why}
"""


def good_history() -> bytes:
    """A good run, with every kind of record."""
    lines = [r.model_dump_json(by_alias=True) for r in [*healthy(), End(t=at(END), complete=True)]]
    return ("\n".join(lines) + "\n").encode()


def bytes_changed(good: bytes, chance: random.Random) -> bytes:
    data = bytearray(good)
    for _ in range(chance.randint(1, 2)):
        place = chance.randrange(len(data) + 1)
        data[place : place + chance.randint(0, 20)] = chance.choice(JUNK)
    return bytes(data)


def values_changed(line: bytes, chance: random.Random) -> bytes:
    """One JSON value replaced by another, at any depth."""
    found = json.loads(line)
    here = found
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return line
        key = chance.choice(keys)
        if isinstance(here[key], dict | list) and here[key] and chance.random() < 0.7:
            here = here[key]
            continue
        here[key] = chance.choice(VALUES)
        return json.dumps(found).encode()


def history_changed(good: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return bytes_changed(good, chance)
    lines = good.splitlines()
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(lines))
        lines[place] = values_changed(lines[place], chance)
    return b"\n".join(lines) + b"\n"


def read_history(path: Path) -> str:
    return judge(History.read(path)).verdict.value


def read_bounds(path: Path) -> str:
    load(path, "tuned", "celery", "scheduler-kill", frozenset({"tasks.lost"}))
    return "read"


def read_experiment(path: Path) -> str:
    experiment.load(path).method()
    return "read"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    history, bounds = good_history(), BOUNDS
    scenario = (ROOT / "experiments" / "scheduler-kill.json").read_bytes()
    readers: tuple[tuple[str, Callable[[Path], str], Callable[[random.Random], bytes]], ...] = (
        ("history.jsonl", read_history, lambda chance: history_changed(history, chance)),
        ("slo.yaml", read_bounds, lambda chance: bytes_changed(bounds, chance)),
        ("scheduler-kill.json", read_experiment, lambda chance: bytes_changed(scenario, chance)),
        ("scheduler-kill.json", read_experiment, lambda chance: values_changed(scenario, chance)),
    )
    seen: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.inputs):
            name, read, change = readers[number % len(readers)]
            path = Path(folder) / name
            path.write_bytes(change(random.Random(f"{given.seed}-{number}")))  # noqa: S311
            try:
                seen[f"{name}: {read(path)}"] += 1
            except HarnessError as cause:
                seen[f"{name}: {type(cause).__name__}"] += 1
            except Exception:
                print(f"seed {given.seed}, input {number}, {name}:")
                raise
    print(f"{given.inputs} inputs in {time.monotonic() - began:.0f} s, no traceback")
    for what, count in sorted(seen.items()):
        print(f"{count:8} {what}")
    if not any(Verdict.PASS.value in what for what in seen):
        print("no input was harmless: the mutations say little")


if __name__ == "__main__":
    main()
