"""A cluster with Chaos Mesh, and a network of its own under two of its pods: what is injected there, the kernel does.

It injects what an object of `NetworkChaos` says, or, as a test has it, only says so. What a container uses of its
processors and memory is what the files say that stand for its control group.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.wait import until
from tests.unit.chaos.borrowed.cluster import Cluster, owned
from tests.unit.kube.cluster import Json, deployment, listing, namespace
from tests.unit.kube.execing import execed
from tests.unit.kube.test_client import status
from tests.unit.loopback import Reply, Request

PORT = 6379
SYN = ("INPUT", "-p", "tcp", "--syn", "--dport", str(PORT))
# Every first try of a connection is lost, so that the kernel's second makes it, a second later.
RULES = {
    "loss": ("INPUT", "-p", "tcp", "--dport", str(PORT), "-j", "DROP"),
    "delay": (*SYN, "-m", "statistic", "--mode", "nth", "--every", "2", "--packet", "0", "-j", "DROP"),
}
READY = "ip link set lo up && iptables -w 5 -L INPUT > /dev/null"
SERVER = f"""
import socket
listener, held = socket.create_server(("127.0.0.1", {PORT})), []
while True:
    held.append(listener.accept())
"""
MESH = re.compile(r"/apis/chaos-mesh\.org/v1alpha1(?:/namespaces/(?P<ns>[^/]+)/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?)?")
KINDS = {"networkchaos": "NetworkChaos", "stresschaos": "StressChaos"}


def possible() -> bool:
    if not all(map(shutil.which, ("unshare", "nsenter", "ip", "iptables"))):
        return False
    probe = f"{READY} && iptables -w 5 -I {' '.join(RULES['delay'])}"
    return subprocess.run(["unshare", "--net", "sh", "-c", probe], capture_output=True, check=False).returncode == 0


def standing() -> list[Json]:
    """Two workers and their broker."""
    pods = [owned("worker-1", component="worker"), owned("worker-2", component="worker"), owned("redis-0", by="X")]
    pods[2]["metadata"]["labels"] = {"component": "redis"}
    pods[2]["spec"]["containers"] = [{"name": "main", "image": "i", "ports": [{"containerPort": PORT}]}]
    for raw in pods:
        raw["status"]["podIP"] = "127.0.0.1"
    return pods


@dataclass
class Meshed(Cluster):
    """`injects`: whether it does what it says; `says`: whether it says that all is injected; `keeps`: whether a fault
    that was taken away goes on; `installed`: whether there is Chaos Mesh at all."""

    pods: list[Json] = field(default_factory=standing)
    network: int = 0
    groups: Path = Path()
    chosen: tuple[str, ...] = ("airflow/worker-1",)
    installed: bool = True
    injects: bool = True
    says: bool = True
    keeps: bool = False
    made: dict[tuple[str, str], Json] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    busy: tuple[float, float] = (0.0, 0.0)  # seconds by now, and at which moment

    def __post_init__(self) -> None:
        for kind in ("deployments", "statefulsets"):
            self.workloads[kind] = deployment("worker", "worker", ready=1, desired=1)

    def entered(self, *command: str) -> list[str]:
        return ["nsenter", "-t", str(self.network), "-n", "--", *command]

    def __call__(self, request: Request) -> Reply:
        if match := MESH.fullmatch(request.path):
            return self._mesh(request, match["ns"], match["kind"], match["name"]) if self.installed else status(404)
        if request.path.endswith("/exec"):
            first, *words = request.query["command"]
            if first == "sh":
                self._count()
                return execed(["sh", *(str(self.groups) if word == "/sys/fs/cgroup" else word for word in words)])
            return execed(self.entered(sys.executable, *words))
        if request.path.endswith("/networkpolicies"):
            return Reply(200, listing("NetworkPolicy", []))
        if request.path.endswith("/namespaces/airflow"):
            return Reply(200, namespace("airflow", allow="true"))
        return super().__call__(request)

    def _mesh(self, request: Request, there: str | None, plural: str | None, name: str | None) -> Reply:
        if plural is None:
            resources = [{"name": plural, "kind": kind} for plural, kind in KINDS.items()]
            return Reply(200, {"kind": "APIResourceList", "resources": resources})
        kind = KINDS[plural]
        if request.method == "POST":
            return self._inject(kind, str(there), request.body)
        if name is None:
            wanted = request.query.get("labelSelector", [""])[0]
            found = [raw for (of, _), raw in self.made.items() if of == kind]
            return Reply(200, listing(kind, [raw for raw in found if _labelled(raw, wanted)]))
        if (kind, name) not in self.made:
            return status(404)
        if request.method == "DELETE":
            if not self.keeps:
                self._mend()
            return Reply(200, self.made.pop((kind, name)))
        return Reply(200, self.made[kind, name])

    def _inject(self, kind: str, there: str, body: Json) -> Reply:
        name, spec = body["metadata"]["name"], body["spec"]
        if (kind, name) in self.made:
            return Reply(409, {"kind": "Status", "status": "Failure", "message": "it already exists"})
        if self.injects and kind == "NetworkChaos":
            subprocess.run(self.entered("iptables", "-w", "5", "-I", *RULES[spec["action"]]), check=True)
        sides = [(".", one) for one in self.chosen] + [(".Target", "airflow/redis-0")] * (kind == "NetworkChaos")
        tail = "" if kind == "NetworkChaos" else "/main"
        failed = [{"type": "Failed", "timestamp": "2026-01-01T00:00:00Z", "message": "no ipset"}]
        records = [
            {"id": f"{one}{tail}", "selectorKey": key, "phase": "Injected" if self.says else "Not Injected"}
            | ({} if self.says else {"events": failed})
            for key, one in sides
        ]
        said = {"conditions": [{"type": "AllInjected", "status": str(self.says)}]}
        meta = {**body["metadata"], "namespace": there, "uid": f"uid-{name}"}
        raw = {**body, "metadata": meta, "status": {**said, "experiment": {"containerRecords": records}}}
        self._count()
        self.made[kind, name] = raw
        return Reply(201, raw)

    def _mend(self) -> None:
        if self.network:
            subprocess.run(self.entered("iptables", "-w", "5", "-F", "INPUT"), check=True)

    def _count(self) -> None:
        """Its control group: a tenth of a processor and 100 MB, and what is injected besides."""
        specs = [raw["spec"]["stressors"] for (kind, _), raw in self.made.items() if kind == "StressChaos"]
        specs = specs if self.injects else []
        load = sum(one["cpu"]["workers"] * one["cpu"]["load"] / 100 for one in specs if "cpu" in one)
        memory = sum(int(one["memory"]["size"].removesuffix("MB")) * 10**6 for one in specs if "memory" in one)
        now = time.monotonic()
        self.busy = (self.busy[0] + (0.1 + load) * (now - (self.busy[1] or now)), now)
        (self.groups / "cpu.stat").write_text(f"usage_usec {self.busy[0] * 1e6:.0f}\nuser_usec 1\n", encoding="utf-8")
        (self.groups / "memory.current").write_text(f"{10**8 + memory}\n", encoding="utf-8")


def _labelled(raw: Json, wanted: str) -> bool:
    labels: dict[str, Any] = raw["metadata"].get("labels") or {}
    key, _, value = wanted.partition("=")
    return not wanted or labels.get(key) == value


def listens(cluster: Meshed) -> bool:
    asked = f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 1)"
    done = subprocess.run(cluster.entered(sys.executable, "-c", asked), capture_output=True, check=False)
    return done.returncode == 0


def wait_listening(cluster: Meshed) -> None:
    until(lambda: listens(cluster), bool, what="a server", timeout=20, every=0.2)
