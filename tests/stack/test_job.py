"""Runs from inside the cluster: a Job whose pod is evicted in the middle goes on, and its reports come here.

What it may break there is what the API alone can break; what it cannot is skipped with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from harness import pace
from harness.history import History
from harness.job import install
from harness.job.objects import NAME, OWNER
from harness.kube import Kube
from harness.outcome import Outcome, Verdict
from harness.settings import ROOT, Settings
from harness.stack.kubectl import control_plane
from harness.wait import until
from tests.stack.test_commands import call

pytestmark = [pytest.mark.stack, pytest.mark.long]
HOME = "airflow-chaos-job-test"
ENV = {"AIRFLOW_CHAOS_JOB_NAMESPACE": HOME}
NAMES = ("null", "null-again")
ENDED = re.compile(r"^(?:PASS|FAIL|INVALID) null .*$", re.MULTILINE)
BEFORE = re.compile(r"before: (?:PASS|FAIL|INVALID) null ")
STARTS_WITHIN_S, ENDS_WITHIN_S = 300.0, 900.0


def twice(folder: Path) -> list[Path]:
    """`null` twice, under a name of its own each."""
    raw = json.loads((ROOT / "experiments" / "null.json").read_text(encoding="utf-8"))
    found = []
    for name in NAMES:
        path = folder / f"{name}.json"
        path.write_text(json.dumps({**raw, "title": f"{raw['title']} ({name})"}), encoding="utf-8")
        found.append(path)
    return found


def bounds(folder: Path) -> Path:
    """Those that stand, with `null-again` beside `null` wherever that has some."""
    table: dict[str, Any] = yaml.safe_load((ROOT / "slo.yaml").read_text(encoding="utf-8"))
    for stacks in table.values():
        for experiments in stacks.values() if isinstance(stacks, dict) else ():
            if isinstance(experiments, dict) and "null" in experiments:
                experiments["null-again"] = experiments["null"]
    path = folder / "slo.yaml"
    path.write_text(yaml.safe_dump(table), encoding="utf-8")
    return path


@pytest.fixture
def gone(settings: Settings) -> Iterator[Settings]:
    """Whatever becomes of the test, nothing of it stays in the cluster."""
    there = settings.model_copy(update={"job_namespace": HOME})
    yield there
    install.remove(there, print, volume=True)
    manifests = Kube(settings).manifests
    until(lambda: manifests.read("Namespace", "", HOME), lambda left: left is None, what="its end", timeout=120)


def running(kube: Kube) -> list[str]:
    pods = kube.manifests.listed("Pod", HOME, OWNER)
    return [one["metadata"]["name"] for one in pods if one["status"].get("phase") == "Running"]


def evict(kube: Kube, name: str) -> None:
    about = client.V1ObjectMeta(name=name, namespace=HOME)
    client.CoreV1Api(kube._api).create_namespaced_pod_eviction(name, HOME, client.V1Eviction(metadata=about))


def test_a_job_goes_on_after_its_pod_was_evicted(gone: Settings, kube: Kube, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    env = {**ENV, "AIRFLOW_CHAOS_REPORTS": str(reports), "AIRFLOW_CHAOS_SLO_FILE": str(bounds(tmp_path))}
    kill = ROOT / "experiments" / "apiserver-restart.json"  # it enters a node, and no pod can
    code, said = call("harness", "job", "run", *map(str, (*twice(tmp_path), kill)), timeout=600, **env)
    assert code == 0, said
    assert "will be skipped: apiserver-restart: " in said
    (first,) = until(lambda: running(kube), bool, what="its pod", timeout=STARTS_WITHIN_S, every=2)

    def log() -> str:
        return "\n".join(kube.manifests.log(HOME, first, 400))

    def rest() -> str:
        return ENDED.split(log(), maxsplit=1)[-1] if ENDED.search(log()) else ""

    until(rest, bool, what="the first run's end", timeout=ENDS_WITHIN_S, every=2)
    until(rest, lambda text: "baseline" in text, what="the second's baseline", timeout=300, every=1)
    evict(kube, first)
    ended = until(
        lambda: install.look(kube.manifests, HOME),
        lambda seen: seen.state == "ended",
        what="the end of the Job",
        timeout=ENDS_WITHIN_S,
        every=5,
    )
    assert ended.pod != first
    assert ended.node == control_plane(gone)
    assert any(BEFORE.match(line) for line in ended.lines), ended.lines
    assert any(line.startswith("skipped apiserver-restart: ") for line in ended.lines), ended.lines

    code, said = call("harness", "collect", timeout=600, **env)
    assert code == 0, said
    outcomes = [Outcome.model_validate_json(path.read_bytes()) for path in sorted(reports.glob("*/verdict.json"))]
    found = sorted((one.experiment, one.verdict) for one in outcomes)
    assert [name for name, _ in found] == ["null", "null-again", "null-again"]
    assert ("null-again", Verdict.INVALID) in found  # the one that was cut short
    if not pace.too_slow():  # what is slow is told of by null, rightly
        assert [verdict for _, verdict in found].count(Verdict.PASS) == len(NAMES)
        assert ended.code == 0, ended
    assert {one.stack for one in outcomes} == {f"{gone.overlay}-at-inside"}
    for path in reports.glob("*/history.jsonl"):
        assert History.read(path).meta
    code, said = call("harness", "collect", timeout=120, **env)
    assert (code, "nothing new" in said) == (0, True), said


def test_it_has_the_rights_of_its_experiments_and_no_other(gone: Settings, kube: Kube, tmp_path: Path) -> None:
    """A schedule that never comes: what is laid down is looked at, and removed."""
    before = {kind: len(kube.manifests.everywhere(kind, "")) for kind in install.ROLES}
    code, said = call(
        "harness",
        "job",
        "run",
        "experiments/null.json",
        "--schedule",
        "0 0 31 2 *",
        "--image",
        "x:y",
        timeout=120,
        **ENV,
    )
    assert code == 0, said
    code, said = call("harness", "job", "status", timeout=120, **ENV)
    assert f"CronJob {HOME}/{NAME}: scheduled" in said
    code, said = call("harness", "job", "run", "experiments/null.json", "--image", "x:y", timeout=120, **ENV)
    assert code == 64
    assert "a CronJob is there" in said
    code, said = call("harness", "job", "remove", "--volume", timeout=120, **ENV)
    assert code == 0, said
    assert {kind: len(kube.manifests.everywhere(kind, "")) for kind in install.ROLES} == before


@pytest.mark.parametrize("home", ["airflow", "ingress"])
def test_it_does_not_stand_in_what_it_breaks(home: str) -> None:
    code, said = call(
        "harness", "job", "run", "experiments/null.json", "--image", "x:y", AIRFLOW_CHAOS_JOB_NAMESPACE=home
    )
    assert code == 64, said
    assert f"would stand in {home}" in said
