"""Actions for experiments. Each records that it began, what it hit and the proof, and can be undone twice.

A selector is a label selector; `pick` is all, one that the run's seed chooses, one-at-work of those that hold a task,
or all-but-one; `namespace` is Airflow's own where none is given. Each returns one entry a pod, and fails where nothing
was hit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from chaoslib.exceptions import ActivityFailed

from harness.chaos import backlog, child, hang, levels, machines, network, pods, room, scale, undoing
from harness.chaos.arguments import Change, Count, Delay, Name, Namespace, Seconds, Selector, Setting, Variable
from harness.chaos.context import Context, current
from harness.errors import FaultRefused, HarnessError

Pick = Literal["all", "one", "all-but-one", "one-at-work"]
Hits = list[dict[str, Any]]
T = TypeVar("T")


def kill_pods(selector: Selector, pick: Pick = "all", away_s: Delay = 0.0, namespace: Namespace = "") -> Hits:
    """SIGKILL every process of the pods at once, and delete the pods so that others replace them: not on the same nodes
    before `away_s` are over."""
    return _act(namespace, lambda context, where: pods.kill(context, where, selector, pick, away_s))


def crash_pods(selector: Selector, pick: Pick = "all", namespace: Namespace = "") -> Hits:
    """SIGKILL every process of the pods, and leave it to the kubelet to start their containers again."""
    return _act(namespace, lambda context, where: pods.crash(context, where, selector, pick))


def kill_child(selector: Selector, namespace: Namespace = "") -> Hits:
    """SIGKILL one process that works for its pod, such as one that holds a task, and let the pod live on."""
    return _act(namespace, lambda context, where: child.kill_child(context, where, selector))


def delete_pods(selector: Selector, pick: Pick = "all", namespace: Namespace = "") -> Hits:
    """Delete the pods with the grace that they ask for."""
    return _act(namespace, lambda context, where: pods.leave(context, where, selector, pick))


def evict_pods(selector: Selector, pick: Pick = "all", namespace: Namespace = "") -> Hits:
    """Evict the pods one right after the other, each asked once: a disruption budget may refuse."""
    return _act(namespace, lambda context, where: pods.evict(context, where, selector, pick))


def drain_node(selector: Selector, within_s: Seconds, namespace: Namespace = "") -> Hits:
    """Close the node of one of the pods, and evict all that is the stack's from it, again and again where refused."""
    return _act(namespace, lambda context, where: pods.drain(context, where, selector, within_s))


def hang_pods(selector: Selector, hold_s: Seconds, pick: Pick = "one", namespace: Namespace = "") -> Hits:
    """SIGSTOP every process of the pods, and wait until something replaces them, `hold_s` at most."""
    return _act(namespace, lambda context, where: hang.hang(context, where, selector, pick, hold_s))


def renew_pods(selector: Selector, namespace: Namespace = "") -> Hits:
    """Roll the Deployment of the pods, and wait until every old one is gone."""
    return _act(namespace, lambda context, where: scale.renew(context, where, selector))


def scale_pods(selector: Selector, by: Change, namespace: Namespace = "") -> Hits:
    """Make the pods more, and wait until they are Ready; or fewer, and wait until those are gone."""
    return _act(namespace, lambda context, where: scale.scale(context, where, selector, by))


def stop_node(selector: Selector, hold_s: Seconds, pick: Pick = "one", namespace: Namespace = "") -> Hits:
    """Switch off the node of one of the pods for `hold_s`; the undo switches it on."""
    return _act(namespace, lambda context, where: machines.switch_off(context, where, selector, pick, hold_s))


def stop_announcing_node(service: Name, hold_s: Seconds, namespace: Namespace = "") -> Hits:
    """Switch off the node that announces the address of a Service of type LoadBalancer for `hold_s`."""
    return _act(namespace, lambda context, where: machines.switch_off_announcer(context, where, service, hold_s))


def close_nodes(selector: Selector, hold_s: Seconds, namespace: Namespace = "") -> Hits:
    """Let no node take a new pod for `hold_s`; pods of the selector that wait meanwhile are hit."""
    return _act(namespace, lambda context, where: room.close_nodes(context, where, selector, hold_s))


def cut_off(
    selector: Selector, peers: Selector, hold_s: Seconds, pick: Pick = "one", namespace: Namespace = ""
) -> Hits:
    """Drop all packets between the pods and those that `peers` selects for `hold_s`; the undo ends it."""
    return _act(namespace, lambda context, where: network.cut_off(context, where, selector, pick, peers, hold_s))


def load_at(
    selector: Selector, variable: Variable, value: Setting, runs: Count, within_s: Seconds, namespace: Namespace = ""
) -> Hits:
    """Replace the pods by such that have an environment variable set so, then ask for DAG runs and wait for them."""
    level = levels.Level(variable, value, runs, within_s)
    return _act(namespace, lambda context, where: levels.load_at(context, where, selector, level))


def overload(
    selector: Selector, runs: Count, queue_time_s: Seconds, within_s: Seconds, namespace: Namespace = ""
) -> Hits:
    """Ask for so many DAG runs at once that tasks wait; then wait until pods were added for them, and went again."""
    surge = backlog.Surge(runs, queue_time_s, within_s)
    return _act(namespace, lambda context, where: backlog.overload(context, where, selector, surge))


def pile_up(runs: Count, namespace: Namespace = "") -> list[str]:
    """Ask for so many DAG runs at once, and go on: a load for the fault that follows, and none by itself."""
    return _act(namespace, lambda context, _: backlog.pile_up(context, runs))


def undo() -> list[str]:
    """Undo every fault of this run that is not undone yet, and return their ids."""
    try:
        return undoing.undo_all(current())
    except HarnessError as cause:
        raise ActivityFailed(str(cause)) from cause


def _act(namespace: str, do: Callable[[Context, str], T]) -> T:
    context = current()
    try:
        return do(context, namespace or context.settings.namespace)
    except FaultRefused as cause:
        context.stop("guard", str(cause))
        raise ActivityFailed(str(cause)) from cause
    except HarnessError as cause:
        raise ActivityFailed(str(cause)) from cause
