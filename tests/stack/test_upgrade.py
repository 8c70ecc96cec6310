"""The stack of the release before: it stands on a database of its own, an upgrade that nobody ended is brought to its
end, and the next who asks for that stack gets it as it was.

It builds or pulls the older image, so the nightly alone runs it. `experiments/upgrade.json` judges the upgrade itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.chaos import leftovers
from harness.commands.console import Progress
from harness.kube import STACK_LABEL, UPGRADED, Kube
from harness.settings import Settings
from harness.stack import steps
from harness.stack.access import open_access
from harness.stack.recipes import load
from harness.standing import heal
from harness.wait import until
from tests.stack.test_switch import stacks, switch

pytestmark = [pytest.mark.stack, pytest.mark.long]
PREVIOUS = "celery-previous"


@pytest.fixture(autouse=True)
def back(settings: Settings) -> Iterator[None]:
    """Whatever came of it, the others find the stack that they began with."""
    yield
    for step in ("airflow", "steady"):
        steps.climb(settings, Progress(), step)


def release(row: str) -> str:
    """As its image's tag begins."""
    return load().images[row].published.rpartition(":")[2].partition("-")[0]


def answered(settings: Settings, kube: Kube) -> str:
    door = open_access(settings, kube).airflow(10)
    try:
        return door.version()
    finally:
        door.close()


def of_airflow(kube: Kube, settings: Settings) -> set[str]:
    """The tags of all pods that run Airflow, but for those of Jobs, which are over."""
    found = [pod.image for pod in kube.pods(settings.namespace) if pod.phase == "Running"]
    return {image.rpartition(":")[2] for image in found if "/airflow:" in image}


def test_an_upgrade_that_nobody_ended_is_brought_to_its_end_and_the_ground_comes_back(
    settings: Settings, kube: Kube
) -> None:
    there = switch(settings, PREVIOUS)
    steps.climb(there, Progress(), "steady")
    assert answered(there, kube) == release("airflow-previous")
    new = load().images["airflow"].published
    kube.change.releases.owe(there.namespace, new)  # and here its harness is shot
    assert leftovers.find(kube, there, (there.namespace,)) == [f"{there.namespace}/api-server is not what it was"]
    heal(there)
    until(
        lambda: kube.rolling(there.namespace),
        lambda left: not left,
        what="all of the new release",
        timeout=600,
        every=2,
    )
    assert of_airflow(kube, there) == {new.rpartition(":")[2]}
    assert kube.change.releases.migrated(there.namespace, new)
    assert answered(there, kube) == release("airflow")
    assert kube.stack(there.namespace) == PREVIOUS + UPGRADED
    again = switch(settings, PREVIOUS)
    steps.climb(again, Progress(), "steady")
    assert answered(again, kube) == release("airflow-previous")
    assert stacks(again) == {PREVIOUS}, f"objects of another {STACK_LABEL}"
