"""Remove everything that `up` made: the cluster and all in it. Cached images and programs stay for the next start."""

from __future__ import annotations

from harness.locking import only_one
from harness.settings import Settings
from harness.stack import cluster, engine
from harness.stack.steps import kind_program


def down(settings: Settings) -> bool:
    """True if there was something to remove. Raises `UsageError` if the cluster is not ours, or another harness is at
    work on it."""
    if not engine.look(settings).running:
        return False
    with only_one(settings, "stack"):
        return cluster.delete(settings, kind_program(settings))
