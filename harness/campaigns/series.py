"""Several experiments, one after the other on the standing stack, and the worst of their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness import allowed, bounds, ground
from harness import experiment as experiments
from harness.errors import HarnessError
from harness.outcome import Verdict, worst_verdict
from harness.progress.show import Planned, Showing
from harness.run import Result, conduct
from harness.settings import Settings
from harness.stack.steps import Display


def planned(paths: Sequence[Path], settings: Settings, repeat: int = 1) -> list[Planned]:
    """The runs requested. Raises `UsageError` if one of them has no valid file, or lacks bounds."""
    found = []
    for path in paths:
        experiment = experiments.load(path)
        allowed.check(experiment, settings.allow_providers)
        here = experiment.at(settings.stack, settings.profile)
        bounds.owed(here, settings)
        found += [Planned(here, settings.deployment)] * repeat
    return found


def run(
    paths: Sequence[Path], settings: Settings, showing: Showing, display: Display, say: Callable[[str], None]
) -> list[Result]:
    """Run each; after one that is not a PASS, wait for the steady state, or rebuild the stack.

    A run that is refused or interrupted ends the series. Raises `UsageError` if the very first one is refused.
    """
    results: list[Result] = []
    for number, path in enumerate(paths, start=1):
        try:
            steady = not results or results[-1].outcome.verdict is Verdict.PASS
            remade = "" if steady else ground.ensure(settings, display)
            with showing.watching(number) as watch:
                results.append(conduct(path, settings, remade, watch.opened))
                watch.judged(results[-1].outcome)
        except HarnessError as cause:
            if not results:
                raise
            say(f"{path.name} was not run, nor any after it: {cause}")
            break
        if results[-1].interrupted:
            break
    return results


def verdict(results: Sequence[Result], asked: int) -> Verdict:
    """The worst of all; a run that did not take place cannot be a PASS."""
    missing = [Verdict.INVALID] * (asked - len(results))
    return worst_verdict((*(result.outcome.verdict for result in results), *missing))
