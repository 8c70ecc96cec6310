"""Which experiments pytest offers: each on each stack that has bounds for it, the order by stack.

Every one is marked with its stack and its tags, so that `-m "chaos and nightly and worker"` picks by target. Without
`nightly`, `--stack` or `-k` only the quick ones are offered, on the default stack: 25 minutes, where all take hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness import slo, sources
from harness.settings import ROOT

DEFAULT = "celery"
STACKS = (DEFAULT, "celery-single", "celery-keda", "celery-ha", "kubernetes", "local")
QUICK = ("smoke", "quick")


@dataclass(frozen=True)
class Case:
    """One experiment on one stack."""

    path: Path
    stack: str
    tags: tuple[str, ...]

    @property
    def quick(self) -> bool:
        return self.stack == DEFAULT and any(tag in QUICK for tag in self.tags)

    @property
    def marks(self) -> tuple[str, ...]:
        """`smoke` is what `make test` runs, so it holds for the quick ones alone."""
        kept = [tag for tag in self.tags if self.quick or tag not in QUICK]
        return tuple(dict.fromkeys(("chaos", "nightly", self.stack, *kept)))

    @property
    def name(self) -> str:
        return f"{self.path.stem}-on-{self.stack}"


def cases(profile: str = "tuned", slo_file: Path = ROOT / "slo.yaml") -> list[Case]:
    """All that have bounds in this profile."""
    found = []
    for path in sources.files():
        raw = sources.read(path)
        stacks = slo.stacks(slo_file, profile, path.stem)
        found += [Case(path, stack, tuple(raw["tags"])) for stack in stacks]
    return sorted(found, key=lambda case: (STACKS.index(case.stack), case.path.stem))


def part(chosen: list[Case], said: str) -> list[Case]:
    """Of K/N, every N-th from the K-th on: so N machines share the work. Raises ValueError where it is not that."""
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", said)
    number, of = map(int, match.groups()) if match else (1, 0)
    if number > of:
        raise ValueError(f"--part {said}: it is K/N, the K-th of N parts, such as 1/2")
    return chosen[number - 1 :: of]


def offered(all_of_them: Iterable[Case], stacks: list[str], marks: str, words: str) -> list[Case]:
    """Those that the options of a call leave: `stacks` of --stack, `marks` of -m, `words` of -k."""
    if stacks:
        return [case for case in all_of_them if case.stack in stacks]
    if words or re.search(r"\bnightly\b", marks):
        return list(all_of_them)
    return [case for case in all_of_them if case.quick]
