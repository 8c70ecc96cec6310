"""A count of worlds that later sittings go on with: a table of which seeds were judged, and how often which way.

A count belongs to a judge, and to the worlds that it was tried on: to the files that both are made of.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.worlds.tally import Met, Tally
from harness.errors import UsageError
from harness.files import write

ROOT = Path(__file__).parents[2]
MADE_OF = ("harness/judge", "harness/schedule", "benchmarks/worlds")
FIELDS = ("judge", "first", "last", "scheduled", "truth", "verdict", "agrees", "worlds")
WORDS = {True: "yes", False: "no"}


def judge_id() -> str:
    """Another one for each judge, and for other worlds."""
    found = hashlib.sha256()
    for path in sorted(path for folder in MADE_OF for path in (ROOT / folder).rglob("*.py")):
        found.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:12]


@dataclass
class Counted:
    """By judge and first seed: the last seed that was judged, and what came of all from the first on."""

    ranges: dict[tuple[str, int], tuple[int, Counter[Met]]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Counted:
        """Of a file that is not there yet, nothing. Raises `UsageError` where it is no such table."""
        counted = cls()
        try:
            rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))) if path.exists() else ()
            for row in rows:
                met = Met(row["scheduled"] == WORDS[True], row["truth"], row["verdict"], row["agrees"] == WORDS[True])
                key = row["judge"], int(row["first"])
                _, ways = counted.ranges.setdefault(key, (int(row["last"]), Counter()))
                ways[met] += int(row["worlds"])
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise UsageError(f"{path} is no count of worlds: {cause}; give a file that --into wrote") from cause
        return counted

    def write(self, path: Path) -> None:
        """Raises `StorageError`."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(FIELDS)
        for (judge, first), (last, ways) in sorted(self.ranges.items()):
            for met, count in sorted(ways.items()):
                words = WORDS[met.scheduled], met.truth, met.verdict, WORDS[met.agrees]
                rows.writerow((judge, first, last, *words, count))
        write(path, text.getvalue())

    def left(self, judge: str, seeds: range) -> range:
        """What of the seeds was not judged: each sitting goes through them in order."""
        lasts = [last for (of, _), (last, _) in self.ranges.items() if of == judge and last in seeds]
        return range(max(lasts, default=seeds.start - 1) + 1, seeds.stop)

    def add(self, judge: str, seeds: range, tally: Tally) -> None:
        """What came of seeds, which lengthen the range that they go on with."""
        before = ((at, ways) for at, (last, ways) in self.ranges.items() if (at[0], last + 1) == (judge, seeds.start))
        key, ways = next(before, ((judge, seeds.start), Counter()))
        self.ranges[key] = seeds.stop - 1, ways + tally.met

    def of(self, judge: str) -> Tally:
        total = Tally()
        for (of, _), (_, ways) in self.ranges.items():
            total.met += ways if of == judge else Counter()
        return total
