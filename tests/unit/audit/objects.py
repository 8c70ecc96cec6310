"""A deployment on which every rule holds, as the objects of Kubernetes that it is made of."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
NOW = "2026-11-01T12:00:00+00:00"
SHARED = {
    "AIRFLOW__CORE__FERNET_KEY": ("airflow-fernet-key", "fernet-key"),
    "AIRFLOW__API_AUTH__JWT_SECRET": ("my-jwt-secret", "jwt-secret"),
    "AIRFLOW__API__SECRET_KEY": ("my-api-secret-key", "api-secret-key"),
}
SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://airflow-api-server:8080/execution/",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "40",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
    "DUMB_INIT_SETSID": "0",
}
WORDS = {
    "api-server": ["bash", "-c", "exec airflow api-server"],
    "scheduler": ["bash", "-c", "exec airflow scheduler"],
    "worker": ["bash", "-c", "exec airflow celery worker"],
    "triggerer": ["bash", "-c", "exec airflow triggerer"],
    "dag-processor": ["bash", "-c", "exec airflow dag-processor"],
}
PROBE = {"exec": {"command": ["airflow", "jobs", "check"]}, "periodSeconds": 10, "timeoutSeconds": 10}
VERSION = {"httpGet": {"path": "/api/v2/version"}, "periodSeconds": 10, "timeoutSeconds": 5}


def airflow(role: str) -> Json:
    """One of Airflow's own Deployments."""
    hidden = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, (secret, key) in SHARED.items()
    ]
    probe = VERSION if role == "api-server" else PROBE
    container: Json = {
        "name": role,
        "image": "apache/airflow:3.3.2",
        "args": WORDS[role],
        "env": hidden,
        "envFrom": [{"configMapRef": {"name": "airflow-env"}}],
        "livenessProbe": {**probe, "failureThreshold": 5},
        "startupProbe": {**probe, "failureThreshold": 20},
        "resources": {"requests": {"memory": "512Mi"}},
    }
    if role == "api-server":
        container |= {"readinessProbe": dict(VERSION), "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
    made = workload("Deployment", role, container)
    made["spec"]["template"]["spec"] |= {
        "terminationGracePeriodSeconds": 600,
        "tolerations": [
            {"key": f"node.kubernetes.io/{what}", "effect": "NoExecute", "operator": "Exists", "tolerationSeconds": 10}
            for what in ("not-ready", "unreachable")
        ],
    }
    made["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return made


def workload(kind: str, role: str, container: Json) -> Json:
    labels = {"component": role, "release": "airflow"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    pod = {"containers": [container], "topologySpreadConstraints": [spread]}
    return {
        "kind": kind,
        "metadata": {"name": role, "namespace": "airflow", "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def stored(role: str, image: str, args: list[str]) -> Json:
    """A StatefulSet with a volume."""
    container = {
        "name": role,
        "image": image,
        "args": args,
        "livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 20},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    made = workload("StatefulSet", role, container)
    made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    return made


def budget(role: str) -> Json:
    return {
        "kind": "PodDisruptionBudget",
        "metadata": {"name": role, "namespace": "airflow"},
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {"component": role}},
        },
    }


def pod(role: str, number: int) -> Json:
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"{role}-{number}",
            "namespace": "airflow",
            "labels": {"component": role, "release": "airflow"},
        },
        "spec": {"nodeName": f"node-{number}"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def deployment() -> dict[str, Json]:
    """The objects, each under `Kind name`."""
    workloads = [
        *(airflow(role) for role in WORDS),
        stored("postgres", "docker.io/bitnami/postgresql:16", ["-c", "max_connections=600"]),
        stored("redis", "redis:7", ["--appendonly", "yes"]),
    ]
    roles = [str(one["metadata"]["name"]) for one in workloads]
    targets = [{"conditions": {"ready": True}, "targetRef": {"name": f"api-server-{n}"}} for n in (1, 2)]
    objects: list[Json] = [
        *workloads,
        *(budget(role) for role in roles),
        *(pod(role, number) for role in roles for number in (1, 2)),
        {"kind": "ConfigMap", "metadata": {"name": "airflow-env", "namespace": "airflow"}, "data": dict(SETTINGS)},
        {"kind": "EndpointSlice", "metadata": {"name": "api-server", "namespace": "airflow"}, "endpoints": targets},
        {"kind": "Secret", "metadata": {"name": "my-jwt-secret", "namespace": "airflow", "labels": {}}},
        {
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "worker", "namespace": "airflow"},
            "spec": {"minReplicas": 2, "scaleTargetRef": {"name": "worker"}},
        },
        {"kind": "Moment", "now": NOW},
    ]
    for number in (1, 2):
        name, zone = f"node-{number}", {"topology.kubernetes.io/zone": f"zone-{number}"}
        objects.append({"kind": "Node", "metadata": {"name": name, "labels": zone}})
        held = {"name": name, "namespace": "kube-node-lease"}
        objects.append({"kind": "Lease", "metadata": held, "spec": {"renewTime": "2026-11-01T11:59:55.123456Z"}})
    return {f"{one['kind']} {one.get('metadata', {}).get('name', '')}".strip(): one for one in objects}
