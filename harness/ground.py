"""Between two experiments: the stack that the next one is for stands, and is steady, or it is made anew."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.kube import Kube
from harness.settings import Settings
from harness.stack import steps, teardown
from harness.stack.steps import Display


def stands(settings: Settings) -> bool:
    """Whether it is this stack that stands, steady or not. Raises `UsageError` where no cluster answers."""
    return Kube(settings).stack(settings.namespace) == settings.deployment


def ensure(settings: Settings, display: Display) -> str:
    """Switch stacks where another one stands, and wait for the steady state.

    Where that does not come, all is taken down and made again. Returns why, or nothing: what had to be made anew was
    not what the last experiment should have left. Raises what the second attempt raises.
    """
    try:
        if not stands(settings):
            steps.climb(settings, display, "airflow")
        steps.climb(settings, display, "steady")
    except HarnessError as cause:
        teardown.down(settings)
        steps.climb(settings, display)
        return str(cause)
    return ""
