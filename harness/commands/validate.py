"""What can be said of an experiment without a cluster: whether it would be taken, and which bounds it is held to."""

from __future__ import annotations

from pathlib import Path

from harness import allowed, bounds, slo
from harness import experiment as experiments
from harness.commands.dryrun import owes
from harness.settings import Settings
from harness.slo import Bound


def validate(path: Path, settings: Settings) -> list[str]:
    """As lines of text. Raises `UsageError` if the file, an argument or a bound is missing or wrong.

    Whether a selector finds anything is known in the cluster alone; a dry run asks there.
    """
    experiment = experiments.load(path)
    allowed.check(experiment, settings.allow_providers)
    here = experiment.at(settings.stack, settings.profile)
    found = bounds.owed(here, settings)
    mine = slo.own(settings.slo_file, settings.overlay, here.name) & found.keys()
    return [
        f"{path.name} is valid on {settings.overlay}; it may hit at most {here.plan.blast}",
        f"bounds of its own in {settings.slo_file.name}: {len(mine) or 'none'}",
        *_listed(found, mine),
        "bounds that it shares with other experiments; make sure that they suit this fault:",
        *_listed(found, found.keys() - mine),
    ]


def _listed(found: dict[str, Bound], names: frozenset[str] | set[str]) -> list[str]:
    return [f"  {owes(found[name])}: {found[name].origin}" for name in sorted(names)]
