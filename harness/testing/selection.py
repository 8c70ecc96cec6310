"""Which experiments pytest offers: each on each stack that has bounds for it, ordered by stack.

Each is marked with its stack and its tags, so that `-m "chaos and nightly and worker"` picks by target. Without
`nightly`, `--stack` or `-k`, only the quick ones are offered, on the default stack: 25 minutes; all take hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness import slo, sources
from harness.errors import UsageError
from harness.settings import STACKS, Settings

DEFAULT = STACKS[0]
QUICK = ("smoke", "quick")
MARK = re.compile(r"[a-z0-9][\w.-]*", re.IGNORECASE)  # tags that -m can name


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
        """`make test` runs `smoke`, so only the quick ones bear it."""
        kept = [tag for tag in self.tags if self.quick or tag not in QUICK]
        return tuple(dict.fromkeys(("chaos", "nightly", self.stack, *kept)))

    @property
    def name(self) -> str:
        return f"{self.path.stem}-on-{self.stack}"


def cases(profile: str = "tuned", slo_file: Path | None = None) -> list[Case]:
    """All that have bounds in this profile, except those that a sweep runs for each victim. Raises `UsageError`."""
    bounds = slo_file or Settings.of().slo_file
    found = []
    for path in (path for path in sources.files() if path.stem not in sources.SWEPT):
        if stacks := slo.stacks(bounds, profile, path.stem):
            tags = _tags(path)
            found += [Case(path, stack, tags) for stack in stacks]
    order = {stack: number for number, stack in enumerate(STACKS)}
    return sorted(found, key=lambda case: (order.get(case.stack, len(order)), case.stack, case.path.stem))


def _tags(path: Path) -> tuple[str, ...]:
    """Raises `UsageError` if the file is not an experiment."""
    raw = sources.read(path)
    tags = raw.get("tags", []) if isinstance(raw, dict) else None
    if not isinstance(tags, list):
        raise UsageError(f"{path.name}: an experiment is an object, and its tags are a list")
    return tuple(tag for tag in tags if isinstance(tag, str) and MARK.fullmatch(tag))


def marks() -> list[str]:
    """All marks that any experiment bears."""
    return sorted({name for case in cases() for name in case.marks})


def part(chosen: list[Case], said: str) -> list[Case]:
    """For K/N, every N-th from the K-th on, so that N machines share the work. Raises ValueError if it is not K/N."""
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", said)
    number, of = map(int, match.groups()) if match else (1, 0)
    if number > of:
        raise ValueError(f"part {said}: it is K/N, the K-th of N parts, such as 1/2")
    return chosen[number - 1 :: of]


def offers_part(said: str) -> bool:
    """Whether this part includes what cannot be shared: only the first does."""
    return said.partition("/")[0] == "1"


def offered(all_of_them: Iterable[Case], stacks: list[str], marks: str, words: str) -> list[Case]:
    """Those that the options select: `stacks` of --stack, `marks` of -m, `words` of -k."""
    if stacks:
        return [case for case in all_of_them if case.stack in stacks]
    if words or re.search(r"\bnightly\b", marks):
        return list(all_of_them)
    return [case for case in all_of_them if case.quick]
