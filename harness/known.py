"""Failures that are known and not ours: `known.yaml` is experiment → stack → {checks, issue, because}.

A verdict stays what it is. It is only marked as known, for a gate that would otherwise be red until somebody fixes it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.tables import compose


class Known(BaseModel):
    """The checks that FAIL, the issue, and what happens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: frozenset[str] = Field(min_length=1)
    issue: HttpUrl
    because: str = Field(min_length=1)

    def explains(self, failed: Collection[str], doubted: Collection[str]) -> bool:
        """Whether a run with these FAIL and INVALID checks FAILs only for known reasons."""
        return bool(failed) and not doubted and self.checks.issuperset(failed)


_TABLE = TypeAdapter(dict[str, dict[str, Known]])


def load(path: Path, experiment: str, stack: str) -> Known | None:
    """What is known of this experiment on this stack. Raises `UsageError` if the file is not valid."""
    return every(path).get(experiment, {}).get(stack)


def every(path: Path) -> dict[str, dict[str, Known]]:
    """All that is known: experiment → stack → failure. Raises `UsageError` if the file is not valid."""
    try:
        compose(path)
        return _TABLE.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as cause:
        raise UsageError(f"{path.name}: not valid YAML: {' '.join(str(cause).split())}") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        where = " → ".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path.name}: {where}: {first['msg']}") from cause
