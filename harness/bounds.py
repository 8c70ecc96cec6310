"""The bounds that one experiment owes on a stack, with their limits from `slo.yaml`."""

from __future__ import annotations

from collections.abc import Collection

from harness.experiment import Experiment, Plan
from harness.judge.checks import some
from harness.judge.no_ledger import needing
from harness.judge.restored import ACTION
from harness.judge.verdict import CALLBACKS, SCHEDULED, required
from harness.settings import Settings
from harness.slo import Bound, load
from harness.timetables import table

INGRESS, REDUNDANT_INGRESS = "ingress", "redundancy.ingress"
WAITED_FOR = ("tasks.run_duration", "recovery.dag_seen")


def patience_s(plan: Plan, bounds: dict[str, Bound]) -> float:
    """The longest to wait for runs in flight at the end, in seconds: no run is lost before it has had its time."""
    return max(plan.phases.cooldown_s, *(bounds[name].limit for name in WAITED_FOR if name in bounds), 0)


def owed(one: Experiment, there: Settings) -> dict[str, Bound]:
    """The bounds by name. Raises `UsageError` if `slo.yaml` gives no limit for one of them."""
    found = load(there.slo_file, there.profile, there.stack, one.name, needed(one, there))
    unasked = SCHEDULED | CALLBACKS if left_out(one, there) else frozenset[str]()
    unasked |= frozenset() if there.aim.has(INGRESS) else {REDUNDANT_INGRESS}
    return {name: bound for name, bound in found.items() if name not in unasked}


def scheduled(one: Experiment, there: Settings) -> tuple[str, ...]:
    """The scheduled DAGs that run meanwhile. None without a ledger: their window opens through it."""
    return _named(one, there) if there.aim.ledger else ()


def left_out(one: Experiment, there: Settings) -> tuple[str, ...]:
    """The scheduled DAGs that the experiment names, but that are not started for want of a ledger."""
    return () if there.aim.ledger else _named(one, there)


def _named(one: Experiment, there: Settings) -> tuple[str, ...]:
    return one.plan.at(there.stack, there.profile).schedules


def unjudged(one: Experiment, there: Settings, bounds: Collection[str]) -> str:
    """What cannot be judged on a target without a ledger, in one line for people; "" if there is one."""
    if there.aim.ledger:
        return ""
    said = f"the target {there.aim.name} has no ledger: of {len(bounds)} promises, {needing(bounds)} cannot PASS there"
    absent = left_out(one, there)
    more = f", and scheduled DAGs are not started ({some(absent)})" if absent else ""
    return f"{said}{more}; availability and recovery are judged, tasks by what Airflow itself records (docs/target.md)"


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
        schedules=[table().dags[name] for name in scheduled(one, there)],
    )
