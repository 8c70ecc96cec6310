"""The planted defects in deploy/mutants: what each is, and which experiment and check must catch it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness import sources
from harness.errors import UsageError
from harness.settings import ROOT
from harness.slo import CATALOGUE

FOLDER = ROOT / "deploy" / "mutants"
FILE = "mutant.yaml"
Kind = Literal["redundancy", "budgets", "grace", "probes", "settings", "data", "code", "suite"]
PLANTED = "planted.py"
T = TypeVar("T")
SHARED = ROOT / "deploy" / "components" / "planted"
# Checks that have no bound.
_OF_EVIDENCE = ("baseline", "calibration", "complete", "fault", "machine", "schedule")
PLAIN = frozenset({"healthy.pods", *(f"evidence.{name}" for name in _OF_EVIDENCE)})


class Mutant(BaseModel):
    """One defect: planted in a good stack, it must make this experiment FAIL by this check, or one in `also`.

    `rest` asks for a run with nothing broken too, in which it should not show. `quick` marks the few for every change.
    `because` says why it cannot matter; it then does not count. One of class `suite` is planted in the harness.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str
    digest: str
    title: str = Field(min_length=1)
    kind: Kind = Field(alias="class")
    stack: str
    experiment: str
    check: str
    also: tuple[str, ...] = ()
    rest: bool = False
    quick: bool = False
    because: str = ""

    @property
    def counts(self) -> bool:
        return not self.because

    @property
    def of_the_suite(self) -> bool:
        """Planted in a separate harness process, on the good stack."""
        return self.kind == "suite"

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @classmethod
    def load(cls, folder: Path) -> Mutant:
        """Raises `UsageError`, with the file, if it is not valid."""
        path = folder / FILE
        try:
            said = yaml.safe_load(path.read_text(encoding="utf-8"))
            found = cls.model_validate({**said, "name": folder.name, "digest": _digest(folder)})
        except (OSError, TypeError, yaml.YAMLError) as cause:
            raise UsageError(f"{folder.name}/{FILE} cannot be read: {cause}") from cause
        except ValidationError as cause:
            first = cause.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(f"{folder.name}/{FILE}: {where}: {first['msg']}") from cause
        if strange := [name for name in (found.check, *found.also) if name not in CATALOGUE.keys() | PLAIN]:
            raise UsageError(f"{folder.name}/{FILE}: check: nothing is called {strange[0]!r}")
        if not sources.named(found.experiment).is_file():
            raise UsageError(f"{folder.name}/{FILE}: experiment: there is no {found.experiment!r}")
        return found


def every(names: list[str] | None = None, folder: Path = FOLDER) -> list[Mutant]:
    """All of them, or those with these names, in the order that changes stacks least often. Raises `UsageError`."""
    known = [Mutant.load(path.parent) for path in sorted(folder.glob(f"*/{FILE}"))]
    if strange := sorted(set(names or ()) - {mutant.name for mutant in known}):
        there = ", ".join(mutant.name for mutant in known)
        raise UsageError(f"there is no mutant {strange[0]}; there are: {there}")
    chosen = [mutant for mutant in known if not names or mutant.name in names]
    return sorted(chosen, key=lambda mutant: (mutant.stack, mutant.of_the_suite, mutant.experiment, mutant.name))


def share(some: list[T], part: str) -> list[T]:
    """The K-th of N parts, given as K/N. Raises `UsageError`."""
    first, _, parts = part.partition("/")
    if not (first.isdecimal() and parts.isdecimal() and 1 <= int(first) <= int(parts)):
        raise UsageError(f"--part {part}: it is K/N, the K-th of N parts, such as 1/2")
    return some[int(first) - 1 :: int(parts)]


def _digest(folder: Path) -> str:
    """Of everything that makes up a mutant: a changed one counts as another."""
    whole = sha256()
    shared = sorted(SHARED.iterdir()) if (folder / PLANTED).is_file() else []
    for path in (path for path in (*sorted(folder.iterdir()), *shared) if path.is_file()):
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:16]
