"""Every mutant that is laid over a stack can be, and makes another stack of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from harness.kube import STACK_LABEL
from harness.mutant import Mutant, every
from harness.settings import Settings
from harness.stack.deploy import rendered

pytestmark = pytest.mark.stack


def objects(settings: Settings) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(rendered(settings)) if one]


def containers(one: dict[str, Any]) -> list[dict[str, Any]]:
    template = (one.get("spec") or {}).get("template") or {}
    return list(template.get("spec", {}).get("containers", ()))


@pytest.mark.parametrize("mutant", [m for m in every() if m.counts and not m.of_the_suite], ids=lambda m: m.name)
def test_a_mutant_is_a_stack_of_another_name_that_differs(mutant: Mutant) -> None:
    good, planted = Settings(stack=mutant.stack), Settings(stack=mutant.stack, mutant=mutant.name)
    made = objects(planted)
    assert {one["metadata"]["labels"][STACK_LABEL] for one in made} == {planted.deployment}
    for one in made:  # a list by name takes no name twice, which only the cluster would say
        for container in containers(one):
            names = [variable["name"] for variable in container.get("env", ())]
            assert len(names) == len(set(names)), (one["metadata"]["name"], names)
        one["metadata"]["labels"].pop(STACK_LABEL)
    usual = objects(good)
    for one in usual:
        one["metadata"]["labels"].pop(STACK_LABEL)
    assert made != usual
