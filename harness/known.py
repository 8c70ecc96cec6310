"""Failures that are known and not ours: `known.yaml` is experiment → stack → {checks, issue, because}.

A verdict stays what it is. Known is said beside it, for a gate that would else be red until somebody mends it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.tables import compose


class Known(BaseModel):
    """The checks that FAIL, whose issue that is, and what happens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: frozenset[str] = Field(min_length=1)
    issue: HttpUrl
    because: str = Field(min_length=1)

    def explains(self, failed: Collection[str], doubted: Collection[str]) -> bool:
        """Whether a run, of which these checks were FAIL and INVALID, FAILs by what is known alone."""
        return bool(failed) and not doubted and self.checks.issuperset(failed)


_TABLE = TypeAdapter(dict[str, dict[str, Known]])


def load(path: Path, experiment: str, stack: str) -> Known | None:
    """What is known of this experiment on this stack. Raises `UsageError` where the file is not as it must be."""
    try:
        compose(path)
        table = _TABLE.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except FileNotFoundError:
        return None
    except yaml.YAMLError as cause:
        raise UsageError(f"{path.name}: not valid YAML: {' '.join(str(cause).split())}") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        where = " → ".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path.name}: {where}: {first['msg']}") from cause
    return table.get(experiment, {}).get(stack)
