"""A stack on loopback that a whole run goes through: a cluster and an Airflow that hold secrets to look for."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import Any

from harness import dagfiles
from harness.experiment import check
from harness.timetables import table
from tests.unit.kube.cluster import MESH, deployment, listing, pod
from tests.unit.kube.coordination import LEASES, REVIEWS, Leases, reviewed
from tests.unit.loopback import Reply, Request
from tests.unit.plans import experiment

TOKEN = "canary-of-the-kubeconfig"
PASSWORD = "canary-of-the-login"
JWT = "canary-of-the-session"
LEDGER = "canary-of-the-ledger"
OTHERS = {name: f"canary-of-{name}" for name in ("fernet-key", "jwt-secret", "sql-alchemy-conn", "postgres-password")}
DAG = check("x", experiment()).plan.workload.dag
PODS = ("scheduler", "api-server")


class Stack:
    """A cluster of somebody else's, whose namespaces are labelled, and the Airflow behind its load balancer.

    Once `broken`, Airflow answers what nobody expects, secrets of its own included.
    """

    def __init__(self) -> None:
        self.address = ""
        self.leases = Leases()
        self.over = threading.Event()
        self.broken = False

    def __call__(self, request: Request) -> Reply:
        if request.path.startswith(("/auth/", "/api/v2/")):
            return self._airflow(request)
        if {name.lower(): value for name, value in request.headers.items()}.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"kind": "Status", "code": 401})
        if request.path == REVIEWS:
            return reviewed(request, lambda _: True)
        if request.path.startswith(LEASES):
            return self.leases(request)
        if request.path.startswith(MESH):
            return Reply(404, {"kind": "Status"})
        return self._cluster(request)

    def _cluster(self, request: Request) -> Reply:
        *_, kind, name = request.path.split("/")
        if "watch" in request.query:
            return Reply(200, lines=self._waiting())
        if name == "log":
            return Reply(200, raw=b"2026-01-01T00:00:00Z a line\n")
        given = {"loadBalancer": {"ingress": [{"hostname": self.address}]}}
        held = {"admin-password": PASSWORD, "ledger-password": LEDGER, **OTHERS}
        answers: dict[str, Any] = {
            "deployments": listing("Deployment", [deployment(each, each, ready=1, desired=1) for each in PODS]),
            "pods": listing("Pod", [pod(f"{each}-0", component=each) for each in PODS]),
            **{each: listing("Any", []) for each in ("statefulsets", "endpointslices", "nodes")},
            "secrets": {"data": {key: base64.b64encode(value.encode()).decode() for key, value in held.items()}},
            "services": {"kind": "Service", "status": given},
            "": dict.fromkeys(VERSION, "v1"),
            "namespaces": {"kind": "Namespace", "metadata": {"labels": {"airflow-chaos/allow": "true"}}},
        }
        return Reply(200, answers.get(name) or answers[kind])

    def _waiting(self) -> Iterator[str]:
        """A watch in which nothing happens."""
        self.over.wait(60)
        yield from ()

    def _airflow(self, request: Request) -> Reply:
        if self.broken:
            return Reply(422 if request.path == "/auth/token" else 401, {"detail": [{"input": request.body}]})
        tags = [{"name": dagfiles.tag()}]
        dags = [{"dag_id": dag, "is_paused": False, "tags": tags} for dag in (DAG, "chaos_noop")]
        answers: dict[str, Any] = {
            "/auth/token": {"access_token": JWT},
            "/api/v2/version": {"version": "3.3.2"},
            "/api/v2/dags": {"dags": dags, "total_entries": len(dags)},
        }
        if request.path in answers:
            return Reply(201 if request.method == "POST" else 200, answers[request.path])
        if request.path.startswith("/api/v2/variables/"):
            return Reply(200, request.body or {"key": "v", "value": ""})
        if request.method == "POST" and request.path.endswith("/dagRuns"):
            return Reply(200, {"dag_run_id": request.body["dag_run_id"], "queued_at": "2026-01-01T00:00:00Z"})
        return Reply(404, {"detail": f"nothing is known of {request.path}"})


VERSION = (
    "buildDate", "compiler", "gitCommit", "gitTreeState", "gitVersion", "goVersion", "major", "minor", "platform",
)  # fmt: skip
assert DAG not in table().dags
