"""Simulated worlds beside the judge: `python -m benchmarks.worlds --count 1000000 [--part K/N] [--seed S]`.

Each world is a run of the stack of which it is known what truly happened. Prints how often truth and verdict met in
which way, and the smallest worlds in which they do not agree, each with the call that shows it again. Ends 1 if there
are any.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.worlds.choices import World
from benchmarks.worlds.compare import compare, live, of_seed, smallest
from benchmarks.worlds.counted import Counted, judge_id
from benchmarks.worlds.lines import lines
from benchmarks.worlds.tally import Tally
from benchmarks.worlds.written import history
from harness.errors import UsageError

SHARE = 250
CALL = "python -m benchmarks.worlds --world"


def tallied(seeds: range) -> Tally:
    tally = Tally()
    for seed in seeds:
        tally.add(of_seed(seed))
    return tally


def run(seeds: range, workers: int) -> Iterator[tuple[range, Tally]]:
    """Shares of the seeds, in order, with what came of each."""
    with multiprocessing.Pool(workers, initializer=_begin) as pool:
        shares = [seeds[i : i + SHARE] for i in range(0, len(seeds), SHARE)]
        yield from zip(shares, pool.imap(tallied, shares), strict=True)


def _begin() -> None:
    """A worker ends with the process that it works for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()  # what was imported is no garbage, and to look for some in it takes a tenth of the time


def count(seeds: range, workers: int, into: Path | None) -> Tally:
    """Judge the worlds of these seeds; with a file, go on with the count in it, and keep there what came of each share.

    Raises `UsageError` and `StorageError`.
    """
    total, begun, judge = Tally(), time.monotonic(), judge_id()
    counted = Counted.read(into) if into else Counted()
    for share, tally in run(counted.left(judge, seeds), workers):
        total.merge(tally)
        counted.add(judge, share, tally)
        if into:
            counted.write(into)
        rate = total.worlds / (time.monotonic() - begun)
        print(f"{total.worlds} worlds, {total.disagreeing} disagree, {rate:.1f} a second", file=sys.stderr, flush=True)
        for kind, (times, world) in tally.kinds.items():  # a sitting may be ended before its summary
            print(f"  {kind}, {times} times, as in {world}", file=sys.stderr, flush=True)
    return total


def part_of(seeds: range, number: int, parts: int) -> range:
    return seeds[len(seeds) * (number - 1) // parts : len(seeds) * number // parts]


def part(text: str) -> tuple[int, int]:
    """K/N. Raises `ArgumentTypeError` where it is none."""
    try:
        number, parts = map(int, text.split("/"))
    except ValueError:
        number, parts = 0, 0
    if not 1 <= number <= parts:
        raise argparse.ArgumentTypeError(f"{text!r} is no part; give it as K/N, as in 1/2")
    return number, parts


def replay(text: str, record: Path | None) -> int:
    """Judge one world by its name, and write its history where that is asked for."""
    found = compare(World.parse(text))
    print(f"{found.world}\ntruth: {found.label}; judged: {found.verdict}")
    print("\n".join(found.wrong) or "truth and verdict agree")
    if record is not None:
        life, true = live(found.world)
        whole = lines(history(life, found.world, true.limits))
        record.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
    return 1 if found.wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worlds", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="how many worlds in all parts together")
    parser.add_argument("--seed", type=int, default=0, help="of the first world")
    parser.add_argument("--part", type=part, default=(1, 1), help="K/N: the K-th of N parts of them")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--into", type=Path, help="a count, in CSV, to go on with; a part has its own")
    parser.add_argument("--merge", type=Path, nargs="+", help="add up the counts of today's judge instead of running")
    parser.add_argument("--world", help="replay one world by its name")
    parser.add_argument("--record", type=Path, help="with --world: write its history here")
    given = parser.parse_args()
    if given.world:
        return replay(given.world, given.record)
    if given.merge:
        total = Tally()
        for path in given.merge:
            total.merge(Counted.read(path).of(judge_id()))
    else:
        total = count(part_of(range(given.seed, given.seed + given.count), *given.part), given.workers, given.into)
    print(f"judge {judge_id()}: {total.table()}")
    for found in total.examples():
        small = smallest(found)
        print(f"\n{small.world} is {small.label}, judged {small.verdict}")
        print(*(f"  {words}" for words in small.wrong), f"  {CALL} {small.world}", sep="\n")
    return 1 if total.disagreeing else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; what --into named has all shares that were judged", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except UsageError as cause:
        print(f"error: {cause}", file=sys.stderr)
        sys.exit(cause.exit_code)
