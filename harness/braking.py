"""What the brake of a run looks at: how long the fault lasts, how users fare, and what the cluster's owner watches."""

from __future__ import annotations

from functools import partial

from harness.chaos.blast import overdue
from harness.chaos.context import Context
from harness.experiment import Plan
from harness.observe.brake import Gauge
from harness.observe.budget import Budget
from harness.observe.owner import Owner
from harness.safety import Brake

OF_OTHERS = Brake(errors_share=0.5, within_s=20)


def in_force(plan: Plan, *, ours: bool) -> Brake | None:
    """What the experiment declares; else none on our own clusters, which are there to be broken, and `OF_OTHERS`
    elsewhere."""
    return plan.brake or (None if ours else OF_OTHERS)


def gauges(plan: Plan, context: Context) -> list[Gauge]:
    """Everything that may end the run. Raises `UsageError` if the settings give only part of the owner's query."""
    found: list[Gauge] = [partial(overdue, context.blast, context.reach)]
    if brake := in_force(plan, ours=context.kube.ours):
        found.append(Budget(context.recorder.path, brake, context.recorder.now))
    if owner := Owner.of(context.settings):
        found.append(owner)
    return found
