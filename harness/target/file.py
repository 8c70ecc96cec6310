"""A target's file: YAML that `harness target discover` writes and its owner completes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from harness import tables
from harness.errors import UsageError
from harness.target.model import Target

WIDTH = 120
NO_LEDGER = """\
# No ledger: whether a task ran twice is INVALID here, and the rest is told by Airflow's own record (docs/target.md).
# With a Redis that tasks write to, as this machine reaches it:
# ledger:
#   host: 10.0.0.1
#   port: 6379
"""


def read(path: Path) -> Target:
    """Raises `UsageError` with the file and the place of what is wrong."""
    try:
        said = tables.read(path)
    except OSError as cause:
        raise UsageError(f"{path}: {cause.strerror}; make it with `harness target discover`") from cause
    if not isinstance(said, dict):
        raise UsageError(f"{path.name}:1: a target is a table; make it with `harness target discover`")
    try:
        return Target.model_validate(said)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        raise UsageError(": ".join(part for part in (path.name, where, why) if part)) from cause


def written(target: Target, missing: Sequence[str]) -> str:
    """The text of its file. What could not be found is listed above it, to be completed; if it has no ledger, the end
    shows how to name one."""
    said = target.model_dump(mode="json", exclude_defaults=True)
    head = "".join(f"# not found: {one}\n" for one in missing)
    hint = "" if target.ledger else NO_LEDGER
    return head + yaml.safe_dump(said, sort_keys=False, width=WIDTH, allow_unicode=True) + hint
