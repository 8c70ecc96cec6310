"""Airflow's settings, derived from what its pods are given: environment, then airflow.cfg, then Airflow's default.

The defaults are those of apache-airflow-core 3.3.2 and its Celery provider (read from their configuration files).
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from harness.audit.deployment import Deployment, Json, Workload, at

Origin = Literal["given", "default", "hidden", "unseen"]

DEFAULTS: dict[tuple[str, str], str] = {
    ("core", "executor"): "LocalExecutor",
    ("core", "default_task_retries"): "0",
    ("core", "parallelism"): "32",
    ("database", "sql_alchemy_pool_size"): "5",
    ("database", "sql_alchemy_max_overflow"): "10",
    ("scheduler", "scheduler_heartbeat_sec"): "5",
    ("scheduler", "scheduler_health_check_threshold"): "30",
    ("scheduler", "orphaned_tasks_check_interval"): "300",
    ("scheduler", "task_instance_heartbeat_timeout"): "300",
    ("scheduler", "task_instance_heartbeat_timeout_detection_interval"): "10",
    ("scheduler", "task_queued_timeout"): "600",
    ("scheduler", "use_row_level_locking"): "True",
    ("scheduler", "enable_health_check"): "False",
    ("triggerer", "triggerer_health_check_threshold"): "30",
    ("celery", "task_acks_late"): "True",
    ("celery", "worker_prefetch_multiplier"): "1",
    ("celery_broker_transport_options", "visibility_timeout"): "86400",
}


@dataclass(frozen=True)
class Setting:
    """A value and where it comes from. It is None if a Secret holds it (hidden), or may hold it (unseen): `source`
    says which."""

    value: str | None
    origin: Origin
    source: str = ""

    @property
    def number(self) -> float | None:
        """As a number, if it is one."""
        try:
            return float(self.value) if self.value is not None else None
        except ValueError:
            return None

    @property
    def true(self) -> bool:
        return (self.value or "").strip().lower() in ("true", "t", "1", "yes", "on")


def setting(deployment: Deployment, workload: Workload, section: str, option: str) -> Setting:
    """The value that the main container of a workload gets."""
    name = f"AIRFLOW__{section}__{option}".upper()
    found = variable(deployment, workload, name)
    if found is not None:
        return found
    for suffix, what in (("_CMD", "a command"), ("_SECRET", "a secrets backend")):
        if variable(deployment, workload, f"{name}{suffix}") is not None:
            return Setting(None, "hidden", what)
    for path, text in _files(deployment, workload):
        if (value := _option(text, section, option)) is not None:
            return Setting(value, "given", path)
    if elsewhere := _unseen(deployment, workload):
        return Setting(None, "unseen", f"what cannot be seen: {', '.join(elsewhere)}")
    return Setting(DEFAULTS.get((section, option)), "default", "Airflow's default")


def variable(deployment: Deployment, workload: Workload, name: str) -> Setting | None:
    """An environment variable of the main container; the last one given wins, and `env` wins over `envFrom`."""
    for one in reversed(at(workload.main, "env", [])):
        if one.get("name") == name:
            return _env(deployment, one)
    for source in reversed(at(workload.main, "envFrom", [])):
        prefix = str(source.get("prefix") or "")
        data = deployment.config_map(str(at(source, "configMapRef.name", "")))
        if name.startswith(prefix) and name.removeprefix(prefix) in data:
            return Setting(
                str(data[name.removeprefix(prefix)]), "given", f"ConfigMap {at(source, 'configMapRef.name')}"
            )
    return None


def _unseen(deployment: Deployment, workload: Workload) -> list[str]:
    """The sources that it is given as a whole and that are not known: any variable may be in there."""
    found = []
    for source in at(workload.main, "envFrom", []):
        if secret := at(source, "secretRef.name"):
            found.append(f"Secret {secret}")
        name = at(source, "configMapRef.name")
        if name and not deployment.has("ConfigMap", name) and not at(source, "configMapRef.optional"):
            found.append(f"ConfigMap {name}")
    return found


def _env(deployment: Deployment, one: Json) -> Setting:
    if secret := at(one, "valueFrom.secretKeyRef"):
        return Setting(None, "hidden", f"Secret {secret.get('name')}, key {secret.get('key')}")
    if ref := at(one, "valueFrom.configMapKeyRef"):
        value = deployment.config_map(str(ref.get("name"))).get(str(ref.get("key")))
        source = f"ConfigMap {ref.get('name')}"
        return Setting(None if value is None else str(value), "hidden" if value is None else "given", source)
    if "valueFrom" in one:
        return Setting(None, "hidden", "the pod itself")
    return Setting(str(one.get("value") or ""), "given", "env")


def _files(deployment: Deployment, workload: Workload) -> Iterator[tuple[str, str]]:
    """The path and text of each airflow.cfg that is mounted from a ConfigMap."""
    volumes: dict[str, Any] = {str(v.get("name")): v for v in at(workload.pod, "volumes", [])}
    for mount in at(workload.main, "volumeMounts", []):
        path = str(mount.get("mountPath", ""))
        held = deployment.config_map(str(at(volumes.get(str(mount.get("name")), {}), "configMap.name", "")))
        key = str(mount.get("subPath") or "airflow.cfg")
        if path.endswith("airflow.cfg") and key in held:
            yield path, str(held[key])


def _option(text: str, section: str, option: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return parser.get(section, option, fallback=None)
