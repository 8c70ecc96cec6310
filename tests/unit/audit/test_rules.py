"""Each rule finds the defect that it is about, and nothing on a deployment that has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.audit.deployment import Deployment, matches
from harness.audit.rule import Word, examine
from harness.audit.rules import EVERY
from harness.audit.rules.budgets import allowed
from harness.settings import ROOT
from tests.unit.audit import objects

Json = dict[str, Any]
Defect = Callable[[dict[str, Json]], object]


def container(every: dict[str, Json], name: str) -> Json:
    found: Json = every[name]["spec"]["template"]["spec"]["containers"][0]
    return found


def pod_of(every: dict[str, Json], name: str) -> Json:
    found: Json = every[name]["spec"]["template"]["spec"]
    return found


def replicas(name: str, count: int = 1) -> Defect:
    return lambda every: every[name]["spec"].update(replicas=count)


def without(name: str, key: str) -> Defect:
    return lambda every: container(every, name).pop(key)


def given_as(name: str, value: str) -> Defect:
    return lambda every: every["ConfigMap airflow-env"]["data"].update({name: value})


def not_given(name: str) -> Defect:
    return lambda every: every["ConfigMap airflow-env"]["data"].pop(name)


def env(name: str, value: str, *where: str) -> Defect:
    def plant(every: dict[str, Json]) -> None:
        for one in where:
            kept = [e for e in container(every, one)["env"] if e["name"] != name]
            container(every, one)["env"] = [*kept, *([{"name": name, "value": value}] if value else [])]

    return plant


def budget(**changed: object) -> Defect:
    return lambda every: every["PodDisruptionBudget scheduler"]["spec"].update(changed)


def probe(name: str, kind: str, **changed: object) -> Defect:
    return lambda every: container(every, name)[kind].update(changed)


def pooler(every: dict[str, Json]) -> None:
    one = objects.workload("Deployment", "pgbouncer", {"name": "pgbouncer", "image": "airflow-pgbouncer:1"})
    every["Deployment pgbouncer"] = one
    one["spec"]["replicas"] = 1


def all_on_one_node(every: dict[str, Json]) -> None:
    every["Pod scheduler-2"]["spec"]["nodeName"] = "node-1"


def one_zone(every: dict[str, Json]) -> None:
    every["Node node-2"]["metadata"]["labels"] = every["Node node-1"]["metadata"]["labels"]


def chart_secret(every: dict[str, Json]) -> None:
    labels = {"chart": "airflow-1.22.0"}
    every["Secret"] = {"kind": "Secret", "metadata": {"name": "airflow-jwt-secret", "labels": labels}}


def elsewhere(every: dict[str, Json]) -> None:
    every["PodDisruptionBudget old"] = objects.budget("old-name")


DEFECTS: dict[str, Defect] = {
    "scheduler-alone": replicas("Deployment scheduler"),
    "api-server-alone": replicas("Deployment api-server"),
    "worker-alone": replicas("Deployment worker"),
    "triggerer-alone": replicas("Deployment triggerer"),
    "dag-processor-alone": replicas("Deployment dag-processor"),
    "pgbouncer-alone": pooler,
    "broker-alone": replicas("StatefulSet redis"),
    "database-alone": replicas("StatefulSet postgres"),
    "scaled-below-two": lambda every: every["HorizontalPodAutoscaler worker"]["spec"].update(minReplicas=1),
    "on-one-node": all_on_one_node,
    "spread-not-forced": lambda every: pod_of(every, "Deployment worker").pop("topologySpreadConstraints"),
    "service-leaves-out": lambda every: every["EndpointSlice api-server"]["endpoints"].pop(),
    "one-zone": one_zone,
    "budget-missing": lambda every: every.pop("PodDisruptionBudget scheduler"),
    "budget-blocks": budget(maxUnavailable=0),
    "budget-allows-all": budget(maxUnavailable="51%"),
    "budget-selects-nothing": elsewhere,
    "budget-keeps-the-sick": lambda every: every["PodDisruptionBudget worker"]["spec"].pop(
        "unhealthyPodEvictionPolicy"
    ),
    **{
        f"{role}-no-liveness": without(f"Deployment {role}", "livenessProbe")
        for role in ("scheduler", "api-server", "worker", "triggerer", "dag-processor")
    },
    "broker-no-liveness": without("StatefulSet redis", "livenessProbe"),
    "liveness-never-fails": probe("Deployment triggerer", "livenessProbe", exec={"command": ["sh", "-c", "exit 0"]}),
    "liveness-too-patient": probe("Deployment triggerer", "livenessProbe", periodSeconds=300),
    "scheduler-outlives-its-job": probe("Deployment scheduler", "livenessProbe", periodSeconds=60),
    "probe-starts-a-program": probe("Deployment worker", "livenessProbe", timeoutSeconds=3),
    "api-server-no-readiness": without("Deployment api-server", "readinessProbe"),
    "api-server-asks-database": probe(
        "Deployment api-server", "readinessProbe", httpGet={"path": "/api/v2/monitor/health"}
    ),
    "no-time-to-start": without("Deployment api-server", "startupProbe"),
    "worker-grace": lambda every: pod_of(every, "Deployment worker").update(terminationGracePeriodSeconds=30),
    "scheduler-grace": lambda every: pod_of(every, "Deployment scheduler").update(terminationGracePeriodSeconds=10),
    "api-server-no-prestop": without("Deployment api-server", "lifecycle"),
    "api-server-grace": lambda every: pod_of(every, "Deployment api-server").update(terminationGracePeriodSeconds=0),
    "hook-outlasts-grace": lambda every: container(every, "Deployment api-server").update(
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "nginx -s quit; sleep 600; sleep 60"]}}}
    ),
    "dumb-init-forwards": not_given("DUMB_INIT_SETSID"),
    "rollout-takes-all": lambda every: every["Deployment api-server"]["spec"].update(strategy={"type": "Recreate"}),
    "node-loss-noticed-late": lambda every: pod_of(every, "Deployment worker").pop("tolerations"),
    "stateful-workers": lambda every: every["Deployment worker"].update(kind="StatefulSet"),
    "first-to-be-evicted": without("Deployment scheduler", "resources"),
    "jwt-secret-shared": env("AIRFLOW__API_AUTH__JWT_SECRET", "", "Deployment scheduler"),
    "api-secret-shared": env("AIRFLOW__API__SECRET_KEY", "another", "Deployment worker"),
    "fernet-key-shared": env("AIRFLOW__CORE__FERNET_KEY", "another", "Deployment triggerer"),
    "secrets-renewed": chart_secret,
    "execution-api-at-localhost": not_given("AIRFLOW__CORE__EXECUTION_API_SERVER_URL"),
    "no-retries": not_given("AIRFLOW__CORE__DEFAULT_TASK_RETRIES"),
    "heartbeat-timeout-short": given_as("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "20"),
    "heartbeat-timeout-long": given_as("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "300"),
    "orphan-check-late": not_given("AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL"),
    "threshold-near-heartbeat": given_as("AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC", "15"),
    "queued-timeout-late": not_given("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT"),
    "row-locks-off": given_as("AIRFLOW__SCHEDULER__USE_ROW_LEVEL_LOCKING", "False"),
    "acknowledged-early": given_as("AIRFLOW__CELERY__TASK_ACKS_LATE", "False"),
    "visibility-timeout": given_as("AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT", "60"),
    "prefetch": given_as("AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER", "4"),
    "version-without-guards": lambda every: container(every, "Deployment scheduler").update(image="airflow:3.1.3"),
    "broker-forgets": lambda every: every["StatefulSet redis"]["spec"].pop("volumeClaimTemplates"),
    "database-forgets": lambda every: every["StatefulSet postgres"]["spec"].pop("volumeClaimTemplates"),
    "connections": lambda every: container(every, "StatefulSet postgres").update(args=[]),
    "api-server-pool": env("AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE", "5", "Deployment api-server"),
    "node-clocks": lambda every: every["Lease node-2"]["spec"].update(renewTime="2026-11-01T13:00:00Z"),
}


def red(every: dict[str, Json], word: Word = Word.BROKEN) -> set[str]:
    return {one.rule.name for one in examine(EVERY, Deployment(every.values())) if one.said.word is word}


def test_a_whole_deployment_holds_and_every_rule_has_something_to_say_but_that_of_a_pooler() -> None:
    every = objects.deployment()
    said = {one.rule.name for one in examine(EVERY, Deployment(every.values()))}
    assert red(every) == red(every, Word.UNKNOWN) == set()
    assert {rule.name for rule in EVERY} - said == {"pgbouncer-alone", "budget-selects-nothing"}


def test_each_rule_has_a_defect_and_a_name_of_its_own() -> None:
    assert sorted(DEFECTS) == sorted(rule.name for rule in EVERY)
    assert len(EVERY) >= 35


@pytest.mark.parametrize("name", DEFECTS)
def test_the_defect_is_found_by_its_rule(name: str) -> None:
    every = objects.deployment()
    DEFECTS[name](every)
    assert name in red(every)


@pytest.mark.parametrize("name", [rule.name for rule in EVERY if rule.experiment])
def test_the_experiment_that_shows_it_is_there(name: str) -> None:
    shows = next(rule.experiment for rule in EVERY if rule.name == name)
    assert (ROOT / "experiments" / f"{shows}.json").is_file()


def test_what_cannot_be_listed_is_unknown_and_never_held() -> None:
    every = [one for one in objects.deployment().values() if one["kind"] != "PodDisruptionBudget"]
    lacking = Deployment(every, unseen={"PodDisruptionBudget": "403 Forbidden"})
    words = {one.said.word for one in examine(EVERY, lacking) if one.rule.name.startswith("budget-")}
    assert words == {Word.UNKNOWN}


def test_a_setting_that_a_secret_may_hold_is_unknown() -> None:
    every = objects.deployment()
    container(every, "Deployment dag-processor")["envFrom"].append({"secretRef": {"name": "extra"}})
    not_given("AIRFLOW__CORE__DEFAULT_TASK_RETRIES")(every)
    assert "no-retries" in red(every, Word.UNKNOWN)
    assert "no-retries" not in red(every)


@given(replicas=st.integers(0, 20), said=st.integers(0, 20) | st.integers(0, 100).map("{}%".format))
def test_what_a_budget_lets_go_and_what_it_keeps_are_all_there_is(replicas: int, said: int | str) -> None:
    """At most so many may be away, at least so many must stay: the two are the same budget from both ends."""
    away = allowed({"spec": {"maxUnavailable": said}}, replicas)
    assert 0 <= away <= replicas
    if isinstance(said, int):
        assert allowed({"spec": {"minAvailable": replicas - away}}, replicas) == away


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"))


@given(labels=LABELS, wanted=LABELS)
def test_a_selector_takes_what_has_all_its_labels(labels: dict[str, str], wanted: dict[str, str]) -> None:
    assert matches({"matchLabels": wanted}, labels) == (wanted.items() <= labels.items())
    inverse = [{"key": key, "operator": "NotIn", "values": [value]} for key, value in wanted.items()]
    assert matches({"matchExpressions": inverse}, labels) == (not wanted.items() & labels.items())
    assert not matches(None, labels)


@given(data=st.data())
def test_objects_that_lack_anything_are_no_defect_of_ours(data: st.DataObject) -> None:
    """Whatever is cut out of a deployment, each rule still has its say or keeps still."""
    every = objects.deployment()
    for _ in range(data.draw(st.integers(1, 4))):
        thing: Any = every[data.draw(st.sampled_from(sorted(every)))]
        while isinstance(thing, dict) and thing:
            key = data.draw(st.sampled_from(sorted(thing)))
            if key != "kind" and data.draw(st.booleans()):
                del thing[key]
                break
            thing = thing[key]
    list(examine(EVERY, Deployment(every.values())))
