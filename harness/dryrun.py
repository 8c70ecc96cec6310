"""A dry run: what an experiment would hit now, by name, what it would owe, and how long it would take."""

from __future__ import annotations

from pathlib import Path

from harness import allowed
from harness import experiment as experiments
from harness.bounds import owed, patience_s
from harness.braking import in_force
from harness.experiment import Experiment
from harness.judge.checks import amount
from harness.preflight import enter, look
from harness.settings import Settings
from harness.slo import Bound


def dry_run(path: Path, settings: Settings) -> list[str]:
    """In lines; nothing is touched. Raises `UsageError` where the run would be refused.

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
        f"at the most: {here.plan.blast}",
        f"brake: {in_force(here.plan, ours=ground.kube.ours) or 'none'}",
        *(f"owes: {_owes(bound)}" for _, bound in sorted(bounds.items())),
        f"takes: {_takes(here, bounds)}",
        "nothing was touched",
    ]


def _owes(bound: Bound) -> str:
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
    return f"some {sum(parts.values()):.0f} s at the most ({named}), besides starting and undoing"
