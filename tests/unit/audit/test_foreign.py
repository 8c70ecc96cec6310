"""What a deployment of the official chart can look like, and ours never does: what rules must not mistake there."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from harness.audit.deployment import POOLER, Deployment, role_of
from harness.audit.rule import Said, Word, examine
from harness.audit.rules import EVERY
from tests.unit.audit import objects

Json = dict[str, Any]
# The values of chart 1.22.0 that the changes may name, from its values.yaml. What lies below `config` is Airflow's own.
COMPONENTS = ("apiServer", "scheduler", "dagProcessor", "triggerer", "pgbouncer", "workers.celery")
VALUES = {
    "airflowVersion",
    "apiSecretKeySecretName",
    "config",
    "defaultAirflowTag",
    "fernetKeySecretName",
    "jwtSecretName",
    "pgbouncer.enabled",
    "pgbouncer.maxClientConn",
    "pgbouncer.metadataPoolSize",
    "postgresql.enabled",
    "postgresql.primary.persistence.enabled",
    "redis.enabled",
    "redis.persistence.enabled",
    "scheduler.livenessProbe.command",
    "triggerer.persistence.enabled",
    "workers.celery.persistence.enabled",
    "workers.celery.keda.minReplicaCount",
    *(f"{one}.replicas" for one in COMPONENTS),
    *(f"{one}.podDisruptionBudget" for one in COMPONENTS),
    *(f"{one}.resources" for one in COMPONENTS),
    *(f"{one}.tolerations" for one in COMPONENTS),
    *(f"{one}.topologySpreadConstraints" for one in COMPONENTS),
    *(f"{one}.containerLifecycleHooks" for one in COMPONENTS),
    *(f"{one}.env" for one in COMPONENTS),
    *(
        f"{one}.{kind}.{key}"
        for one in COMPONENTS
        for kind in ("livenessProbe", "readinessProbe", "startupProbe")
        for key in ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold")
        if kind == "livenessProbe" or one == "apiServer" or (one, kind) == ("scheduler", "startupProbe")
    ),
    "apiServer.strategy",
    "scheduler.terminationGracePeriodSeconds",
    "workers.celery.terminationGracePeriodSeconds",
}


def said(every: dict[str, Json], rule: str, release: str = "") -> list[Said]:
    found = examine(EVERY, Deployment(every.values(), release=release))
    return [one.said for one in found if one.rule.name == rule]


def words(every: dict[str, Json], rule: str) -> set[Word]:
    return {one.word for one in said(every, rule)}


def beside(every: dict[str, Json], name: str, other: str, args: str) -> None:
    """Another Deployment like the one of this name, with one replica, whose program gets these words too."""
    one = copy.deepcopy(every[f"Deployment {name}"])
    one["metadata"]["name"] = other
    one["spec"]["replicas"] = 1
    container = one["spec"]["template"]["spec"]["containers"][0]
    container["args"] = [*container["args"][:-1], f"{container['args'][-1]} {args}"]
    every[f"Deployment {other}"] = one


@pytest.mark.parametrize(
    ("name", "args"), [("worker", "-q highcpu"), ("worker", "--queues=gpu"), ("api-server", "--apps execution")]
)
def test_who_does_other_work_stands_in_for_nobody(name: str, args: str) -> None:
    """A worker of a set of its own, and the api-server for tasks alone: both run the program of the others."""
    every = objects.deployment()
    beside(every, name, "other", args)
    assert {(one.where, one.word) for one in said(every, f"{name}-alone")} == {
        (f"Deployment {name}", Word.HOLDS),
        ("Deployment other", Word.BROKEN),
    }


def test_two_of_the_same_work_stand_in_for_each_other() -> None:
    every = objects.deployment()
    beside(every, "worker", "one", "-q highcpu")
    beside(every, "worker", "two", "-q highcpu")
    assert words(every, "worker-alone") == {Word.HOLDS}


@pytest.mark.parametrize(("least", "word"), [(0, Word.BROKEN), (1, Word.BROKEN), (2, Word.HOLDS)])
def test_what_an_autoscaler_scales_has_as_many_as_that_keeps(least: int, word: Word) -> None:
    """Where there is one, the chart renders no number of replicas at all; Kubernetes would make that one."""
    every = objects.deployment()
    del every["Deployment worker"]["spec"]["replicas"]
    every["HorizontalPodAutoscaler worker"] = {
        "kind": "ScaledObject",
        "metadata": {"name": "worker", "namespace": "airflow"},
        "spec": {"minReplicaCount": least, "scaleTargetRef": {"name": "worker"}},
    }
    assert words(every, "worker-alone") == words(every, "scaled-below-two") == {word}


@pytest.mark.parametrize(
    ("args", "data", "word"),
    [
        (["--requirepass", "$(REDIS_PASSWORD)"], "", Word.BROKEN),
        (["--appendonly", "no"], "", Word.BROKEN),
        (["--appendonly", "yes"], "", Word.HOLDS),
        (["/etc/redis/redis.conf"], "appendonly yes", Word.HOLDS),
        (["/etc/redis/redis.conf"], "maxmemory 1gb", Word.UNKNOWN),
    ],
)
def test_a_volume_alone_keeps_no_message(args: list[str], data: str, word: Word) -> None:
    """The chart's Redis has a volume and writes it every few minutes: what came since is lost with a kill."""
    every = objects.deployment()
    pod = every["StatefulSet redis"]["spec"]["template"]["spec"]
    pod["containers"][0] |= {"command": ["redis-server"], "args": args}
    pod["volumes"] = [{"name": "conf", "configMap": {"name": "redis-conf"}}]
    every["ConfigMap redis-conf"] = {
        "kind": "ConfigMap",
        "metadata": {"name": "redis-conf", "namespace": "airflow"},
        "data": {"redis.conf": data},
    }
    assert words(every, "broker-forgets") == {word}


