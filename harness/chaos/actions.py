"""Actions for experiments. Each records that it began, what it hit and the proof, and can be undone twice."""

from __future__ import annotations

from typing import Any, Literal

from chaoslib.exceptions import ActivityFailed

from harness.chaos import pods, undoing
from harness.chaos.context import current
from harness.errors import HarnessError


def kill_pods(
    selector: str, pick: Literal["all", "one", "all-but-one"] = "all", namespace: str = ""
) -> list[dict[str, Any]]:
    """SIGKILL every process of the selected pods at once, and delete the pods so that others replace them.

    `pick` is all, one that the run's seed chooses, or all but that one. Returns one entry a pod. Fails where nothing
    was hit.
    """
    context = current()
    try:
        return pods.kill(context, namespace or context.settings.namespace, selector, pick)
    except HarnessError as cause:
        raise ActivityFailed(str(cause)) from cause


def undo() -> list[str]:
    """Undo every fault of this run that is not undone yet, and return their ids."""
    try:
        return undoing.undo_all(current())
    except HarnessError as cause:
        raise ActivityFailed(str(cause)) from cause
