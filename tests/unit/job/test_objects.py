"""What is laid down: no more rights than `harness rbac` says, no secret of this machine, a pod that can go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import rights
from harness.errors import UsageError
from harness.experiment import check
from harness.job import objects
from harness.job.objects import ACCOUNT, ENDS, NAME, Order
from harness.kube.hardened import CONTROL_PLANE
from harness.outcome import Verdict
from harness.settings import ROOT, Settings
from harness.target import Target, inside
from tests.unit.plans import experiment

HOME = "airflow-chaos"
QUIET = check("null", experiment(component="none", blast=None) | {"method": []})


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("AIRFLOW_CHAOS_TARGET", raising=False)
    (tmp_path / "slo.yaml").write_text("tuned: {}\n", encoding="utf-8")
    (tmp_path / "null.json").write_text('{"title": "null"}', encoding="utf-8")
    return Settings(cache=tmp_path, slo_file=tmp_path / "slo.yaml", seed=7)


def target() -> Target:
    return inside.of_ours("airflow", "10.0.0.9", "airflow-chaos-ledger")


def laid(settings: Settings, **more: Any) -> list[dict[str, Any]]:
    order = Order((settings.cache / "null.json",), "airflow-chaos/harness:k", **more)
    there = settings.model_copy(update={"target": target()})
    return objects.documents(order, settings, target(), rights.needed([QUIET], there), "0.1.0+abc")


def of(found: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (one,) = [document for document in found if document["kind"] == kind]
    return one


def test_its_account_has_what_rbac_prints_for_these_experiments_and_no_more(settings: Settings) -> None:
    found = laid(settings)
    there = settings.model_copy(update={"target": target()})
    printed = list(yaml.safe_load_all(rights.manifests(rights.needed([QUIET], there), f"{HOME}/{ACCOUNT}")))
    kinds = {document["kind"] for document in printed}
    given = [document for document in found if document["kind"] in kinds]
    assert [(one["kind"], one.get("rules"), one.get("subjects")) for one in given] == [
        (one["kind"], one.get("rules"), one.get("subjects")) for one in printed
    ]
    assert HOME not in {one["metadata"].get("namespace") for one in given if one["kind"] == "Role"}
    everything = json.dumps(given)
    assert "*" not in everything
    assert "patch" not in everything  # nothing is broken by what breaks nothing


def test_the_namespace_it_stands_in_is_not_one_that_may_be_broken(settings: Settings) -> None:
    labels = of(laid(settings), "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "airflow-chaos/allow" not in labels


def test_its_pod_meets_the_restricted_standard_and_has_no_token_but_its_own(settings: Settings) -> None:
    spec = of(laid(settings), "Job")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    (own,) = [v["projected"]["sources"] for v in spec["volumes"] if "projected" in v]
    assert own[0]["serviceAccountToken"]["path"] == "token"
    assert not any("hostPath" in volume for volume in spec["volumes"])


def test_it_goes_on_after_an_eviction_and_ends_at_a_verdict(settings: Settings) -> None:
    spec = of(laid(settings), "Job")["spec"]
    assert spec["podReplacementPolicy"] == "Failed"
    first, second = spec["podFailurePolicy"]["rules"]
    assert first == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    codes = second["onExitCodes"]["values"]
    assert second["action"] == "FailJob"
    assert codes == sorted(set(codes)) == list(ENDS)
    assert {verdict.exit_code for verdict in Verdict} - {0} <= set(codes)
    assert not {130, 137, 143} & set(codes)  # ended from outside: another pod goes on
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_what_decides_travels_with_it_and_no_secret_does(settings: Settings) -> None:
    found = laid(settings)
    data = of(found, "ConfigMap")["data"]
    assert data["slo.yaml"] == "tuned: {}\n"
    assert data["null.json"] == '{"title": "null"}'
    assert Target.model_validate(yaml.safe_load(data["target.yaml"])) == target()
    container = of(found, "Job")["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["job", "work", "/etc/airflow-chaos/null.json"]
    said = {one["name"]: one.get("value") for one in container["env"]}
    assert said["AIRFLOW_CHAOS_SEED"] == "7"
    assert said["AIRFLOW_CHAOS_BUILD"] == "0.1.0+abc"
    assert {"AIRFLOW_CHAOS_OWN_NODE", "AIRFLOW_CHAOS_OWN_NAMESPACE", "AIRFLOW_CHAOS_JOB"} <= said.keys()


def test_every_variable_that_its_pod_has_is_a_setting(settings: Settings) -> None:
    env = of(laid(settings), "Job")["spec"]["template"]["spec"]["containers"][0]["env"]
    ours = {one["name"].removeprefix("AIRFLOW_CHAOS_").lower() for one in env if one["name"].startswith("AIRFLOW_")}
    assert ours <= set(Settings.model_fields)


def test_it_runs_with_the_control_plane_or_where_it_is_told(settings: Settings) -> None:
    spec = of(laid(settings), "Job")["spec"]["template"]["spec"]
    assert spec["tolerations"][0]["key"] == CONTROL_PLANE
    preferred = spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred[0]["preference"]["matchExpressions"][0]["key"] == CONTROL_PLANE
    away = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]
    assert away["podAffinityTerm"]["namespaces"] == ["airflow", "ingress"]
    named = of(laid(settings, node="worker-9"), "Job")["spec"]["template"]["spec"]
    assert named["nodeSelector"] == {"kubernetes.io/hostname": "worker-9"}
    assert "affinity" not in named


def test_a_schedule_makes_a_cronjob_of_which_no_two_run_at_once(settings: Settings) -> None:
    found = laid(settings, schedule="0 3 * * *")
    timed, job = of(found, "CronJob"), of(laid(settings), "Job")
    assert not [one for one in found if one["kind"] == "Job"]
    assert timed["spec"]["concurrencyPolicy"] == "Forbid"
    assert timed["spec"]["jobTemplate"]["spec"] == job["spec"]
    assert timed["spec"]["jobTemplate"]["metadata"]["labels"] == job["metadata"]["labels"]


@pytest.mark.parametrize("schedule", ["daily", "0 3 * *", "* * * * * *", "@sometimes", "0 3 * * *\n"])
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(UsageError, match="is not a schedule"):
        Order((), "i", schedule=schedule)


def test_one_experiment_twice_and_too_much_for_a_configmap_are_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match="null is given twice"):
        Order((Path("null.json"), Path("x/null.yaml")), "i")
    (settings.cache / "null.json").write_text(" " * objects.MOST, encoding="utf-8")
    with pytest.raises(UsageError, match="give fewer files"):
        laid(settings)


def test_an_experiment_does_not_take_the_name_of_another_file(settings: Settings) -> None:
    (settings.cache / "slo.yaml").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be called slo\.yaml"):
        objects.documents(Order((settings.cache / "slo.yaml",), "i"), settings, target(), [], "")


def test_all_shipped_experiments_find_room_at_once(settings: Settings) -> None:
    order = Order(tuple(sorted((ROOT / "experiments").glob("*.json"))), "i")
    shipped = Settings(cache=settings.cache)
    assert of(objects.documents(order, shipped, target(), [], ""), "ConfigMap")["data"].keys() > {"null.json"}


def test_the_reader_of_the_volume_cannot_write_to_it_and_ends_by_itself() -> None:
    spec = objects.collector("i", HOME)["spec"]
    assert spec["volumes"][0]["persistentVolumeClaim"] == {"claimName": NAME, "readOnly": True}
    assert spec["activeDeadlineSeconds"] <= 900