def pooler(every: dict[str, Json], volume: Json) -> None:
    image = "apache/airflow:airflow-pgbouncer-2026.04.17-1.23.1"
    one = objects.workload(
        "Deployment", "etl-pool", {"image": image, "command": ["pgbouncer", "-u", "nobody", "a.ini"]}
    )
    one["spec"]["template"]["spec"]["volumes"] = [volume]
    every["Deployment etl-pool"] = one


@pytest.mark.parametrize(("most", "word"), [(100, Word.BROKEN), (1000, Word.HOLDS)])
def test_a_pooler_must_take_all_clients(most: int, word: Word) -> None:
    """Of two poolers each must take them all: two api-servers, schedulers, DAG processors and triggerers, 50 each."""
    every = objects.deployment()
    pooler(every, {"name": "config", "configMap": {"name": "pool"}})
    every["ConfigMap pool"] = {
        "kind": "ConfigMap",
        "metadata": {"name": "pool", "namespace": "airflow"},
        "data": {"pgbouncer.ini": f"[pgbouncer]\nmax_client_conn = {most}\n"},
    }
    assert words(every, "connections") == {word}
    assert "400 clients" in said(every, "connections")[0].what


def test_a_pooler_whose_secret_says_how_many_it_takes_is_unknown() -> None:
    """As the chart has it. Before, a pooler was taken for an answer."""
    every = objects.deployment()
    pooler(every, {"name": "config", "secret": {"secretName": "etl-pgbouncer-config"}})
    (one,) = said(every, "connections")
    assert one.word is Word.UNKNOWN
    assert "Secret etl-pgbouncer-config" in one.what


def test_the_charts_pooler_is_known_by_its_program() -> None:
    """Its image is a tag of Airflow's."""
    assert role_of({"image": "apache/airflow:airflow-pgbouncer-1", "command": ["/usr/bin/pgbouncer"]}) == POOLER
    assert role_of({"image": "apache/airflow:airflow-pgbouncer-exporter-1"}) == ""


def test_a_budget_of_what_is_not_airflows_selects_something() -> None:
    """From a file, where there are no pods: a budget of StatsD or of anything else in it."""
    every = objects.deployment()
    every["Deployment statsd"] = objects.workload("Deployment", "statsd", {"image": "statsd-exporter:1"})
    every["PodDisruptionBudget statsd"] = objects.budget("statsd")
    assert words(every, "budget-selects-nothing") == set()


def test_two_releases_in_one_namespace_are_two_deployments() -> None:
    """One scheduler each would be taken for two."""
    every = objects.deployment()
    for one in list(every.values()):
        if one["kind"] == "Deployment":
            other = copy.deepcopy(one)
            for labels in (other["metadata"]["labels"], other["spec"]["template"]["metadata"]["labels"]):
                labels["release"] = "etl"
            other["metadata"]["name"] = f"etl-{one['metadata']['name']}"
            other["spec"]["replicas"] = 1
            every[f"Deployment {other['metadata']['name']}"] = other
    assert Deployment(every.values()).releases == ("airflow", "etl")
    assert {one.word for one in said(every, "scheduler-alone", "etl")} == {Word.BROKEN}
    assert {one.word for one in said(every, "scheduler-alone", "airflow")} == {Word.HOLDS}
    etl = Deployment(every.values(), release="etl")
    assert etl.releases == ("etl",)
    assert not list(etl.of("broker"))


def test_retries_are_those_of_whoever_reads_the_dags() -> None:
    every = objects.deployment()
    container = every["Deployment dag-processor"]["spec"]["template"]["spec"]["containers"][0]
    container["env"].append({"name": "AIRFLOW__CORE__DEFAULT_TASK_RETRIES", "value": "0"})
    assert words(every, "no-retries") == {Word.BROKEN}
    del every["Deployment dag-processor"]
    assert words(every, "no-retries") == {Word.HOLDS}


def leaves(value: object, path: str = "") -> set[str]:
    if path in VALUES or not isinstance(value, dict):
        return {path}
    return {leaf for key, below in value.items() for leaf in leaves(below, f"{path}.{key}".lstrip("."))}


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.name)
def test_each_change_is_of_the_charts_values(rule: Any) -> None:
    """Helm refuses a value that the chart does not know; where it has none, the change says so in a comment."""
    change = yaml.safe_load(rule.change)
    assert (leaves(change) if change else set()) <= VALUES
    assert change or rule.change.startswith("# ")
