"""Actions for experiments. Each records that it began, what it hit and the proof, and can be undone twice.

A selector is a label selector; `pick` is all, one that the run's seed chooses, one-at-work of those that hold a task,
all-but-one, or of a database or broker the primary, or a standby, as it is right then; `namespace` is Airflow's own
where none is given. Each returns one entry a pod, and fails where nothing was hit.
"""

from __future__ import annotations

from typing import Any, Literal

from chaoslib.exceptions import ActivityFailed

from harness.chaos import (
    backlog,
    child,
    handover,
    hang,
    levels,
    machines,
    network,
    pods,
    release,
    restoring,
    room,
    rotation,
    scale,
    undoing,
)
from harness.chaos.arguments import (
    Change,
    Count,
    Delay,
    Key,
    Name,
    Namespace,
    Others,
    Seconds,
    Selector,
    Setting,
    Tag,
    ThisOne,
    Variable,
)
from harness.chaos.context import act, current
from harness.errors import HarnessError

__all__ = [
    "back_up",
    "close_nodes",
    "crash_pods",
    "cut_off",
    "delete_pods",
    "drain_node",
    "evict_pods",
    "hang_pods",
    "kill_child",
    "kill_pods",
    "load_at",
    "lose_and_restore",
    "overload",
    "pile_up",
    "renew_pods",
    "rotate_secret",
    "scale_pods",
    "stop_announcing_node",
    "stop_node",
    "switch_over",
    "undo",
    "upgrade",
]

Pick = Literal["all", "one", "all-but-one", "one-at-work", "primary", "standby"]
Hits = list[dict[str, Any]]


def kill_pods(
    selector: Selector, pick: Pick = "all", away_s: Delay = 0.0, name: ThisOne = "", namespace: Namespace = ""
) -> Hits:
    """SIGKILL every process of the pods at once, and delete the pods so that others replace them: not on the same nodes
    before `away_s` are over. Of those that the selector finds, the one of this `name`, where one is given."""
    return act(namespace, lambda context, where: pods.kill(context, where, selector, pick, away_s, name=name))


def crash_pods(selector: Selector, pick: Pick = "all", namespace: Namespace = "") -> Hits:
    """SIGKILL every process of the pods, and leave it to the kubelet to start their containers again."""
    return act(namespace, lambda context, where: pods.crash(context, where, selector, pick))


def kill_child(selector: Selector, namespace: Namespace = "") -> Hits:
    """SIGKILL one process that works for its pod, such as one that holds a task, and let the pod live on."""
    return act(namespace, lambda context, where: child.kill_child(context, where, selector))


def delete_pods(selector: Selector, pick: Pick = "all", namespace: Namespace = "") -> Hits:
    """Delete the pods with the grace that they ask for."""
    return act(namespace, lambda context, where: pods.leave(context, where, selector, pick))


def evict_pods(selector: Selector, pick: Pick = "all", namespace: Namespace = "") -> Hits:
    """Evict the pods one right after the other, each asked once: a disruption budget may refuse."""
    return act(namespace, lambda context, where: pods.evict(context, where, selector, pick))


def drain_node(selector: Selector, within_s: Seconds, namespace: Namespace = "") -> Hits:
    """Close the node of one of the pods, and evict all that is the stack's from it, again and again where refused."""
    return act(namespace, lambda context, where: pods.drain(context, where, selector, within_s))


def hang_pods(selector: Selector, hold_s: Seconds, pick: Pick = "one", namespace: Namespace = "") -> Hits:
    """SIGSTOP every process of the pods, and wait until something replaces them, `hold_s` at most."""
    return act(namespace, lambda context, where: hang.hang(context, where, selector, pick, hold_s))


def renew_pods(selector: Selector, namespace: Namespace = "") -> Hits:
    """Roll the Deployment of the pods, and wait until every old one is gone."""
    return act(namespace, lambda context, where: scale.renew(context, where, selector))


def rotate_secret(secret: Name, key: Key, within_s: Seconds, namespace: Namespace = "") -> Hits:
    """Put another value into a Secret that signs tokens, roll all that read it, and wait `within_s` until every old pod
    is gone. The undo rolls what is not rolled yet; the old value does not come back."""
    return act(namespace, lambda context, where: rotation.rotate(context, where, secret, key, within_s))


