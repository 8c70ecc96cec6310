"""The stack in which nothing is there once: what its files promise each other, and what fits on two nodes."""

from __future__ import annotations

import runpy
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.settings import ROOT
from harness.stack.deploy import SPEAKER_CPU
from tests.unit.stack.test_overlays import environment, read

COMPONENTS = ROOT / "deploy" / "components"
DATABASE, BROKER, CONTROL = (COMPONENTS / f"ha-{name}" for name in ("database", "broker", "control"))
OWN = {"patroni": 3, "pgbouncer": 3, "broker": 3, "sentinel": 3}
NODE_MILLICORES = 2000  # of the machine that all is measured on
PATRONI = read(DATABASE / "patroni-config.yaml")
DYNAMIC = PATRONI["bootstrap"]["dcs"]


def documents(*paths: Path) -> Iterator[dict[str, Any]]:
    for path in paths:
        yield from (one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one)


def workloads(*folders: Path) -> dict[str, dict[str, Any]]:
    paths = [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
    found = (one for path in paths for one in documents(path) if isinstance(one, dict))
    return {one["metadata"]["name"]: one for one in found if one.get("kind") in ("Deployment", "StatefulSet")}


HA = workloads(DATABASE, BROKER)


def pooler() -> dict[str, str]:
    ini = ConfigParser(comment_prefixes=(";",))
    ini.read(DATABASE / "pgbouncer.ini", encoding="utf-8")
    return dict(ini["pgbouncer"])


def test_each_part_is_there_several_times_on_nodes_of_its_own_and_may_lose_one() -> None:
    assert {name: one["spec"]["replicas"] for name, one in HA.items()} == OWN
    paths = (DATABASE / "patroni.yaml", DATABASE / "pgbouncer.yaml", BROKER / "broker.yaml", BROKER / "sentinel.yaml")
    budgets = [one for one in documents(*paths) if one["kind"] == "PodDisruptionBudget"]
    for name, one in HA.items():
        template = one["spec"]["template"]
        (spread,) = template["spec"]["topologySpreadConstraints"]
        assert (spread["maxSkew"], spread["whenUnsatisfiable"]) == (1, "DoNotSchedule")
        assert spread["labelSelector"] == one["spec"]["selector"]
        assert one["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert template["metadata"]["labels"]["component"] == name
        (budget,) = [b for b in budgets if b["metadata"]["name"] == name]
        assert budget["spec"]["selector"] == one["spec"]["selector"]
        assert budget["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize("name", OWN)
def test_its_volumes_go_with_it_and_no_member_waits_for_another(name: str) -> None:
    spec = HA[name]["spec"]
    if HA[name]["kind"] == "StatefulSet":
        assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Delete"}
        assert spec["podManagementPolicy"] == "Parallel"
        assert "nodeSelector" not in spec["template"]["spec"]


def test_no_name_or_label_is_that_of_the_single_database_or_broker() -> None:
    """Both stand for a moment when stacks switch: neither may answer for the other."""
    single = [*documents(ROOT / "deploy/base/airflow/postgres.yaml", COMPONENTS / "celery" / "redis.yaml")]
    names = {one["metadata"]["name"] for one in single} | {one["metadata"]["labels"]["component"] for one in single}
    assert names == {"postgres", "redis"}
    assert not names & {*HA, *(one["metadata"]["labels"]["component"] for one in HA.values())}
    for folder, gone in ((DATABASE, "postgres"), (BROKER, "redis")):
        patches = [yaml.safe_load(p["patch"]) for p in read(folder / "kustomization.yaml")["patches"] if "patch" in p]
        deleted = [p for p in patches if isinstance(p, dict) and p.get("$patch") == "delete"]
        assert {(p["kind"], p["metadata"]["name"]) for p in deleted} == {("StatefulSet", gone), ("Service", gone)}


def test_a_migration_of_its_own_is_run() -> None:
    (patch,) = [p for p in read(DATABASE / "kustomization.yaml")["patches"] if p.get("target", {}).get("kind") == "Job"]
    assert patch["options"] == {"allowNameChange": True}
    assert yaml.safe_load(patch["patch"])[0]["value"] != "migrate"


def test_all_that_asked_the_database_asks_the_poolers() -> None:
    """The names in brackets are patterns to kustomize: without their ends, they match longer ones too."""
    replaced = read(DATABASE / "kustomization.yaml")["replacements"]
    paths = [path for one in replaced for target in one["targets"] for path in target["fieldPaths"]]
    assert paths
    for path in paths:
        assert "[name=^AIRFLOW__" in path
        assert "$].valueFrom.secretKeyRef.key" in path


def test_patroni_may_hold_its_lock_while_kubernetes_is_slow() -> None:
    assert DYNAMIC["loop_wait"] + 2 * DYNAMIC["retry_timeout"] <= DYNAMIC["ttl"]
    assert DYNAMIC["ttl"] >= 20
    assert (DYNAMIC["synchronous_mode"], DYNAMIC["failsafe_mode"]) == ("quorum", True)


def test_patroni_finds_its_pods_and_keeps_its_state_with_services() -> None:
    scope, store = PATRONI["scope"], PATRONI["kubernetes"]
    labels = HA["patroni"]["spec"]["template"]["metadata"]["labels"]
    assert {**store["labels"], "cluster-name": scope}.items() <= labels.items()
    found = list(documents(DATABASE / "patroni.yaml"))
    services = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "Service"}
    assert services.keys() == {scope, *(f"{scope}-{kind}" for kind in ("config", "sync", "failover"))}
    assert not [name for name, spec in services.items() if "selector" in spec]
    assert services[scope]["ports"] == store["ports"]


def test_poolers_have_connections_for_all_clients_and_the_server_for_all_poolers() -> None:
    pool, own = pooler(), environment(ROOT / "deploy/base/airflow/airflow.env")
    size, more = (int(own[f"AIRFLOW__DATABASE__SQL_ALCHEMY_{n}"]) for n in ("POOL_SIZE", "MAX_OVERFLOW"))
    children = 2 * (int(environment(COMPONENTS / "celery" / "celery.env")["AIRFLOW__CELERY__WORKER_CONCURRENCY"]) + 1)
    clients = (10 + 2) * (size + more) + children * 15
    assert clients <= int(pool["max_client_conn"])
    limit = DYNAMIC["postgresql"]["parameters"]["max_connections"]
    assert OWN["pgbouncer"] * int(pool["default_pool_size"]) + 20 <= limit
    assert pool["pool_mode"] == "transaction"


def test_nothing_is_prepared_on_a_connection_that_is_dealt_out() -> None:
    module, _, name = environment(DATABASE / "pooled.env")[
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC"
    ].partition(".")
    assert runpy.run_path(str(DATABASE / f"{module}.py"))[name] == {"prepare_threshold": None}
    mounts = [entry["value"] for entry in read(DATABASE / "pooled.yaml") if entry["path"].endswith("volumeMounts/-")]
    assert [mount["mountPath"] for mount in mounts] == [f"/opt/airflow/config/{module}.py"]


def test_workers_ask_every_sentinel_for_the_broker_that_they_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    said = environment(BROKER / "broker.env")
    hosts = ["nearest-sentinel:26379", *(f"sentinel-{n}.sentinel:26379" for n in range(OWN["sentinel"]))]
    assert said["AIRFLOW__CELERY__BROKER_URL"] == ";".join(f"sentinel://{host}" for host in hosts)
    monitor = next(line for line in (BROKER / "sentinel.conf").read_text().splitlines() if "monitor" in line).split()
    assert monitor == ["sentinel", "monitor", "broker", "broker-0.broker", "6379", "2"]
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    options = runpy.run_path(str(BROKER / "celeryconfig.py"))["broker_transport_options"]
    assert options == {"master_name": monitor[2], "socket_connect_timeout": 2, "socket_timeout": 10}


REDIS_CLI = """#!/bin/sh
while [ "$1" != -h ]; do shift; done
printf '%s\\n6379\\n' "$(cat "{folder}/$2" 2>/dev/null)"
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what each Sentinel says, and stand-ins that ask there, and print what would be started."""
    scripts = {
        "redis-cli": REDIS_CLI.format(folder=tmp_path),
        "redis-server": '#!/bin/sh\necho "$@"\n',
        "sleep": f"#!/bin/sh\necho broker-2.broker >{tmp_path}/sentinel-1.sentinel\n",
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("HOSTNAME", "broker-1")
    return tmp_path


@pytest.mark.parametrize(
    ("said", "primary"),
    [
        ({0: "broker-1.broker"}, None),
        ({0: "broker-0.broker", 1: "broker-2.broker"}, "broker-0.broker"),
        ({2: "broker-0.broker"}, "broker-0.broker"),
        ({0: "Could not connect"}, "broker-2.broker"),
    ],
)
def test_a_redis_server_is_what_the_first_sentinel_that_answers_says(
    server: Path, said: dict[int, str], primary: str | None
) -> None:
    for number, text in said.items():
        (server / f"sentinel-{number}.sentinel").write_text(text, encoding="utf-8")
    script = ["sh", str(BROKER / "broker.sh")]
    started = subprocess.run(script, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    assert started[started.index("--replica-announce-ip") + 1] == "broker-1.broker"
    assert ("--replicaof" in started) is (primary is not None)
    assert primary is None or started[started.index("--replicaof") + 1] == primary


def millicores(workload: dict[str, Any]) -> int:
    containers = workload["spec"]["template"]["spec"]["containers"]
    asked = [str(one["resources"]["requests"]["cpu"]) for one in containers]
    return sum(int(cpu.removesuffix("m")) if cpu.endswith("m") else 1000 * int(cpu) for cpu in asked)


def test_one_of_each_fits_on_either_of_the_two_nodes_that_are_left() -> None:
    own = workloads(ROOT / "deploy/base/airflow", ROOT / "deploy/base/ingress", COMPONENTS / "celery")
    asked = {name: millicores(one) for name, one in (own | HA).items() if name not in ("postgres", "redis")}
    for patch in read(CONTROL / "kustomization.yaml")["patches"]:
        for entry in yaml.safe_load(patch["patch"]):
            if entry["path"].endswith("requests/cpu"):
                asked[patch["target"]["name"]] = int(entry["value"].removesuffix("m"))
    of_the_cluster = int(SPEAKER_CPU.removesuffix("m")) + 100 + 10  # MetalLB's speaker and controller, the pod network
    assert asked.keys() == {"api-server", "scheduler", "dag-processor", "triggerer", "worker", "ingress", *OWN}
    assert sum(asked.values()) + of_the_cluster <= NODE_MILLICORES
