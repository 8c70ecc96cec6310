"""How pods end: with their node, in a rollout, or because they are asked to."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from harness.audit.deployment import AIRFLOW, API_SERVER, SCHEDULER, WORKER, Deployment, Json, Workload, at
from harness.audit.rule import Book, Said, broken, either, holds, unknown
from harness.audit.rules.budgets import count
from harness.audit.settings import setting, variable

book = Book()
KUBERNETES_S = 300.0  # tolerationSeconds that Kubernetes itself gives for a node that is away
SOON_S = 60.0
AWAY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
LOCAL = "LocalExecutor"
SCHEDULER_S = 15.0  # it takes 1 to 3 s on a quiet machine; five times that on a busy one
SLEEP = re.compile(r"\bsleep (\d+)\b")


@book.rule(
    "worker-grace",
    "Workers have time for their longest task",
    outage="A drain, a rollout or a scale-in kills tasks that are at work: they are retried, or lost where "
    "there are no retries.",
    change="workers: {celery: {terminationGracePeriodSeconds: 600}}  # your longest task",
    experiment="worker-term",
)
def _worker(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(WORKER):
        longest = deployment.longest_task_s
        told = f"{one.grace_s:g} s of grace, {longest:g} s for the longest task"
        yield either(one.grace_s >= longest, one.where, told, told)


@book.rule(
    "scheduler-grace",
    "A scheduler has time to hand over its work",
    outage="A scheduler that is asked to end asks for the states of all that it sent, and ends its job; with "
    "LocalExecutor it waits for its tasks. Short grace turns that into SIGKILL, and its job stays RUNNING until its "
    "peers notice.",
    change="scheduler: {terminationGracePeriodSeconds: 30}",
    experiment="scheduler-evict",
)
def _scheduler(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(SCHEDULER):
        executor = setting(deployment, one, "core", "executor").value or ""
        needed = deployment.longest_task_s if LOCAL in executor else SCHEDULER_S
        told = f"{one.grace_s:g} s of grace, {needed:g} s needed with {executor or 'its executor'}"
        yield either(one.grace_s >= needed, one.where, told, told)


@book.rule(
    "api-server-no-prestop",
    "api-servers go on serving while they are taken out of the Service",
    outage="In every rollout and drain some requests go to a server that no longer accepts any.",
    change="apiServer: {containerLifecycleHooks: {preStop: {sleep: {seconds: 5}}}}",
    experiment="webserver-rollout",
)
def _prestop(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(API_SERVER):
        yield either(bool(at(one.main, "lifecycle.preStop")), one.where, "has a preStop hook", "has no preStop hook")


@book.rule(
    "api-server-grace",
    "api-servers have time to finish what they answer",
    outage="Requests that are under way are cut in every rollout.",
    change="# terminationGracePeriodSeconds: 40 in the Deployment (the chart has no value: 30 s, Kubernetes' own)",
    experiment="webserver-rollout",
)
def _api_grace(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(API_SERVER):
        told = f"{one.grace_s:g} s of grace"
        yield either(one.grace_s >= 10, one.where, told, told)


@book.rule(
    "hook-outlasts-grace",
    "A preStop hook ends within the grace period",
    outage="The grace period runs while the hook does: what it waits for is cut off, and a program that the hook did "
    "not ask to end is killed without being asked.",
    change="pgbouncer: {containerLifecycleHooks: {preStop: {exec: {command: [sh, -c, "
    "'killall -INT pgbouncer; sleep 20']}}}}",
)
def _hook(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.workloads:
        for container in at(one.pod, "containers", []):
            if (takes := _hook_s(container)) is not None:
                told = f"its preStop hook takes {takes:g} s, of {one.grace_s:g} s of grace"
                yield either(takes < one.grace_s, one.where, told, told)


def _hook_s(container: Json) -> float | None:
    """How long the hook waits, if it says so."""
    hook = at(container, "lifecycle.preStop", {})
    if (slept := at(hook, "sleep.seconds")) is not None:
        return float(slept)
    found = SLEEP.findall(" ".join(map(str, at(hook, "exec.command", []))))
    return float(sum(map(int, found))) if found else None


@book.rule(
    "dumb-init-forwards",
    "SIGTERM reaches the worker alone",
    outage="dumb-init passes the signal on to the tasks too: a warm shutdown kills what it should wait for.",
    change="workers: {celery: {env: [{name: DUMB_INIT_SETSID, value: '0'}]}}",
    experiment="worker-term",
)
def _dumb_init(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(WORKER):
        if at(one.main, "command") and "dumb-init" not in one.words:
            yield holds(one.where, "its command replaces the image's entrypoint")
            continue
        found = variable(deployment, one, "DUMB_INIT_SETSID")
        if found is not None and found.value is None:
            yield unknown(one.where, f"DUMB_INIT_SETSID is in {found.source}")
        else:
            value = found.value if found else "unset"
            yield either(value == "0", one.where, "DUMB_INIT_SETSID is 0", f"DUMB_INIT_SETSID is {value}")


@book.rule(
    "rollout-takes-all",
    "A rollout keeps replicas Ready",
    outage="Each upgrade is an outage: the old ones go before the new ones are Ready.",
    change="apiServer: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}}",
    experiment="webserver-rollout",
)
def _rollout(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(*AIRFLOW):
        if one.kind == "Deployment" and one.replicas >= 2:
            yield _rolls(one)


def _rolls(one: Workload) -> Said:
    if at(one.raw, "spec.strategy.type", "RollingUpdate") == "Recreate":
        return broken(one.where, "Recreate: all go first")
    most = at(one.raw, "spec.strategy.rollingUpdate.maxUnavailable", "25%")
    away = count(most, one.replicas, math.floor)  # Kubernetes rounds this share down
    return either(
        away < one.replicas, one.where, f"at most {away} of {one.replicas} away", f"all {one.replicas} may go"
    )


@book.rule(
    "node-loss-noticed-late",
    "Pods of a dead node are replaced within a minute",
    outage="Kubernetes waits five minutes before it gives up the pods of a node that does not answer.",
    change="scheduler: {tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, "
    "tolerationSeconds: 10}, {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, "
    "tolerationSeconds: 10}]}",
    experiment="worker-node-kill",
)
def _node_loss(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(*AIRFLOW):
        waits = max(_waits(one, key) for key in AWAY)
        yield either(waits <= SOON_S, one.where, f"{waits:g} s", f"{waits:g} s until they are replaced")


def _waits(one: Workload, key: str) -> float:
    for found in at(one.pod, "tolerations", []):
        takes = found.get("key") in (key, None) and found.get("effect") in ("NoExecute", None, "")
        if takes and found.get("operator", "Equal") in ("Exists", "Equal"):
            seconds = found.get("tolerationSeconds")
            return float("inf") if seconds is None else float(seconds)
    return KUBERNETES_S


@book.rule(
    "stateful-workers",
    "Workers of a dead node are replaced",
    outage="A StatefulSet does not replace a pod while its dead node is still listed: that worker is away until "
    "somebody removes the node.",
    change="{workers: {celery: {persistence: {enabled: false}}}, triggerer: {persistence: {enabled: false}}}  # makes "
    "Deployments of them; log remotely",
    experiment="worker-node-kill",
)
def _stateful(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(*AIRFLOW):
        yield either(one.kind == "Deployment", one.where, "a Deployment", "a StatefulSet")


@book.rule(
    "first-to-be-evicted",
    "Pods ask for the memory that they need",
    outage="Pods that request nothing are ended first when a node runs short of memory: all of Airflow at once.",
    change="scheduler: {resources: {requests: {cpu: 200m, memory: 512Mi}}}",
)
def _requests(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(*AIRFLOW):
        asked = at(one.main, "resources.requests.memory") or at(one.main, "resources.limits.memory")
        yield either(asked is not None, one.where, f"asks for {asked}", "asks for no memory")
