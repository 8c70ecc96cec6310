"""One experiment several times over, each run with its own seed, and one verdict over all of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from harness import experiment as experiments
from harness.errors import HarnessError, UsageError
from harness.files import write
from harness.judge.repeated import Repeated, summed_up
from harness.progress.show import Watched
from harness.run import Result, conduct
from harness.settings import Settings

NAME = "repeated.json"
MOST_RUNS = 100


def refuse(count: int, experiments: int) -> None:
    """Raises `UsageError` if this many runs of this many experiments cannot have one verdict."""
    if not 1 <= count <= MOST_RUNS:
        raise UsageError(f"--repeat {count}: an experiment is run 1 to {MOST_RUNS} times")
    if count > 1 and experiments > 1:
        raise UsageError(f"--repeat {count}: it takes a single experiment, for one verdict over its runs; name one")


def repeat(
    path: Path,
    settings: Settings,
    count: int,
    say: Callable[[str], None],
    watching: Callable[[int], AbstractContextManager[Watched]],
) -> tuple[Path, Repeated]:
    """Run it `count` times, the seed going up by one, and return the folder with the results of all.

    A run that was refused or interrupted ends the series, which is then never a PASS: no run is repeated. Raises
    `UsageError` if the very first one is refused.
    """
    experiment = experiments.load(path).seeded(settings.seed)
    seeds = range(experiment.plan.seed, experiment.plan.seed + count)
    results: list[Result] = []
    for number, seed in enumerate(seeds, start=1):
        try:
            with watching(number) as watch:
                results.append(conduct(path, settings.model_copy(update={"seed": seed}), opened=watch.opened))
                watch.judged(results[-1].outcome)
        except HarnessError as cause:
            if not results:
                raise
            say(f"run {number} of {count} did not take place, nor any after it: {cause}")
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
