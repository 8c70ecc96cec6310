"""Probes for experiments: gates before and after the method. They measure; the verdict comes from the history."""

from __future__ import annotations

from harness.chaos.context import current
from harness.chaos.undoing import missing

__all__ = ["every_component_is_ready"]


def every_component_is_ready() -> bool:
    """Whether as many pods of every component are Ready as before the first fault."""
    return not missing(current())
