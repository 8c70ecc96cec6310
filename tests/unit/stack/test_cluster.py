"""What kind is told to make, which cluster is taken for what, and which is never touched."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.settings import ROOT, Settings
from harness.stack import cluster
from harness.stack.cluster import KEY_LABEL, OURS, _config, port_taken

IMAGE = f"{OURS}0123456789abcdef"
ports = st.integers(1024, 65535)


def key(settings: Settings, image: str = IMAGE) -> str:
    keys = {node["labels"][KEY_LABEL] for node in _config(settings, image)["nodes"]}
    assert len(keys) == 1
    return str(keys.pop())


@given(ports, ports)
def test_every_node_gets_image_and_key_and_the_host_ports_asked_for(http: int, ledger: int) -> None:
    plain = yaml.safe_load((ROOT / "kind-config.yaml").read_text(encoding="utf-8"))
    config = _config(Settings(http_port=http, ledger_port=ledger), IMAGE)
    assert [node["role"] for node in config["nodes"]] == [node["role"] for node in plain["nodes"]]
    assert {node["image"] for node in config["nodes"]} == {IMAGE}
    mapped = [m for node in config["nodes"] for m in node.get("extraPortMappings", ())]
    assert {(m["containerPort"], m["hostPort"]) for m in mapped} == {(30080, http), (30679, ledger)}
    assert {m["listenAddress"] for m in mapped} == {"127.0.0.1"}


def test_what_the_file_says_of_nodes_stays() -> None:
    first = _config(Settings(), IMAGE)["nodes"][0]
    assert first["labels"]["airflow-chaos/data"] == "true"
    assert first["labels"].keys() == {"airflow-chaos/data", KEY_LABEL}


def test_one_worker_can_die_and_two_remain() -> None:
    roles = [node["role"] for node in _config(Settings(), IMAGE)["nodes"]]
    assert sorted(roles) == ["control-plane", "worker", "worker", "worker"]


def test_the_key_is_that_of_image_and_ports_and_always_the_same() -> None:
    plain = Settings()
    assert key(plain) == key(Settings(cache=Path("elsewhere")))
    others = [key(plain, IMAGE + "0"), key(Settings(http_port=1)), key(Settings(ledger_port=1))]
    swapped = key(Settings(http_port=plain.ledger_port, ledger_port=plain.http_port))
    assert len({key(plain), swapped, *others}) == 5


def test_a_port_that_somebody_listens_on_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert port_taken(port)
        settings = Settings(http_port=port)
        with pytest.raises(UsageError, match=rf"port {port} on loopback is taken; set AIRFLOW_CHAOS_HTTP_PORT"):
            cluster._refuse_taken_ports(settings)
    assert not port_taken(port)


DOCKER = """#!/bin/sh
echo "$*" >>"{said}"
case $1 in
ps) cat "{nodes}" ;;
exec) cat "{answer}" ;;
esac
"""
KIND = """#!/bin/sh
echo "kind $*" >>"{said}"
{does}
"""


class Machine:
    """Stand-ins for docker and kind: they say what stands, and keep what they were asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = Settings(cache=folder / "cache", cluster="mine", http_port=_free(), ledger_port=_free())
        self.kind = str(folder / "kind")
        self._said, self._nodes, self._answer = folder / "said", folder / "nodes", folder / "answer"
        self._said.touch()
        self._program("docker", DOCKER.format(said=self._said, nodes=self._nodes, answer=self._answer))
        self.kind_does(":")
        self.stands({})
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def kind_does(self, text: str) -> None:
        self._program("kind", KIND.format(said=self._said, does=text))

    def stands(self, nodes: dict[str, tuple[str, str]], ready: int | None = None) -> None:
        """Node containers (name → image, state), of which the cluster calls so many Ready, or does not answer."""
        lines = [f"{name}\t{image}\t{state}\n" for name, (image, state) in nodes.items()]
        self._nodes.write_text("".join(lines), encoding="utf-8")
        items = [_node(number < (ready or 0)) for number in range(len(nodes))]
        self._answer.unlink(missing_ok=True)
        if ready is not None:
            self._answer.write_text(json.dumps({"items": items}), encoding="utf-8")

    def healthy(self) -> dict[str, tuple[str, str]]:
        names = ("mine-control-plane", "mine-worker", "mine-worker2", "mine-worker3")
        return dict.fromkeys(names, (IMAGE, "running"))

    def look(self) -> cluster.Cluster:
        return cluster.look(self.settings, self.kind, IMAGE)

    def asked_kind(self) -> list[str]:
        said = self._said.read_text(encoding="utf-8").splitlines()
        return [line.split()[1] for line in said if line.startswith("kind ")]

    def _program(self, name: str, text: str) -> None:
        path = self._said.parent / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)


