"""What kustomize cannot check: names that stand in two places because a text within a ConfigMap is not looked into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.kube import STACK_LABEL
from harness.settings import ROOT
from harness.stack.recipes import FOLDER, load

DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(p.name for p in (DEPLOY / "overlays").iterdir())
TASKS = DEPLOY / "components" / "kubernetes"
EXECUTORS = ("celery", "kubernetes", "local")
DAGS = sorted(p.name for p in (ROOT / "dags").iterdir() if p.suffix in (".py", ".json"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def environment(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("stack", OVERLAYS)
def test_every_object_of_a_stack_bears_its_name(stack: str) -> None:
    overlay = read(DEPLOY / "overlays" / stack / "kustomization.yaml")
    assert {STACK_LABEL: stack} in [labels["pairs"] for labels in overlay["labels"]]


@pytest.mark.parametrize("stack", [name for name in OVERLAYS if not name.endswith("-defaults")])
def test_a_stack_is_airflows_own_settings_and_ours_on_top(stack: str) -> None:
    overlay = read(DEPLOY / "overlays" / stack / "kustomization.yaml")
    assert overlay["resources"] == [f"../{stack}-defaults"]
    assert overlay["components"] == ["../../components/tuned"]
    below = read(DEPLOY / "overlays" / f"{stack}-defaults" / "kustomization.yaml")
    parts = [Path(part).name for part in below["components"]]
    assert len([part for part in parts if part in EXECUTORS]) == 1
    assert parts[-1] == "images"


def test_task_pods_are_of_the_image_that_all_others_are_of() -> None:
    said = environment(TASKS / "kubernetes.env")
    images = {image["name"]: image for image in read(DEPLOY / "components" / "images" / "kustomization.yaml")["images"]}
    prefix = "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_"
    assert said[f"{prefix}REPOSITORY"] == images["airflow"]["newName"]
    assert said[f"{prefix}TAG"] == images["airflow"]["newTag"]


def test_every_dag_is_where_tasks_run() -> None:
    shared = read(DEPLOY / "components" / "dags" / "kustomization.yaml")["configMapGenerator"][0]["files"]
    made = read(TASKS / "kustomization.yaml")["configMapGenerator"]
    (own,) = [config["files"] for config in made if config["name"] == "task-dags"]
    (container,) = read(TASKS / "pod.yaml")["spec"]["containers"]
    assert sorted(Path(name).name for name in shared if not name.endswith(".airflowignore")) == DAGS
    assert sorted(Path(name).name for name in own) == DAGS
    assert sorted(mount["subPath"] for mount in container["volumeMounts"] if mount["name"] == "dags") == DAGS


def test_triggerers_find_what_a_missed_deadline_calls() -> None:
    patches = read(DEPLOY / "components" / "dags" / "kustomization.yaml")["patches"]
    paths = [patch["path"] for patch in patches if patch["target"].get("name") == "triggerer"]
    assert paths == ["volume.yaml", "deadline.yaml"]
    (mount,) = (step["value"] for step in read(DEPLOY / "components" / "dags" / "deadline.yaml"))
    assert mount["subPath"] == "ledger_marks.py"
    assert mount["mountPath"] == f"/opt/airflow/config/{mount['subPath']}"


def test_what_task_pods_are_told_is_what_all_others_are_told() -> None:
    everywhere = environment(DEPLOY / "base" / "airflow" / "airflow.env")
    for name, value in environment(TASKS / "task.env").items():
        assert everywhere[name] == value


def test_the_experiment_upgrades_from_the_release_before_to_that_of_all_other_stacks() -> None:
    table = load().images
    kinds = {
        name: read(DEPLOY / "components" / name / "kustomization.yaml")["images"] for name in ("previous", "images")
    }
    old, new = (next(one for one in some if one["name"] == "airflow") for some in kinds.values())
    assert f"{old['newName']}:{old['newTag']}" == table["airflow-previous"].published
    assert f"{new['newName']}:{new['newTag']}" == table["airflow"].published
    (step,) = json.loads((ROOT / "experiments" / "upgrade.json").read_text(encoding="utf-8"))["method"]
    assert step["provider"]["arguments"]["tag"] == new["newTag"]
    releases = [
        line.split("==")[1]
        for folder in ("airflow-previous", "airflow")
        for line in (FOLDER / folder / "requirements.in").read_text(encoding="utf-8").splitlines()
        if line.startswith("apache-airflow-core==")
    ]
    assert [one["newTag"].partition("-")[0] for one in (old, new)] == releases


def test_the_release_before_comes_before_the_newest_would_be_everywhere() -> None:
    parts = read(DEPLOY / "overlays" / "celery-previous-defaults" / "kustomization.yaml")["components"]
    names = [Path(part).name for part in parts]
    celery = read(DEPLOY / "overlays" / "celery-defaults" / "kustomization.yaml")["components"]
    assert [name for name in names if name != "previous"] == [Path(part).name for part in celery]
    assert names[-2:] == ["previous", "images"]


def test_an_older_release_never_meets_the_tables_of_a_newer_one() -> None:
    """Its volume has a name of its own, and goes with the stack; the patch finds what it is for by its place."""
    steps = {step["path"]: step["value"] for step in read(DEPLOY / "components" / "previous" / "database.yaml")}
    every = list(yaml.safe_load_all((DEPLOY / "base" / "airflow" / "postgres.yaml").read_text(encoding="utf-8")))
    (postgres,) = (one for one in every if one["kind"] == "StatefulSet")
    (claim,) = postgres["spec"]["volumeClaimTemplates"]
    (container,) = postgres["spec"]["template"]["spec"]["containers"]
    assert container["volumeMounts"][0]["name"] == claim["metadata"]["name"] == "data"
    assert steps["/spec/volumeClaimTemplates/0/metadata/name"] == "previous"
    assert steps["/spec/template/spec/containers/0/volumeMounts/0/name"] == "previous"
    assert steps["/spec/persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Delete"}


def test_each_node_has_a_name_server_of_its_own() -> None:
    dns = yaml.safe_load_all((DEPLOY / "cluster" / "dns.yaml").read_text(encoding="utf-8"))
    replicas = {one["kind"]: one["spec"].get("replicas") for one in dns}
    assert replicas == {"Service": None, "Deployment": len(read(ROOT / "kind-config.yaml")["nodes"])}
