"""Where a setting of Airflow comes from, in the order in which Airflow itself looks."""

from __future__ import annotations

from typing import Any

from harness.audit.deployment import Deployment
from harness.audit.settings import setting
from tests.unit.audit import objects

CONFIG = "[core]\ndefault_task_retries = 7\nfernet_key = %(a)s\n"


def deployed(**changed: Any) -> Deployment:
    """A scheduler alone, with this in its container."""
    one = objects.airflow("scheduler")
    container = one["spec"]["template"]["spec"]["containers"][0]
    container |= {"env": [], "envFrom": [], **changed}
    one["spec"]["template"]["spec"]["volumes"] = [{"name": "config", "configMap": {"name": "cfg"}}]
    return Deployment(
        [
            one,
            {"kind": "ConfigMap", "metadata": {"name": "cfg"}, "data": {"airflow.cfg": CONFIG}},
            {"kind": "ConfigMap", "metadata": {"name": "env"}, "data": {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "3"}},
        ]
    )


MOUNT = {"volumeMounts": [{"name": "config", "mountPath": "/opt/airflow/airflow.cfg", "subPath": "airflow.cfg"}]}
FROM = {"envFrom": [{"configMapRef": {"name": "env"}}]}


def retries(deployment: Deployment) -> tuple[str | None, str]:
    found = setting(deployment, next(deployment.of("scheduler")), "core", "default_task_retries")
    return found.value, found.origin


def test_the_environment_comes_before_the_file_and_the_file_before_the_default() -> None:
    given = {"env": [{"name": "AIRFLOW__CORE__DEFAULT_TASK_RETRIES", "value": "5"}]}
    assert retries(deployed()) == ("0", "default")
    assert retries(deployed(**MOUNT)) == ("7", "given")
    assert retries(deployed(**MOUNT, **FROM)) == ("3", "given")
    assert retries(deployed(**MOUNT, **FROM, **given)) == ("5", "given")


def test_what_a_command_or_a_secret_gives_is_hidden() -> None:
    secret = {"name": "AIRFLOW__CORE__DEFAULT_TASK_RETRIES", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    command = {"name": "AIRFLOW__CORE__DEFAULT_TASK_RETRIES_CMD", "value": "cat /retries"}
    assert retries(deployed(env=[secret])) == (None, "hidden")
    assert retries(deployed(env=[command])) == (None, "hidden")


def test_what_is_given_as_a_whole_and_cannot_be_seen_leaves_it_unknown() -> None:
    assert retries(deployed(envFrom=[{"secretRef": {"name": "s"}}])) == (None, "unseen")
    assert retries(deployed(envFrom=[{"configMapRef": {"name": "missing"}}])) == (None, "unseen")
    assert retries(deployed(envFrom=[{"configMapRef": {"name": "missing", "optional": True}}])) == ("0", "default")
