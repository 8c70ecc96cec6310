"""Between two experiments: the stack that the next one needs is up and steady, or it is rebuilt."""

from __future__ import annotations

from harness.chaos.undoing import wait_until_whole
from harness.errors import HarnessError
from harness.kube import Kube
from harness.settings import Settings
from harness.stack import steps, teardown
from harness.stack.steps import Display


def stands(settings: Settings) -> bool:
    """Whether this stack is the one that is up, steady or not. Raises `UsageError` if no cluster answers."""
    return Kube(settings).stack(settings.namespace) == settings.deployment


def ensure(settings: Settings, display: Display) -> str:
    """Switch stacks if another one is up, and wait for the steady state.

    If it does not come, everything is taken down and rebuilt. Returns the reason, or "": the last experiment should not
    have left a stack that must be rebuilt. Raises whatever the second attempt raises.
    """
    if settings.target:  # nothing is made there, and nothing taken down
        wait_until_whole(Kube(settings), settings.namespace)
        return ""
    try:
        if not stands(settings):
            steps.climb(settings, display, "airflow")
        steps.climb(settings, display, "steady")
    except HarnessError as cause:
        teardown.down(settings)
        steps.climb(settings, display)
        return str(cause)
    return ""
