"""Where experiments are: each in a file of its own, in JSON or YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness import tables
from harness.errors import UsageError
from harness.settings import ROOT, home

FOLDER = ROOT / "experiments"
EXAMPLES = ROOT / "examples"  # made of foreign actions
YAML = (".yaml", ".yml")
ENDINGS = (".json", *YAML)
# A sweep runs these once for each victim: their runs have different faults, so none is compared with another.
SWEPT = ("any-one-pod", "any-one-node")


def own() -> Path:
    """The folder of a user's own experiments: in a checkout, the suite's."""
    return home() / FOLDER.name


def files(folder: Path | None = None) -> list[Path]:
    """The experiments in a folder, by name; without one, a user's own, and those of the suite that have other names.

    Raises `UsageError` if two in one folder have the same name, since bounds go by name.
    """
    if folder is None:
        every = {path.stem: path for there in dict.fromkeys((FOLDER, own())) for path in files(there)}
        return [every[name] for name in sorted(every)]
    found: dict[str, Path] = {}
    for path in sorted(path for ending in ENDINGS for path in folder.glob(f"*{ending}")):
        if other := found.get(path.stem):
            raise UsageError(f"{path} and {other.name} are two experiments of one name; rename one of them")
        found[path.stem] = path
    return sorted(found.values(), key=lambda path: path.stem)


def named(name: str, folder: Path | None = None) -> Path:
    """The file of an experiment; if there is none, the one that it would have."""
    there = (path for path in files(folder) if path.stem == name)
    return next(there, (folder or own()) / f"{name}{ENDINGS[0]}")


def read(path: Path) -> Any:
    """The content of a file. Raises `UsageError` with file and line if it cannot be read."""
    if path.suffix in YAML:
        return tables.read(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as cause:
        raise UsageError(f"{path.name}:{cause.lineno}: not valid JSON: {cause.msg}") from cause
    except UnicodeDecodeError as cause:
        raise UsageError(f"{path.name}:1: not UTF-8 text: {cause.reason}") from cause
    except (ValueError, RecursionError) as cause:
        raise UsageError(f"{path.name}: not JSON that can be read: {cause}") from cause
