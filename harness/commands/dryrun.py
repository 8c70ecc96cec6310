"""A dry run: what an experiment would hit now, by name, its bounds, and how long it would take."""

from __future__ import annotations

from pathlib import Path

from harness import allowed, rights
from harness import experiment as experiments
from harness.bounds import owed, patience_s, unjudged
from harness.braking import in_force
from harness.experiment import Experiment
from harness.judge.checks import amount
from harness.preflight import enter, look
from harness.settings import Settings
from harness.slo import Bound

NODES = {
    "docker": "nodes: entered by docker exec",
    "agent": "nodes: entered by a privileged pod of ours on each, from the fault to its undo",
    "closed": (
        "nodes: closed, so that a kill is a deletion without grace, a hang is done from inside, and a cut by a"
        " NetworkPolicy, which the cluster's network need not enforce"
    ),
}


def dry_run(path: Path, settings: Settings) -> list[str]:
    """As lines of text; nothing is touched. Raises `UsageError` if the run would be refused.

    It does not wait for a quiet machine, nor ask whether another experiment is running.
    """
    experiment = experiments.load(path).seeded(settings.seed)
    allowed.check(experiment, settings.allow_providers)
    here = experiment.at(settings.stack, settings.profile)
    bounds = owed(here, settings)
    ground = look(here, settings, enter(here, settings))
    return [
        f"{here.name} on {settings.deployment}, {ground.kube.place}, seed {here.plan.seed}",
        *([f"would hit: {aim}" for aim in ground.aims] or ["would hit: nothing"]),
        *([NODES[settings.aim.nodes]] if rights.beyond([here]) else []),
        f"at most: {here.plan.blast}",
        f"brake: {in_force(here.plan, ours=ground.kube.ours) or 'none'}",
        *filter(None, [unjudged(here, settings, bounds)]),
        *(f"owes: {owes(bound)}" for _, bound in sorted(bounds.items())),
        f"takes: {_takes(here, bounds)}",
        "nothing was touched",
    ]


def owes(bound: Bound) -> str:
    """A bound as a promise, without its origin."""
    return f"{bound.name} {bound.sense} {amount(bound.limit, bound.unit)}"


def _takes(here: Experiment, bounds: dict[str, Bound]) -> str:
    phases = here.plan.phases
    parts = {
        "baseline": phases.baseline_s,
        "fault": here.plan.blast.seconds,
        "recovery": phases.recovery_s,
        "cooldown": patience_s(here.plan, bounds),
    }
    named = ", ".join(f"{name} {seconds:g}" for name, seconds in parts.items())
    return f"at most about {sum(parts.values()):.0f} s ({named}), plus starting and undoing"
