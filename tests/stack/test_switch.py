"""One stack takes the place of another on the standing cluster: nothing of the old one stays, and it can come back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from harness.commands.console import Progress
from harness.kube import STACK_LABEL, Kube
from harness.settings import Settings
from harness.stack import steps
from harness.stack.deploy import OTHERS, WORKLOADS
from harness.stack.kubectl import kubectl

pytestmark = pytest.mark.stack
OF_CELERY = {"redis", "worker"}


@pytest.fixture(autouse=True)
def back(settings: Settings) -> Iterator[None]:
    """Whatever came of it, the others find the stack that they began with."""
    yield
    for step in ("airflow", "steady"):
        steps.climb(settings, Progress(), step)


def switch(settings: Settings, stack: str) -> Settings:
    there = settings.model_copy(update={"stack": stack})
    steps.climb(there, Progress(), "airflow")
    return there


def stacks(settings: Settings) -> set[str]:
    """Of which stacks there are objects, by their labels."""
    where = (f"--namespace={settings.namespace}", f"--selector={STACK_LABEL}", "--output=json")
    found = json.loads(kubectl(settings, "get", f"{WORKLOADS},{OTHERS}", *where))["items"]
    return {item["metadata"]["labels"][STACK_LABEL] for item in found}


def components(kube: Kube, settings: Settings) -> set[str]:
    """Of which components there are pods, of whatever state."""
    return {pod.component for pod in kube.pods(settings.namespace)}


def test_nothing_of_the_old_stack_stays(settings: Settings, kube: Kube) -> None:
    assert stacks(settings) == {settings.deployment}
    assert components(kube, settings) >= OF_CELERY
    local = switch(settings, "local")
    assert stacks(local) == {local.deployment}
    assert kube.stack(settings.namespace) == local.deployment
    assert not components(kube, local) & OF_CELERY
    assert kube.ready_replicas(settings.namespace)["scheduler"] == (1, 1)
    switch(settings, settings.stack)
    assert stacks(settings) == {settings.deployment}
    assert components(kube, settings) >= OF_CELERY
    assert kube.ready_replicas(settings.namespace)["scheduler"] == (2, 2)
