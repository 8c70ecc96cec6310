"""What `harness gate` finds, and how often it cries wolf: `python benchmarks/gate.py [--trials 800 --seed 1 --write]`.

Runs of `scheduler-kill` are drawn from a small model, before and after a change, and compared by the code of the gate.
Without a change, each regression that is found is a false alarm. `--write` puts the table into docs/false-alarms.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.files import write
from harness.judge.regression import Compared, Finding, findings, measure, rate
from harness.trends.counts import MEASURED, PAGE

Draws = np.ndarray[tuple[int, int], np.dtype[np.float64]]
CONFIDENCE = 0.95
RARE = 0.01  # of healthy runs FAIL all the same


@dataclass(frozen=True)
class Call:
    """One way to call the gate: so many comparisons, and runs on both sides."""

    title: str
    comparisons: int
    newest: int
    earlier: int


@dataclass(frozen=True)
class Change:
    """What became of the stack: the orphan check's interval, the first heartbeat's delay, and the share of FAILs."""

    title: str
    check_s: float = 10.0
    later_s: float = 0.0
    failing: float = RARE


CALLS = (
    Call("one measure alone", 1, 10, 20),
    Call("one experiment", 3, 10, 20),
    Call("one experiment", 3, 10, 59),
    Call("one experiment", 3, 40, 100),
    Call("one experiment, `--all`", 22, 10, 59),
    Call("30 experiments", 70, 10, 59),
)
CHANGES = (
    Change("nothing: false alarms"),
    Change("the orphan check runs every 15 s, not every 10 s", check_s=15),
    Change("every 20 s", check_s=20),
    Change("every 30 s", check_s=30),
    Change("schedulers start 2 s later", later_s=2),
    Change("schedulers start 4 s later", later_s=4),
    Change("1 of 5 runs FAILs, not 1 of 100", failing=0.2),
    Change("1 of 2 runs FAILs", failing=0.5),
)


@dataclass
class Bench:
    """Draws runs, and compares them.

    Where no two measures are alike, p depends on the sum of ranks alone, and is worked out once for each.
    """

    trials: int
    source: np.random.Generator
    known: dict[tuple[int, int, int], Compared] = field(default_factory=dict)
    rates: dict[tuple[int, int, int, int], Compared] = field(default_factory=dict)
    others: dict[Call, list[list[Compared]]] = field(default_factory=dict)

    def found(self, change: Change, call: Call) -> float:
        """The share of calls that find a regression."""
        told = [self._orphans(change, call)]
        if call.comparisons > 1:
            told += [self._first_task(change, call), self._fails(change, call)]
        if call not in self.others:
            self.others[call] = [self._unchanged(call) for _ in range(call.comparisons - len(told))]
        calls = zip(*told, *self.others[call], strict=True)
        return sum(Finding.REGRESSION in findings(compared, CONFIDENCE) for compared in calls) / self.trials

    def _orphans(self, change: Change, call: Call) -> list[Compared]:
        """The dead one is noticed at some moment of the interval between two looks, once a new one is there."""

        def draw(count: int, then: Change) -> Draws:
            return self._heartbeat(count, then.later_s) + self.source.uniform(0, then.check_s, (self.trials, count))

        return self._measures(draw, change, call)

    def _first_task(self, change: Change, call: Call) -> list[Compared]:
        def draw(count: int, then: Change) -> Draws:
            return self._heartbeat(count, then.later_s) + self.source.uniform(0, 3, (self.trials, count))

        return self._measures(draw, change, call)

    def _unchanged(self, call: Call) -> list[Compared]:
        return self._measures(lambda count, _: self._heartbeat(count, 0), Change(""), call)

    def _fails(self, change: Change, call: Call) -> list[Compared]:
        newest = (self.source.random((self.trials, call.newest)) < change.failing).sum(axis=1)
        earlier = (self.source.random((self.trials, call.earlier)) < RARE).sum(axis=1)
        return [self._rate(call, fresh, old) for fresh, old in zip(newest.tolist(), earlier.tolist(), strict=True)]

    def _rate(self, call: Call, fresh: int, old: int) -> Compared:
        key = (call.newest, call.earlier, fresh, old)
        if key not in self.rates:
            newest = [number < fresh for number in range(call.newest)]
            self.rates[key] = rate("FAIL", newest, [number < old for number in range(call.earlier)])
        return self.rates[key]

    def _heartbeat(self, count: int, later_s: float) -> Draws:
        """Measured: 8.8 to 13.9 s (docs/measured.json)."""
        return self.source.normal(11 + later_s, 1.5, (self.trials, count))

    def _measures(self, draw: Callable[[int, Change], Draws], change: Change, call: Call) -> list[Compared]:
        newest, earlier = draw(call.newest, change), draw(call.earlier, Change(""))
        places = np.argsort(np.argsort(np.hstack([newest, earlier])))[:, : call.newest].sum(axis=1)
        found = []
        for place, fresh, old in zip(places.tolist(), newest, earlier, strict=True):
            key = (call.newest, call.earlier, place)
            if key not in self.known:
                self.known[key] = measure("m", fresh.tolist(), old.tolist(), "at most")
            found.append(self.known[key])
        return found


def table(trials: int, seed: int) -> str:
    """The section of the page, in Markdown."""
    bench = Bench(trials, np.random.default_rng(seed))
    heads = [f"{c.title}: {c.comparisons} compared, {c.newest} after {c.earlier} runs" for c in CALLS]
    lines = [f"| what changed | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(CALLS)}"]
    for change in CHANGES:
        shares = (bench.found(change, call) for call in CALLS if _shows(change, call))
        cells = [f"{100 * share:.1f} %" for share in shares]
        lines.append(f"| {change.title} | {' | '.join([''] * (len(CALLS) - len(cells)) + cells)} |")
    return "\n".join(lines)


def _shows(change: Change, call: Call) -> bool:
    """One measure alone is the orphans', in which FAILs do not show."""
    return call.comparisons > 1 or change.failing == RARE


def section(trials: int, seed: int) -> str:
    return f"""{MEASURED}Power of the gate

How often `harness gate` finds a change: {trials} simulated calls each, with runs drawn from a model of `scheduler-kill`
(a first heartbeat after 11 ± 1.5 s, and from there the wait for the next check). A call raises a false alarm in at most
5 % of cases; simulated shares are up to 3 points off by chance. The more a call compares, the less it finds. So the
gate compares only what an experiment is about, unless given `--all`, and finds most when one experiment is named.
Written by `python benchmarks/gate.py --write`.

{table(trials, seed)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/false-alarms.md")
    said = parser.parse_args()
    text = section(said.trials, said.seed)
    print(text)
    if said.write:
        write(PAGE, PAGE.read_text(encoding="utf-8").partition(MEASURED)[0] + text)


if __name__ == "__main__":
    main()