def _node(ready: bool) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_nothing_of_that_name_is_absent(machine: Machine) -> None:
    assert machine.look().state == "absent"
    assert cluster.delete(machine.settings, machine.kind) is False
    assert machine.asked_kind() == []


def test_four_ready_nodes_of_ours_are_healthy_and_left_as_they_are(machine: Machine) -> None:
    machine.stands(machine.healthy(), ready=4)
    assert machine.look().state == "healthy"
    cluster.ensure(machine.settings, machine.kind, IMAGE)
    assert set(machine.asked_kind()) == {"export"}


def broken_by(machine: Machine, how: str) -> None:
    nodes = machine.healthy()
    if how == "a node is missing":
        nodes.pop("mine-worker2")
    if how == "a node is stopped":
        nodes["mine-worker"] = (IMAGE, "exited")
    machine.stands(nodes, ready=None if how == "no answer" else 3 if how == "not Ready" else 4)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("a node is missing", "3 of 4 nodes exist"),
        ("a node is stopped", "mine-worker is not running"),
        ("not Ready", "3 of 4 nodes are Ready"),
        ("no answer", "its API does not answer"),
    ],
)
def test_a_broken_cluster_of_ours_is_recognised(machine: Machine, how: str, said: str) -> None:
    broken_by(machine, how)
    found = machine.look()
    assert found.state == "broken"
    assert said in found.detail


def test_a_broken_cluster_of_ours_is_replaced(machine: Machine) -> None:
    broken_by(machine, "a node is stopped")
    fixed = "".join(f"{name}\\t{image}\\trunning\\n" for name, (image, _) in machine.healthy().items())
    ready = json.dumps({"items": [_node(True)] * 4})
    made = f"printf '{fixed}' >{machine._nodes}; echo '{ready}' >{machine._answer}; cat >{machine._nodes}.config"
    machine.kind_does(f'case "$1" in create) {made} ;; esac')
    cluster.ensure(machine.settings, machine.kind, IMAGE)
    assert [word for word in machine.asked_kind() if word != "export"] == ["delete", "create"]
    config = yaml.safe_load(Path(f"{machine._nodes}.config").read_text(encoding="utf-8"))
    assert config == _config(machine.settings, IMAGE)


@pytest.mark.parametrize("how", ["one node", "every node"])
def test_a_cluster_of_others_is_never_touched(machine: Machine, how: str) -> None:
    nodes = machine.healthy()
    foreign = ["mine-worker"] if how == "one node" else list(nodes)
    machine.stands(nodes | dict.fromkeys(foreign, ("kindest/node:v1", "running")), ready=4)
    assert machine.look().state == "foreign"
    with pytest.raises(UsageError, match="is not ours"):
        cluster.ensure(machine.settings, machine.kind, IMAGE)
    with pytest.raises(UsageError, match="is left alone"):
        cluster.delete(machine.settings, machine.kind)
    assert machine.asked_kind() == []


def test_a_taken_port_is_told_before_anything_is_made(machine: Machine) -> None:
    with (
        socket.create_server(("127.0.0.1", machine.settings.ledger_port)),
        pytest.raises(UsageError, match="set AIRFLOW_CHAOS_LEDGER_PORT"),
    ):
        cluster.ensure(machine.settings, machine.kind, IMAGE)
    assert machine.asked_kind() == []


def test_our_cluster_is_removed_with_its_kubeconfig(machine: Machine) -> None:
    machine.stands(machine.healthy(), ready=4)
    machine.settings.cache.mkdir()
    machine.settings.kubeconfig.touch()
    assert cluster.delete(machine.settings, machine.kind) is True
    assert machine.asked_kind() == ["delete"]
    assert not machine.settings.kubeconfig.exists()
