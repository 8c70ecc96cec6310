"""How often runs on a healthy stack are not a PASS, and how sure that is.

Runs are counted from a committed record, which outlives the reports that it was taken from, and from those reports.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import known
from harness.errors import UsageError
from harness.files import write
from harness.foreign import markdown
from harness.judge.rates import Rate, sure_of_p95
from harness.outcome import Verdict
from harness.settings import ROOT, Profile, here
from harness.trends.trend import Kept

RECORD = ROOT / "docs" / "runs.csv"
PAGE = ROOT / "docs" / "false-alarms.md"
OTHER: Profile = "defaults"  # follows the name of a stack; tuned does not
MEASURED = "\n## "  # from here on, the page is not generated from the record
FIELDS = (
    "run_id", "wall", "machine", "version", "experiment", "stack", "profile", "verdict", "failed", "doubted", "seconds",
)  # fmt: skip
HEAD = """\
# False alarms

A healthy stack must never turn a nightly run red. All runs of our experiments on healthy stacks are counted: none is
left out, and none is repeated. Runs with a planted defect are in the kill matrix. `harness trend --record` writes this
page from [runs.csv](runs.csv) and `known.yaml`, up to the next heading; do not edit that part by hand.

- FAIL: runs that failed without explanation. Explained: only known failures that are not ours; everything else passed.
- At most: with 95 % confidence, the true share is no larger (Clopper and Pearson, one-sided). Within: the interval that
  holds it with 95 % confidence.
- p95: how likely the largest measure of these runs is above the true p95 (1 - 0.95ⁿ); 59 runs give 95 %.
"""


@dataclass(frozen=True)
class Count:
    """The verdicts of one experiment's runs on one stack. `failed` are those that are not `explained`."""

    experiment: str
    stack: str
    passed: int
    invalid: int
    failed: int
    explained: int

    @property
    def runs(self) -> int:
        return self.passed + self.invalid + self.failed + self.explained

    @property
    def failing(self) -> Rate:
        return Rate(self.failed, self.runs)

    @property
    def doubtful(self) -> Rate:
        return Rate(self.invalid, self.runs)

    @property
    def sure(self) -> float:
        """How likely the largest measure of these runs is above the true p95."""
        return sure_of_p95(self.runs)


def counted(runs: Iterable[Kept], known_file: Path | None = None) -> list[Count]:
    """By experiment and stack. A run with a planted defect does not count."""
    cells: dict[tuple[str, str], list[Kept]] = {}
    for run in runs:
        if not run.planted:
            cells.setdefault((run.experiment, run.stack), []).append(run)
    file = known_file or here("known.yaml")
    return [_count(cell, known.load(file, *at)) for at, cell in sorted(cells.items())]


def together(counts: Sequence[Count]) -> Count:
    """All of them as one."""
    sums = (sum(getattr(one, name) for one in counts) for name in ("passed", "invalid", "failed", "explained"))
    return Count("all", "", *sums)


def _count(cell: Sequence[Kept], failure: known.Known | None) -> Count:
    verdicts = [run.verdict for run in cell]
    red = [run for run in cell if run.verdict is Verdict.FAIL]
    explained = sum(failure.explains(run.failed, run.doubted) for run in red) if failure else 0
    return Count(
        experiment=cell[0].experiment,
        stack=cell[0].stack,
        passed=verdicts.count(Verdict.PASS),
        invalid=verdicts.count(Verdict.INVALID),
        failed=len(red) - explained,
        explained=explained,
    )


def added(record: Iterable[Kept], runs: Iterable[Kept], experiments: Collection[str]) -> list[Kept]:
    """The record with the runs of these experiments that it does not have yet, by their ids; the oldest first."""
    fresh = {run.run_id: run for run in runs if run.experiment in experiments and not run.planted}
    return sorted({**fresh, **{run.run_id: run for run in record}}.values(), key=lambda run: (run.wall, run.run_id))


