"""The kind cluster: made from `kind-config.yaml`, recognised, and replaced when broken, but only if it is ours."""

from __future__ import annotations

import hashlib
import json
import socket
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from harness.errors import CommandFailed, UsageError
from harness.kube.power import nodes
from harness.process import run
from harness.settings import ROOT, Settings
from harness.stack.kubectl import kubectl
from harness.wait import until

OURS = "airflow-chaos/bundle:"
KEY_LABEL = "airflow-chaos/key"
CREATE_SECONDS = 420
READY_SECONDS = 180
State = Literal["absent", "healthy", "broken", "foreign"]


@dataclass(frozen=True)
class Cluster:
    """What exists under our cluster's name."""

    state: State
    detail: str


def look(settings: Settings, kind: str, image: str) -> Cluster:
    """See what is there; changes nothing. A cluster is ours if every node runs an image that we made."""
    nodes = containers(settings)
    if not nodes:
        return Cluster("absent", "no node container has its name")
    foreign = sorted(name for name, used, _ in nodes if not used.startswith(OURS))
    if foreign:
        return Cluster("foreign", f"{foreign[0]} does not run a node image of ours")
    broken = _what_is_broken(settings, kind, _config(settings, image), nodes)
    return Cluster("broken", broken) if broken else Cluster("healthy", f"{len(nodes)} nodes are Ready")


def _what_is_broken(settings: Settings, kind: str, wanted: dict[str, Any], nodes: list[tuple[str, str, str]]) -> str:
    """Why a cluster of ours cannot be used as it is; empty if it can."""
    if len(nodes) != len(wanted["nodes"]):
        return f"{len(nodes)} of {len(wanted['nodes'])} nodes exist"
    stopped = sorted(name for name, _, state in nodes if state != "running")
    if stopped:
        return f"{stopped[0]} is not running"
    key = wanted["nodes"][0]["labels"][KEY_LABEL]
    try:
        _write_kubeconfig(settings, kind)
        said = kubectl(settings, "get", "nodes", "--selector", f"{KEY_LABEL}={key}", "--output", "json")
    except CommandFailed as cause:
        return f"its API does not answer: {str(cause)[-200:]}"
    ready = [node for node in json.loads(said)["items"] if _ready(node)]
    return "" if len(ready) == len(nodes) else f"{len(ready)} of {len(nodes)} nodes are Ready and of this configuration"


def ensure(settings: Settings, kind: str, image: str) -> None:
    """Get a healthy cluster. Raises `UsageError` if somebody else has the name or a port."""
    found = look(settings, kind, image)
    if found.state == "healthy":
        return
    if found.state == "foreign":
        raise UsageError(
            f"a kind cluster named {settings.cluster} already exists and is not ours ({found.detail}); "
            "set AIRFLOW_CHAOS_CLUSTER to another name"
        )
    if found.state == "broken":
        delete(settings, kind)
    config = _config(settings, image)
    _refuse_taken_ports(settings)
    settings.cache.mkdir(parents=True, exist_ok=True)
    command = [kind, "create", "cluster", "--name", settings.cluster, "--config", "-", "--retain"]
    command += ["--kubeconfig", str(settings.kubeconfig)]
    run(command, timeout=CREATE_SECONDS, stdin=yaml.safe_dump(config))
    # A node that is not Ready gets no pods: anything deployed earlier would crowd onto the nodes that are.
    until(
        lambda: look(settings, kind, image),
        lambda seen: seen.state == "healthy",
        what="every node Ready",
        timeout=READY_SECONDS,
        every=1,
    )


def delete(settings: Settings, kind: str) -> bool:
    """Remove the cluster if it is ours; False if there is none."""
    nodes = containers(settings)
    if not nodes:
        return False
    if any(not used.startswith(OURS) for _, used, _ in nodes):
        raise UsageError(f"the kind cluster {settings.cluster} is not ours, so it is left alone")
    command = [kind, "delete", "cluster", "--name", settings.cluster, "--kubeconfig", str(settings.kubeconfig)]
    run(command, timeout=120)
    settings.kubeconfig.unlink(missing_ok=True)
    return True


def containers(settings: Settings) -> list[tuple[str, str, str]]:
    """(name, image, state) of every node container of our cluster's name."""
    lines = nodes(settings.cluster, "{{.Names}}\t{{.Image}}\t{{.State}}")
    return [(name, image, state) for name, image, state in (line.split("\t") for line in lines)]


def _config(settings: Settings, image: str) -> dict[str, Any]:
    """`kind-config.yaml` with the image, the host ports and a hash of all that on every node."""
    text = (ROOT / "kind-config.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)
    ports = {30080: settings.http_port, 30679: settings.ledger_port}
    key = hashlib.sha256(f"{text}{image}{ports}".encode()).hexdigest()[:16]
    for node in config["nodes"]:
        node["image"] = image
        node.setdefault("labels", {})[KEY_LABEL] = key
        for mapping in node.get("extraPortMappings", ()):
            mapping["hostPort"] = ports.get(mapping["containerPort"], mapping["hostPort"])
    return config


def _refuse_taken_ports(settings: Settings) -> None:
    for port, name in ((settings.http_port, "HTTP_PORT"), (settings.ledger_port, "LEDGER_PORT")):
        if port_taken(port):
            raise UsageError(f"port {port} on loopback is taken; set AIRFLOW_CHAOS_{name} to a free one")


def port_taken(port: int) -> bool:
    """Whether a program listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _write_kubeconfig(settings: Settings, kind: str) -> None:
    command = [kind, "export", "kubeconfig", "--name", settings.cluster]
    run([*command, "--kubeconfig", str(settings.kubeconfig)], timeout=30)


def _ready(node: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
