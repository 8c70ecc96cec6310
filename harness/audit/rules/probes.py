"""Do probes see what is broken, in time, and leave alone what is not?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from harness.audit.deployment import (
    AIRFLOW,
    API_SERVER,
    BROKER,
    DAG_PROCESSOR,
    SCHEDULER,
    TRIGGERER,
    WORKER,
    Deployment,
    Json,
    Workload,
    at,
)
from harness.audit.rule import Book, Said, either, unknown
from harness.audit.settings import setting

book = Book()
NEVER_FAILS = re.compile(
    r"^(?:(?:/bin/)?(?:ba|da)?sh -\w*c )?(?:/bin/)?(?:true|:|exit 0|echo\b[^;&|]*|sleep \d+)$|\|\| ?true$"
)
CLI = re.compile(r"\bairflow\b|\bcelery\b")
LONGEST_S = 900.0  # a quarter of an hour without a replacement is no recovery
CLI_S = 10.0  # a start of Airflow's or Celery's command line, on a busy node
START_S = 60.0  # what the chart itself allows for a start
HEALTH = "/monitor/health"


def probe(one: Workload, kind: str) -> Json | None:
    found: Json | None = at(one.main, kind)
    return found


def patience_s(found: Json) -> float:
    """Seconds from the first failure until the kubelet acts, at most: each look waits for its timeout."""
    period, failures = float(found.get("periodSeconds") or 10), float(found.get("failureThreshold") or 3)
    return period * failures + float(found.get("timeoutSeconds") or 1)


def path_of(found: Json) -> str:
    """The path or command line that it asks."""
    return str(at(found, "httpGet.path", "") or " ".join(map(str, at(found, "exec.command", []))))


def _alive(deployment: Deployment, role: str) -> Iterator[Said]:
    for one in deployment.of(role):
        yield either(
            probe(one, "livenessProbe") is not None, one.where, "has a liveness probe", "has no liveness probe"
        )


def _rule(role: str, title: str, outage: str, value: str, experiment: str = "") -> None:
    change = value.replace("%s", "{livenessProbe: {periodSeconds: 20, timeoutSeconds: 20, failureThreshold: 3}}")
    book.rule(f"{role}-no-liveness", title, outage=outage, change=change, experiment=experiment)(
        partial(_alive, role=role)
    )


_rule(
    SCHEDULER,
    "Schedulers with a liveness probe",
    "A scheduler whose loop hangs is Running for ever, and what it had queued waits with it.",
    "scheduler: %s",
    "scheduler-hang",
)
_rule(
    API_SERVER,
    "api-servers with a liveness probe",
    "One that hangs is never replaced.",
    "apiServer: %s",
    "webserver-hang",
)
_rule(
    WORKER,
    "Celery workers with a liveness probe",
    "A worker that hangs, or lost its broker, takes tasks or slots with it and is never replaced.",
    "workers: {celery: %s}",
    "worker-hang",
)
_rule(
    TRIGGERER,
    "Triggerers with a liveness probe",
    "One that hangs is never replaced, and half of the redundancy is gone unseen.",
    "triggerer: %s",
    "triggerer-kill",
)
_rule(
    DAG_PROCESSOR,
    "DAG processors with a liveness probe",
    "One that hangs sees no new DAG, and nobody starts it again.",
    "dagProcessor: %s",
    "dag-processor-hang",
)
_rule(
    BROKER,
    "A broker with a liveness probe",
    "One that hangs is never started again, and no task is handed to a worker until somebody does it by hand.",
    "# a livenessProbe that asks `redis-cli ping` in the StatefulSet (the chart has no value: patch what it renders)",
)


@book.rule(
    "liveness-never-fails",
    "Liveness probes that can fail",
    outage="It says yes whatever the process does, so that what hangs is never replaced.",
    change="scheduler: {livenessProbe: {command: null}}  # the chart's own asks the scheduler's job",
    experiment="scheduler-hang",
)
def _never(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.workloads:
        if found := probe(one, "livenessProbe"):
            asks = path_of(found).strip()
            bad = f"asks {asks[:60]!r}, which is always yes"
            yield either(not NEVER_FAILS.search(asks) or not asks, one.where, "can fail", bad)


@book.rule(
    "liveness-too-patient",
    "Liveness probes that act within a quarter of an hour",
    outage="What hangs stays for longer than anybody waits.",
    change="scheduler: {livenessProbe: {periodSeconds: 20, failureThreshold: 3}}",
    experiment="scheduler-hang",
)
def _patient(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.workloads:
        if found := probe(one, "livenessProbe"):
            took = patience_s(found)
            yield either(
                took <= LONGEST_S, one.where, f"acts within {took:g} s", f"acts after {took:g} s at the latest"
            )


@book.rule(
    "scheduler-outlives-its-job",
    "A hung scheduler is ended about when its peers call it dead",
    outage="Its peers adopt its tasks after the threshold; the probe lets it live on for minutes, and when it "
    "goes on by itself two schedulers hold the same tasks.",
    change="scheduler: {livenessProbe: {periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 5}}",
    experiment="scheduler-hang-resume",
)
def _outlives(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(SCHEDULER):
        found = probe(one, "livenessProbe")
        threshold = setting(deployment, one, "scheduler", "scheduler_health_check_threshold").number
        interval = setting(deployment, one, "scheduler", "orphaned_tasks_check_interval").number
        if found is None or deployment.replicas(SCHEDULER) < 2:
            continue
        if threshold is None or interval is None:
            yield unknown(one.where, "its health threshold or orphan check cannot be read")
            continue
        # A probe that asks for the job's heartbeat starts to fail once the threshold has passed.
        ended, adopted = threshold + patience_s(found), threshold + interval
        told = f"ended {ended:g} s after its last heartbeat, adopted from after {adopted:g} s"
        yield either(ended <= max(adopted, 2 * threshold + 30), one.where, told, told)


@book.rule(
    "probe-starts-a-program",
    "A probe that starts Airflow or Celery has time to",
    outage="On a busy node the start alone outlasts the timeout: healthy pods are ended when they are needed most.",
    change="scheduler: {livenessProbe: {timeoutSeconds: 20}}",
    experiment="scheduler-healthy",
)
def _starts(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(*AIRFLOW):
        for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
            found = probe(one, kind)
            if found and CLI.search(" ".join(map(str, at(found, "exec.command", [])))):
                limit = float(found.get("timeoutSeconds") or 1)
                yield either(
                    limit >= CLI_S, f"{one.where}, {kind}", f"{limit:g} s", f"{limit:g} s for a program to start"
                )


@book.rule(
    "api-server-no-readiness",
    "api-servers with a readiness probe",
    outage="Requests go to a pod that is still starting, or that hangs, and fail.",
    change="apiServer: {readinessProbe: {periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3}}",
    experiment="webserver-rollout",
)
def _ready(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(API_SERVER):
        has = probe(one, "readinessProbe") is not None
        yield either(has, one.where, "has a readiness probe", "has no readiness probe")


@book.rule(
    "api-server-asks-database",
    "api-servers' probes do not ask the database",
    outage="A slow database makes every api-server unready, or restarts them all, at once. (/monitor/health "
    "also answers 200 when it says unhealthy.)",
    change="# path: /api/v2/version in the probes of the Deployment (the chart has no value: patch what it renders)",
    experiment="metadata-db-restart",
)
def _asks_database(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(API_SERVER):
        for kind in ("livenessProbe", "readinessProbe"):
            if found := probe(one, kind):
                asks = path_of(found)
                bad = HEALTH in asks or "check_migrations" in asks or "db check" in asks
                yield either(not bad, f"{one.where}, {kind}", f"asks {asks[:60]}", f"asks {asks[:60]}")


@book.rule(
    "no-time-to-start",
    "A start on a busy node is not taken for a hang",
    outage="After the loss of a node everything starts at once and slowly; liveness ends pods that are only starting, "
    "again and again.",
    change="apiServer: {startupProbe: {periodSeconds: 10, failureThreshold: 30}}",
    experiment="scheduler-kill",
)
def _start(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(*AIRFLOW):
        alive, starts = probe(one, "livenessProbe"), probe(one, "startupProbe")
        if alive is None:
            continue
        first = starts or alive
        allowed = float(first.get("initialDelaySeconds") or 0) + patience_s(first)
        told = f"{allowed:g} s to start"
        yield either(allowed >= START_S, one.where, told, told)