def read(path: Path) -> list[Kept]:
    """The record; empty if there is none. Raises `UsageError` with file and line if it is not valid."""
    try:
        lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
    except FileNotFoundError:
        return []
    found = []
    try:
        if (head := tuple(next(lines, ()))) != FIELDS:
            raise ValueError(f"its columns are {', '.join(head)}, not {', '.join(FIELDS)}")
        for row in lines:
            found.append(_run(row))  # noqa: PERF401  # so that the error knows the line
    except (ValueError, csv.Error) as cause:
        raise UsageError(f"{path.name}:{lines.line_num}: {cause}; restore the file") from cause
    return found


def keep(record: Iterable[Kept], path: Path) -> None:
    """One line for each run, so that a change of the record shows as changed lines."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(FIELDS)
    lines.writerows(map(_line, record))
    write(path, text.getvalue())


def _run(row: Sequence[str]) -> Kept:
    if len(row) != len(FIELDS):
        raise ValueError(f"{len(row)} fields, not {len(FIELDS)}")
    said = dict(zip(FIELDS, row, strict=True))
    if (profile := said.pop("profile")) not in ("tuned", OTHER):
        raise ValueError(f"no profile is called {profile!r}")
    said["stack"] += f"-{profile}" if profile == OTHER else ""
    verdict, seconds = Verdict(said.pop("verdict")), said.pop("seconds")
    failed, doubted = (tuple(said.pop(name).split()) for name in ("failed", "doubted"))
    length = float(seconds) if seconds else None
    return Kept(**said, verdict=verdict, seconds=length, failed=failed, doubted=doubted, measures={})


def _line(run: Kept) -> tuple[str, ...]:
    stack = run.stack.removesuffix(f"-{OTHER}")
    profile = "tuned" if stack == run.stack else OTHER
    length = "" if run.seconds is None else f"{run.seconds:.1f}"
    return (
        *(run.run_id, run.wall, run.machine, run.version, run.experiment, stack, profile, run.verdict.value),
        *(" ".join(run.failed), " ".join(run.doubted), length),
    )


def page(record: Sequence[Kept], known_file: Path | None = None) -> str:
    """The page in Markdown, as far as it is generated from the record."""
    counts = counted(record, known_file)
    if not counts:
        return f"{HEAD}\nNo run is recorded yet.\n"
    names = (
        "runs",
        "PASS",
        "INVALID",
        "explained",
        "FAIL",
        "FAIL at most",
        "within",
        "INVALID at most",
        "within",
        "p95",
    )
    lines = [f"| experiment | stack | {' | '.join(names)} |", f"| --- | --- |{' ---: |' * len(names)}"]
    rows = [*([*_cells(count), percent(count.sure)] for count in counts), [*_cells(together(counts)), ""]]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([HEAD, *lines, "", *_machines(record)]) + "\n"


def _cells(count: Count) -> list[str]:
    numbers = (count.runs, count.passed, count.invalid, count.explained, count.failed)
    shares = [text for rate in (count.failing, count.doubtful) for text in (percent(rate.most), _within(rate))]
    return [markdown(count.experiment), markdown(count.stack), *map(str, numbers), *shares]


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.1f} %"


def _within(rate: Rate) -> str:
    low, high = rate.within
    return f"{100 * low:.1f} to {percent(high)}"


def _machines(record: Iterable[Kept]) -> list[str]:
    """Which machines and versions these runs come from."""
    places: dict[tuple[str, str], list[Kept]] = {}
    for run in record:
        places.setdefault((run.machine or "unknown", run.version or "unknown"), []).append(run)
    lines = ["| machine | version | runs | first | last |", "| --- | --- | ---: | --- | --- |"]
    for (machine, version), own in sorted(places.items()):
        days = sorted(run.wall[:10] for run in own)
        lines.append(f"| {markdown(machine)} | {markdown(version)} | {len(own)} | {days[0]} | {days[-1]} |")
    return lines


def publish(record: Sequence[Kept], path: Path) -> None:
    """Write the page; everything on it after the counts stays."""
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    write(path, page(record) + old[old.find(MEASURED) :] if MEASURED in old else page(record))
