"""The sweep of the default stack must FAIL for what stands alone there, by name, and for nothing else."""

from __future__ import annotations

import re

import pytest

from harness import ground
from harness.campaigns import sweep
from harness.commands.console import Progress
from harness.outcome import Verdict
from harness.progress.show import Showing
from harness.settings import Settings
from harness.testing.selection import DEFAULT, offers_part

ALONE = frozenset({"postgres", "redis", "dag-processor"})
pytestmark = [pytest.mark.chaos, pytest.mark.nightly, getattr(pytest.mark, DEFAULT)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """It takes most of an hour, so that it is offered to whoever asks for all, or for it, alone."""
    said = metafunc.config
    asked = re.search(r"\bnightly\b", said.getoption("-m")) or "sweep" in said.getoption("-k")
    stacks = said.getoption("--stack")
    here = asked and DEFAULT in (stacks or [DEFAULT]) and offers_part(said.getoption("--part"))
    metafunc.parametrize("stack", [DEFAULT] if here else [])


def test_what_stands_alone_is_named_and_nothing_else(stack: str, settings: Settings) -> None:
    there = settings.model_copy(update={"stack": stack})
    ground.ensure(there, Progress())
    begun = sweep.begin("pods", there, again=True)
    done = sweep.run(begun, begun.there, there, Showing(None, [], there.reports), Progress(), print)
    assert done.gaps == ()
    verdicts = {place.name: done.verdict_of(place) for place in done.there}
    wanted = {p.name: Verdict.FAIL if p.component in ALONE else Verdict.PASS for p in done.there}
    assert verdicts == wanted, sweep.page(done, there)
    assert done.verdict is Verdict.FAIL
