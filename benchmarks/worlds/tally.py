"""How often truth and verdict met in which way: the confusion matrix, added up over parts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.worlds.choices import World
from benchmarks.worlds.compare import Found, compare
from benchmarks.worlds.timed.dags import plan
from harness.outcome import Verdict

MOST_EXAMPLES = 40  # of which the smallest is looked for, one of each kind


class Met(NamedTuple):
    """In which way a world and its verdict met; `agrees`, in all checks and measures."""

    scheduled: bool
    truth: str
    verdict: str
    agrees: bool


@dataclass
class Tally:
    """`met`: worlds by the way in which they met. `kinds`: what a disagreement is about → how many, and one of them."""

    met: Counter[Met] = field(default_factory=Counter)
    kinds: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def worlds(self) -> int:
        return self.met.total()

    @property
    def scheduled(self) -> int:
        """Those in which a DAG runs by itself."""
        return sum(count for met, count in self.met.items() if met.scheduled)

    @property
    def disagreeing(self) -> int:
        return sum(count for met, count in self.met.items() if not met.agrees)

    def add(self, found: Found) -> None:
        self.met[Met(bool(plan(found.world).dags), found.label, found.verdict.value, not found.wrong)] += 1
        for kind in {_kind(words) for words in found.wrong}:
            self._count(kind, 1, str(found.world))

    def merge(self, other: Tally) -> None:
        self.met += other.met
        for kind, (count, world) in other.kinds.items():
            self._count(kind, count, world)

    def _count(self, kind: str, count: int, world: str) -> None:
        before, example = self.kinds.get(kind, (0, world))
        self.kinds[kind] = before + count, min(example, world, key=lambda name: (name.count(","), len(name), name))

    def examples(self) -> list[Found]:
        """A world of each kind of disagreement, the most frequent first."""
        often = sorted(self.kinds.values(), reverse=True)[:MOST_EXAMPLES]
        return [compare(World.parse(world)) for world in dict.fromkeys(world for _, world in often)]

    def table(self) -> str:
        """The matrix in Markdown; what may be either is a world near a limit, or one that was not wholly seen."""
        verdicts = [verdict.value for verdict in Verdict]
        cells: Counter[tuple[str, str]] = Counter()
        for met, count in self.met.items():
            cells[met.truth, met.verdict] += count
        truths = sorted({truth for truth, _ in cells}, key=lambda truth: (truth.count(" or "), truth))
        lines = [f"| truth | {' | '.join(verdicts)} |", "| --- |" + " --- |" * len(verdicts)]
        lines += [f"| {truth} | {' | '.join(str(cells[truth, v]) for v in verdicts)} |" for truth in truths]
        false_pass = sum(n for (truth, v), n in cells.items() if v == "PASS" and "kept" not in truth)
        false_fail = sum(n for (truth, v), n in cells.items() if v == "FAIL" and "broken" not in truth)
        summary = f"{self.worlds} worlds, {self.scheduled} with scheduled work: {false_pass} false PASS, "
        summary += (
            f"{false_fail} false FAIL, {self.disagreeing} in which any check or measure disagrees with the truth."
        )
        return "\n".join([summary, "", *lines, ""])


def _kind(words: str) -> str:
    """What a disagreement is about: the check, and what it was judged."""
    return words.split(":", maxsplit=1)[0]