def upgrade(tag: Tag, within_s: Seconds, namespace: Namespace = "") -> Hits:
    """Have all that runs Airflow run its image with this tag, as `helm upgrade` does it: all pods are replaced, and a
    Job migrates the database, which the new ones wait for. The undo ends what was begun; there is no way back."""
    return act(namespace, lambda context, where: release.upgrade(context, where, tag, within_s))


def scale_pods(selector: Selector, by: Change, namespace: Namespace = "") -> Hits:
    """Make the pods more, and wait until they are Ready; or fewer, and wait until those are gone."""
    return act(namespace, lambda context, where: scale.scale(context, where, selector, by))


def stop_node(
    selector: Selector, hold_s: Seconds, pick: Pick = "one", node: ThisOne = "", namespace: Namespace = ""
) -> Hits:
    """Switch off the node of one of the pods for `hold_s`, this very `node` where one is given; the undo switches it
    on."""
    return act(namespace, lambda context, where: machines.switch_off(context, where, selector, pick, hold_s, node=node))


def stop_announcing_node(service: Name, hold_s: Seconds, namespace: Namespace = "") -> Hits:
    """Switch off the node that announces the address of a Service of type LoadBalancer for `hold_s`."""
    return act(namespace, lambda context, where: machines.switch_off_announcer(context, where, service, hold_s))


def close_nodes(selector: Selector, hold_s: Seconds, namespace: Namespace = "") -> Hits:
    """Let no node take a new pod for `hold_s`; pods of the selector that wait meanwhile are hit."""
    return act(namespace, lambda context, where: room.close_nodes(context, where, selector, hold_s))


def cut_off(
    selector: Selector,
    peers: Selector,
    hold_s: Seconds,
    pick: Pick = "one",
    namespace: Namespace = "",
    also: Others = "",
    also_in: Namespace = "",
) -> Hits:
    """Drop all packets between the pods and those that `peers` selects for `hold_s`, and those that `also` does in the
    namespace `also_in`, such as the cluster's own server; the undo ends it."""
    side = network.Peers(peers, also, also_in)
    return act(namespace, lambda context, where: network.cut_off(context, where, selector, pick, side, hold_s))


def switch_over(selector: Selector, within_s: Seconds, namespace: Namespace = "") -> Hits:
    """Ask the primary of the database to hand over to a standby, as Patroni does it, and wait until that is the
    primary, `within_s` at most."""
    return act(namespace, lambda context, where: handover.switch_over(context, where, selector, within_s))


def back_up(selector: Selector, within_s: Seconds, namespace: Namespace = "") -> list[str]:
    """Take a base backup of the one database of the selector, within `within_s`: for the loss that follows, and no
    fault by itself."""
    return act(namespace, lambda context, where: restoring.back_up(context, where, selector, within_s))


def lose_and_restore(
    selector: Selector, watch_s: Seconds, hold_s: Seconds, within_s: Seconds, namespace: Namespace = ""
) -> Hits:
    """Look for `watch_s` at where the log of the one database of the selector is; kill it, remove all of its files, and
    `hold_s` later restore this run's backup and the log in the archive. All that is over `within_s` after the blow."""
    course = restoring.Course(watch_s, hold_s, within_s)
    return act(namespace, lambda context, where: restoring.lose_and_restore(context, where, selector, course))


def load_at(
    selector: Selector, variable: Variable, value: Setting, runs: Count, within_s: Seconds, namespace: Namespace = ""
) -> Hits:
    """Replace the pods by such that have an environment variable set so, then ask for DAG runs and wait for them."""
    level = levels.Level(variable, value, runs, within_s)
    return act(namespace, lambda context, where: levels.load_at(context, where, selector, level))


def overload(
    selector: Selector, runs: Count, queue_time_s: Seconds, within_s: Seconds, namespace: Namespace = ""
) -> Hits:
    """Ask for so many DAG runs at once that tasks wait; then wait until pods were added for them, and went again."""
    surge = backlog.Surge(runs, queue_time_s, within_s)
    return act(namespace, lambda context, where: backlog.overload(context, where, selector, surge))


def pile_up(runs: Count, namespace: Namespace = "") -> list[str]:
    """Ask for so many DAG runs at once, and go on: a load for the fault that follows, and none by itself."""
    return act(namespace, lambda context, _: backlog.pile_up(context, runs))


def undo() -> list[str]:
    """Undo every fault of this run that is not undone yet, and return their ids."""
    try:
        return undoing.undo_all(current())
    except HarnessError as cause:
        raise ActivityFailed(str(cause)) from cause
