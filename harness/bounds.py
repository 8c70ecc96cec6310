"""The bounds that one experiment owes on a stack, with their limits from `slo.yaml`."""

from __future__ import annotations

from harness.experiment import Experiment, Plan
from harness.judge.restored import ACTION
from harness.judge.verdict import required
from harness.settings import Settings
from harness.slo import Bound, load
from harness.timetables import table

WAITED_FOR = ("tasks.run_duration", "recovery.dag_seen")


def patience_s(plan: Plan, bounds: dict[str, Bound]) -> float:
    """Seconds for which runs in flight are waited for in the end, at most: none is lost before it has had its time."""
    return max(plan.phases.cooldown_s, *(bounds[name].limit for name in WAITED_FOR if name in bounds), 0)


def owed(one: Experiment, there: Settings) -> dict[str, Bound]:
    """The bounds by name. Raises `UsageError` if `slo.yaml` gives no limit for one of them."""
    return load(there.slo_file, there.profile, there.stack, one.name, needed(one, there))


def needed(one: Experiment, there: Settings) -> frozenset[str]:
    """The names of the bounds."""
    plan = one.plan
    return required(
        plan.component,
        plan.writes,
        plan.recovery,
        there.stack,
        reads_back=plan.writer is not None,
        keeps=bool(plan.probe.writes),
        restores=any((step.get("provider") or {}).get("func") == ACTION for step in one.method()),
        schedules=[table().dags[name] for name in plan.at(there.stack, there.profile).schedules],
    )
