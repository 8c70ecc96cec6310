"""What experiments of others call: actions and probes of `chaosk8s`, the Kubernetes extension of Chaos Toolkit.

Its actions choose what they hit themselves, say little of it, and prove nothing. So each that is known here is worked
out before it begins: what it would hit, by its own rules, is compared with `blast`, recorded, and handed to it by name,
so that it hits this and nothing else. Then it is proved as a fault of ours is. Both speak to the cluster of the run,
whichever one the environment names.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from harness.chaos.borrowed.base import Borrowed
from harness.chaos.borrowed.mesh import DeleteNetworkFault, DeleteStressor
from harness.chaos.borrowed.network import AddLatency, SetLoss
from harness.chaos.borrowed.nodes import CordonNode, DrainNodes, UncordonNode
from harness.chaos.borrowed.pods import DeletePods, TerminatePods
from harness.chaos.borrowed.stress import StressCpu, StressMemory
from harness.chaos.borrowed.workloads import RolloutDeployment, ScaleDeployment, ScaleStatefulSet
from harness.chaos.context import Context, act

__all__ = [
    "KNOWN",
    "READING",
    "UNDOING",
    "UNPROVABLE",
    "Borrowed",
    "CordonNode",
    "give_back",
    "named",
    "perform",
    "take_over",
    "theirs",
]

_EVERY: tuple[type[Borrowed], ...] = (
    TerminatePods,
    DeletePods,
    DrainNodes,
    CordonNode,
    UncordonNode,
    ScaleDeployment,
    RolloutDeployment,
    ScaleStatefulSet,
    SetLoss,
    AddLatency,
    StressCpu,
    StressMemory,
    DeleteNetworkFault,
    DeleteStressor,
)
KNOWN = {one.home: one for one in _EVERY}
UNDOING = frozenset({UncordonNode.home, DeleteNetworkFault.home, DeleteStressor.home})
# Nothing of ours could tell whether they happened.
UNPROVABLE = frozenset(
    f"chaosk8s.chaosmesh.network.actions.{name}"
    for name in ("duplicate_packets", "corrupt_packets", "reorder_packets", "set_bandwidth")
)
# They look, and change nothing.
READING = frozenset(
    f"chaosk8s.{name}"
    for home, names in {
        "pod.probes": (
            "pods_in_phase pods_not_in_phase pods_in_conditions count_pods count_min_pods pod_is_not_available"
            " all_pods_healthy"
        ),
        "deployment.probes": (
            "deployment_available_and_healthy deployment_partially_available deployment_not_fully_available"
            " deployment_fully_available"
        ),
        "statefulset.probes": "statefulset_not_fully_available statefulset_fully_available",
        "node.probes": "get_nodes all_nodes_must_be_ready_to_schedule verify_nodes_condition nodes_must_be_healthy",
    }.items()
    for name in (f"{home}.{one}" for one in names.split())
)


def named(provider: Any) -> str:
    """The full name of the function that a provider of an activity has, or nothing where it has none."""
    if not isinstance(provider, dict) or provider.get("type") != "python":
        return ""
    return f"{provider.get('module')}.{provider.get('func')}"


def take_over(activity: dict[str, Any]) -> None:
    """Have this activity done by `perform`, where it is one that is known here."""
    provider = activity.get("provider")
    if named(provider) in KNOWN or named(provider) in READING:
        ours = {"type": "python", "module": __name__, "func": perform.__name__}
        activity["provider"] = {**ours, "arguments": {"provider": provider}}


def give_back(activity: dict[str, Any]) -> None:
    """Make an activity that was taken over what it was; any other is left alone."""
    provider = activity.get("provider")
    if isinstance(provider, dict) and named(provider) == f"{__name__}.{perform.__name__}":
        activity["provider"] = provider["arguments"]["provider"]


def perform(provider: dict[str, Any]) -> Any:
    """What the provider says, in the open run."""
    name, arguments = named(provider), provider.get("arguments", {})
    if name in READING:
        return act("", lambda context, _: _read(context, name, arguments))
    return act("", lambda context, _: KNOWN[name].model_validate(arguments).act(context))


def theirs(name: str) -> Callable[..., Any]:
    """Their own function of this full name."""
    home, _, func = name.rpartition(".")
    found: Callable[..., Any] = getattr(import_module(home), func)
    return found


def _read(context: Context, name: str, arguments: dict[str, Any]) -> Any:
    with context.kube.lent_to(import_module(name.rpartition(".")[0])):
        return theirs(name)(**arguments)
