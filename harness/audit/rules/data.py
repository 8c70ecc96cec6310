"""What everything depends on: the database, its connections, the broker, and clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from harness.audit.deployment import (
    API_SERVER,
    BROKER,
    DAG_PROCESSOR,
    DATABASE,
    POOLER,
    SCHEDULER,
    TRIGGERER,
    Deployment,
    Workload,
    at,
)
from harness.audit.rule import Book, Said, broken, either, holds, unknown
from harness.audit.settings import setting

book = Book()
POSTGRES = 100.0  # max_connections, unless it is set
THREADS = 40.0  # that an api-server answers on, each with a connection (Starlette's own limit)
LEASE_S = 40.0  # a kubelet renews its Lease every 10 s and is given up after 40 s
AHEAD_S = 2.0
UNREAD = "the size of its pool cannot be read"
MOST = re.compile(r"max_connections\s*[= ]\s*(\d+)")
CLIENTS = re.compile(r"max_client_conn\s*=\s*(\d+)")
APPENDS = re.compile(r"\bappendonly[\"',\s]+yes\b")
CHART_CLIENTS = 100  # max_client_conn of the chart's PgBouncer, unless it is set


def _volume(one: Workload) -> bool:
    claimed = {str(at(c, "metadata.name")) for c in at(one.raw, "spec.volumeClaimTemplates", [])}
    claimed |= {str(v.get("name")) for v in at(one.pod, "volumes", []) if at(v, "persistentVolumeClaim")}
    return any(str(mount.get("name")) in claimed for mount in at(one.main, "volumeMounts", []))


@book.rule(
    "broker-forgets",
    "The broker keeps what it was told",
    outage="A killed broker loses every task that waits in it, until each has timed out in the queue. Redis without "
    "appendonly writes its volume when it is asked to end, else only every few minutes.",
    change="redis: {persistence: {enabled: true}}  # the chart has no value for appendonly: a broker of your own has, "
    "with redis: {enabled: false} and data.brokerUrl",
    experiment="broker-restart",
)
def _broker(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(BROKER):
        text, _ = deployment.mounted(one)
        if not _volume(one):
            yield broken(one.where, "not on a volume")
        elif "rabbitmq" in str(one.main.get("image", "")) or APPENDS.search(f"{one.words}\n{text}"):
            yield holds(one.where, "on a volume, which gets each message as it comes")
        elif "redis-server" in one.words and ".conf" not in one.words:
            yield broken(one.where, "on a volume, but without appendonly")
        else:
            yield unknown(one.where, "on a volume; whether with appendonly cannot be read")


@book.rule(
    "database-forgets",
    "The database keeps what it was told",
    outage="When its pod dies, every DAG run ever made is lost.",
    change="postgresql: {primary: {persistence: {enabled: true}}}",
    experiment="metadata-db-restart",
)
def _database(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(DATABASE):
        yield either(_volume(one), one.where, "on a volume", "not on a volume")


def _pool_size(deployment: Deployment, one: Workload) -> tuple[float, float] | None:
    """The size of its pool, and how far it may overflow; None if they cannot be read."""
    size, over = (
        setting(deployment, one, "database", f"sql_alchemy_{name}").number for name in ("pool_size", "max_overflow")
    )
    return None if size is None or over is None else (size, over)


@book.rule(
    "connections",
    "The database, or the pooler in front of it, has a connection for everybody",
    outage="Under load, or when everything starts at once after a fault, some are refused: schedulers and "
    "api-servers fail together.",
    change="pgbouncer: {enabled: true, maxClientConn: 1000, metadataPoolSize: 40}",
    experiment="metadata-db-restart",
)
def _connections(deployment: Deployment) -> Iterator[Said]:
    front = list(deployment.of(POOLER)) or list(deployment.of(DATABASE))
    if not front:
        return
    wanted = 0.0
    for one in deployment.of(API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER):
        pool = _pool_size(deployment, one)
        if pool is None:
            yield unknown(one.where, UNREAD)
            return
        wanted += one.replicas * (pool[0] + max(0.0, pool[1]))
    for one in front:
        yield (_clients if one.role == POOLER else _servers)(deployment, one, wanted)


def _servers(_: Deployment, one: Workload, wanted: float) -> Said:
    found = MOST.search(one.words)
    most = float(found.group(1)) if found else POSTGRES
    told = f"{wanted:g} may be wanted, and there are {most:g}"
    return either(wanted <= most, one.where, told, told)


def _clients(deployment: Deployment, one: Workload, wanted: float) -> Said:
    """One pooler must take all clients while another is away."""
    text, secrets = deployment.mounted(one)
    found = CLIENTS.search(text)
    if found is None:
        source = f"Secret {', '.join(secrets)}" if secrets else "what cannot be seen"
        told = f"{wanted:g} clients may come; max_client_conn is in {source} (the chart's own is {CHART_CLIENTS})"
        return unknown(one.where, told)
    most = float(found.group(1)) * max(1, one.replicas - 1)
    told = f"{wanted:g} clients may come, {most:g} are taken with one pooler away"
    return either(wanted <= most, one.where, told, told)


@book.rule(
    "api-server-pool",
    "An api-server has a connection for each of its threads",
    outage="Under load threads wait for connections that only threads can give back: the server hangs, and its "
    "probe ends it.",
    change="config: {database: {sql_alchemy_pool_size: 40, sql_alchemy_max_overflow: 20}}  # and with PgBouncer "
    "pgbouncer: {maxClientConn: 1000, metadataPoolSize: 40}",
    experiment="webserver-kill",
)
def _pool(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(API_SERVER):
        pool = _pool_size(deployment, one)
        if pool is None:
            yield unknown(one.where, UNREAD)
            continue
        size, over = pool
        told = f"{size:g} connections and {over:g} beyond, for {THREADS:g} threads"
        yield either(over < 0 or size + over >= THREADS, one.where, told, told)


@book.rule(
    "node-clocks",
    "Clocks of the nodes agree",
    outage="Heartbeats from the future or the past: live schedulers and tasks are called dead, and tokens are refused.",
    change="# run a time service on every node",
    reads=("Lease",),
)
def _clocks(deployment: Deployment) -> Iterator[Said]:
    """A kubelet writes its own time into its Lease; `now` is the cluster's time when it was asked."""
    now = next((_time(at(one, "now")) for one in deployment.every("Moment")), None)
    for lease in deployment.every("Lease"):
        renewed = _time(at(lease, "spec.renewTime"))
        if now is None or renewed is None or at(lease, "metadata.namespace") != "kube-node-lease":
            continue
        behind = (now - renewed).total_seconds()
        fine = -AHEAD_S <= behind <= LEASE_S
        told = f"its last sign of life is {behind:.0f} s old by the cluster's clock"
        yield either(fine, f"Node {at(lease, 'metadata.name')}", told, told)


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
