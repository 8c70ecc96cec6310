"""One page over all recorded runs: those of the newest session, and how each experiment went from run to run."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness import files
from harness.errors import UsageError
from harness.history import MOST_LINE, NAMES
from harness.outcome import Check, Outcome, Verdict
from harness.records import ADAPTER, Meta
from harness.report import pages
from harness.report.matrix import main, matrix
from harness.report.sessions import newest
from harness.report.spark import Spark, spark
from harness.slo import CATALOGUE

NAME = "index.html"
UNJUDGED = "not judged"
OURS = '<meta name="generator" content="airflow-chaos">'
TRENDS = tuple(name for name in CATALOGUE if not name.startswith("evidence."))


@dataclass(frozen=True)
class Row:
    """One run's folder. `outcome` is None if it was not judged, or its verdict cannot be read."""

    folder: str
    link: str | None
    wall: str
    experiment: str
    stack: str
    outcome: Outcome | None

    @property
    def word(self) -> str:
        return self.outcome.verdict.value if self.outcome else UNJUDGED

    @property
    def main(self) -> Check | None:
        """The measure that tells runs of its experiment apart, if it was measured."""
        return self.check(main({check.name for check in self.outcome.checks})) if self.outcome else None

    @property
    def decided(self) -> list[Check]:
        """The checks that a verdict other than PASS comes from."""
        checks = self.outcome.checks if self.outcome and self.outcome.verdict is not Verdict.PASS else ()
        return [check for check in checks if check.verdict == self.word]

    def check(self, name: str) -> Check | None:
        """The check of this name, if it measured anything."""
        checks = self.outcome.checks if self.outcome else ()
        return next((c for c in checks if c.name == name and c.measure is not None), None)


@dataclass(frozen=True)
class Trend:
    """One experiment on one stack: its runs, newest first, and its measures."""

    experiment: str
    stack: str
    rows: tuple[Row, ...]
    sparks: tuple[Spark, ...]


def write(runs: Path) -> Path:
    """Write the page over all runs in a folder. Raises `UsageError` if a page that is not ours has its name."""
    path = runs / NAME
    if not ours(runs):
        raise UsageError(f"{path} was not made by harness, so it is left alone; move it away, or use another folder")
    found = rows(runs)
    session = [found[place] for place in newest([row.wall for row in found])]
    page = pages.render(
        "index.html.j2",
        rows=found,
        counts=counts(found),
        session=session,
        session_counts=counts(session),
        trends=trends(found),
        matrix=matrix(row.outcome for row in found if row.outcome),
    )
    files.write(path, page)
    return path


def counts(found: Iterable[Row]) -> list[tuple[str, int]]:
    """How many runs have which verdict, good ones first."""
    many = Counter(row.word for row in found)
    return [(word, many[word]) for word in (*Verdict, UNJUDGED) if many[word]]


def ours(runs: Path) -> bool:
    """Whether the page in this folder may be written: there is none, or it is one of ours."""
    path = runs / NAME
    return not path.exists() or (path.is_file() and OURS in path.read_text(encoding="utf-8", errors="replace")[:1000])


def rows(runs: Path) -> list[Row]:
    """Every folder with a recorded run, newest first, including those that cannot be read."""
    folders = [path for path in runs.iterdir() if path.is_dir() and any((path / name).is_file() for name in NAMES)]
    return sorted(map(_row, folders), key=lambda row: (row.wall, row.folder), reverse=True)


def trends(found: Iterable[Row]) -> list[Trend]:
    """The experiments, the one with the newest run first."""
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        if row.outcome:
            kinds.setdefault((row.experiment, row.stack), []).append(row)
    return [Trend(experiment, stack, tuple(own), _sparks(own)) for (experiment, stack), own in kinds.items()]


def _sparks(own: list[Row]) -> tuple[Spark, ...]:
    found = []
    for name in TRENDS:
        checks = [(row.folder, check) for row in reversed(own) if (check := row.check(name))]
        found.append(spark(name, checks))
    return tuple(one for one in found if one)


def _row(folder: Path) -> Row:
    meta = _meta(folder)
    try:
        outcome = Outcome.load(folder / "verdict.json")
    except UsageError:
        outcome = None
    known = outcome or meta
    return Row(
        folder=folder.name,
        link=f"{quote(folder.name)}/report.html" if (folder / "report.html").is_file() else None,
        wall=meta.wall if meta else "",
        experiment=known.experiment if known else "",
        stack=known.stack if known else "",
        outcome=outcome,
    )


def _meta(folder: Path) -> Meta | None:
    """The first line of the history alone: the rest may be long."""
    path = next(folder / name for name in NAMES if (folder / name).is_file())
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            record = ADAPTER.validate_json(file.readline(MOST_LINE))
    except (OSError, EOFError, zlib.error, ValueError):
        return None
    return record if isinstance(record, Meta) else None
