"""One experiment several times over, each run with a seed of its own, and one verdict over all of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from harness import experiment as experiments
from harness.errors import HarnessError, UsageError
from harness.files import write
from harness.judge.repeated import Repeated, summed_up
from harness.run import Result, conduct
from harness.settings import Settings

NAME = "repeated.json"
MOST_RUNS = 100


def repeat(path: Path, settings: Settings, count: int, say: Callable[[str], None]) -> tuple[Path, Repeated]:
    """Run it `count` times, the seed going up by one, and return the folder with what came of all.

    A run that was refused or interrupted ends the series, which is then never a PASS: no run is made again. Raises
    `UsageError` where already the first one is refused.
    """
    if not 1 <= count <= MOST_RUNS:
        raise UsageError(f"--repeat {count}: an experiment is run 1 to {MOST_RUNS} times")
    experiment = experiments.load(path).seeded(settings.seed)
    seeds = range(experiment.plan.seed, experiment.plan.seed + count)
    results: list[Result] = []
    for number, seed in enumerate(seeds, start=1):
        try:
            results.append(conduct(path, settings.model_copy(update={"seed": seed})))
        except HarnessError as cause:
            if not results:
                raise
            say(f"run {number} of {count} was not made, and none after it: {cause}")
            break
        say(f"run {number} of {count}, seed {seed}: {results[-1].outcome.verdict} {results[-1].folder}")
        if results[-1].interrupted:
            break
    made = [result.outcome for result in results]
    repeated = summed_up(made, seeds[: len(made)], count, experiment.name, settings.deployment)
    return _save(repeated, settings, count), repeated


def _save(repeated: Repeated, settings: Settings, count: int) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = settings.reports / f"{repeated.experiment}-{stamp}-x{count}"
    write(folder / NAME, repeated.model_dump_json(indent=2) + "\n")
    return folder
