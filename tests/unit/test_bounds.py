"""What experiments owe fits what they do."""

from __future__ import annotations

from typing import get_args

import pytest

from harness import experiment
from harness.bounds import owed
from harness.settings import ROOT, Profile, Settings
from harness.slo import stacks
from harness.target import Target

NAMES = sorted(path.stem for path in (ROOT / "experiments").glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_trigger_is_tried_for_as_long_as_nobody_may_answer(name: str) -> None:
    """Who gives up sooner does not know what became of it, and the run is INVALID for our haste."""
    shipped = experiment.load(ROOT / "experiments" / f"{name}.json")
    for profile in get_args(Profile):
        for stack in stacks(ROOT / "slo.yaml", profile, name):
            there = Settings(stack=stack, profile=profile, slo_file=ROOT / "slo.yaml")
            plan, bounds = shipped.plan.at(stack, profile), owed(shipped, there)
            silence = max(bounds[b].limit for b in bounds if b.endswith(".outage"))
            assert min(one.accept_within_s for one in (plan.workload, plan.writer) if one) >= silence


@pytest.mark.parametrize(
    ("components", "asked"), [({}, True), ({"scheduler": ()}, False), ({"ingress": ()}, True)], ids=str
)
def test_an_ingress_controller_that_is_not_there_owes_nothing(components: dict[str, tuple[()]], asked: bool) -> None:
    """Nor one of others, whose log nobody here can read."""
    target = Target(name="mine", context="c", namespace="etl", components=components)
    there = Settings.of(target="").model_copy(update={"target": target, "slo_file": ROOT / "slo.yaml"})
    bounds = owed(experiment.load(ROOT / "experiments" / "null.json"), there)
    assert ("redundancy.ingress" in bounds, "redundancy.webservers" in bounds) == (asked, True)
