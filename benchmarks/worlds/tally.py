"""How often truth and verdict met in which way: the confusion matrix, added up over parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.worlds.choices import World
from benchmarks.worlds.compare import Found, compare
from harness.outcome import Verdict

MOST_EXAMPLES = 40  # of which the smallest is looked for, one of each kind


@dataclass
class Tally:
    """`met`: (truth, verdict) → worlds. `kinds`: what a disagreement is about → how many, and a world of it."""

    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: dict[str, tuple[int, str]] = field(default_factory=dict)
    disagreeing: int = 0
    seconds: float = 0.0

    @property
    def worlds(self) -> int:
        return self.met.total()

    def add(self, found: Found) -> None:
        self.met[found.label, found.verdict.value] += 1
        self.disagreeing += bool(found.wrong)
        for kind in {_kind(words) for words in found.wrong}:
            self._count(kind, 1, str(found.world))

    def merge(self, other: Tally) -> None:
        self.met += other.met
        self.disagreeing += other.disagreeing
        self.seconds += other.seconds
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
        truths = sorted({truth for truth, _ in self.met}, key=lambda truth: (truth.count(" or "), truth))
        lines = [f"| truth | {' | '.join(verdicts)} |", "| --- |" + " --- |" * len(verdicts)]
        lines += [f"| {truth} | {' | '.join(str(self.met[truth, v]) for v in verdicts)} |" for truth in truths]
        rate = f", {self.worlds / self.seconds:.0f} a second" if self.seconds else ""
        false_pass = sum(n for (truth, v), n in self.met.items() if v == "PASS" and "kept" not in truth)
        false_fail = sum(n for (truth, v), n in self.met.items() if v == "FAIL" and "broken" not in truth)
        summary = f"{self.worlds} worlds{rate}: {false_pass} false PASS, {false_fail} false FAIL, "
        summary += f"{self.disagreeing} in which any check or measure disagrees with the truth."
        return "\n".join([summary, "", *lines, ""])

    def to_json(self) -> dict[str, Any]:
        met = [[truth, verdict, count] for (truth, verdict), count in sorted(self.met.items())]
        kinds = {kind: list(found) for kind, found in sorted(self.kinds.items())}
        return {"met": met, "kinds": kinds, "disagreeing": self.disagreeing, "seconds": round(self.seconds, 1)}

    @classmethod
    def merged(cls, parts: Iterable[dict[str, Any]]) -> Tally:
        """What several parts found, from their JSON."""
        total = cls()
        for part in parts:
            met = Counter({(truth, verdict): count for truth, verdict, count in part["met"]})
            kinds = {kind: (count, world) for kind, (count, world) in part["kinds"].items()}
            total.merge(cls(met, kinds, part["disagreeing"], part["seconds"]))
        return total


def _kind(words: str) -> str:
    """What a disagreement is about: the check, and what it was judged."""
    return words.split(":", maxsplit=1)[0]
