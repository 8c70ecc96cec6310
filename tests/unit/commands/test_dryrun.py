"""A dry run says by name what would be hit, asks for nothing but answers, and is refused where the run would be."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import calibrate, dagfiles
from harness.commands.dryrun import dry_run
from harness.errors import UsageError
from harness.experiment import load
from harness.settings import ROOT, Settings
from tests.unit.kube.cluster import MESH, Json, deployment, listing, namespace, pod, settings_for
from tests.unit.kube.coordination import REVIEWS, reviewed
from tests.unit.loopback import Reply, Request, Server, serving
from tests.unit.test_airflow import airflow_like

KILL = ROOT / "experiments" / "scheduler-kill.json"
NOTHING = ROOT / "experiments" / "null.json"
DAGS = ("chaos_noop", "chaos_triggered", "chaos_workload")


def dags(*tags: str) -> Json:
    bear = [{"name": tag, "dag_id": "d"} for tag in ("airflow-chaos", *tags)]
    found = [{"dag_id": name, "is_paused": True, "tags": bear} for name in DAGS]
    return {"/api/v2/dags": {"dags": found, "total_entries": len(found)}}


AIRFLOW = dags(dagfiles.tag())


@dataclass
class Cluster:
    """A cluster of others that lets us in, with an Airflow behind a load balancer."""

    airflow: str = ""
    allow: str = "true"
    ready: int = 2

    def __call__(self, request: Request) -> Reply:
        if request.path == REVIEWS:
            return reviewed(request, lambda _: True)
        if request.path.startswith(MESH):
            return Reply(404, {"kind": "Status"})
        return Reply(200, self._known(request.path))

    def _known(self, path: str) -> Json:
        secret = {"kind": "Secret", "data": {"admin-password": base64.b64encode(b"pw").decode()}}
        service = {"kind": "Service", "status": {"loadBalancer": {"ingress": [{"ip": self.airflow}]}}}
        schedulers = [deployment("scheduler", "scheduler", ready=self.ready, desired=2)]
        answers: dict[str, Json] = {
            "pods": listing("Pod", [pod("scheduler-1"), pod("scheduler-2")]),
            "deployments": listing("Deployment", schedulers),
            "statefulsets": listing("StatefulSet", []),
            "airflow-secrets": secret,
            "ingress": service if "services" in path else namespace("ingress", allow=self.allow),
            "airflow": namespace(allow=self.allow),
            "version": {"gitVersion": "v1.37.0", "major": "1", "minor": "37"}
            | dict.fromkeys(("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), "x"),
        }
        return answers[path.rstrip("/").rpartition("/")[2]]


Stand = tuple[Cluster, Settings, list[Server]]


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setattr(calibrate, "known", lambda _: object())
    cluster = Cluster()
    answers = airflow_like(lambda request: Reply(200, AIRFLOW[request.path]))
    open_to_all = Reply(200, {"version": "3.3.2"})
    with (
        serving(lambda r: open_to_all if r.path == "/api/v2/version" else answers(r)) as airflow,
        serving(cluster) as kube,
    ):
        cluster.airflow = airflow.url.removeprefix("http://")
        settings = settings_for(tmp_path, kube.url, context="staging")
        yield cluster, settings.model_copy(update={"reports": tmp_path / "reports"}), [airflow, kube]


def asked_only(servers: list[Server]) -> None:
    asked = {(r.method, r.path) for server in servers for r in server.asked if r.method != "GET"}
    assert asked <= {("POST", "/auth/token"), ("POST", REVIEWS)}


def test_it_says_what_would_be_hit_owed_and_taken_and_touches_nothing(stand: Stand) -> None:
    _, settings, servers = stand
    lines = dry_run(KILL, settings)
    assert lines[0].startswith("scheduler-kill on celery, context staging (http://127.0.0.1:")
    assert "would hit: kill_pods: airflow/scheduler-1, airflow/scheduler-2" in lines
    assert "nodes: entered by docker exec" in lines
    assert f"at most: {load(KILL).plan.blast}" in lines
    assert any(line.startswith("owes: tasks.lost at most 0") for line in lines)
    assert any(line.startswith("takes: at most about ") and "fault 60" in line for line in lines)
    assert lines[-1] == "nothing was touched"
    asked_only(servers)
    assert not settings.reports.exists()
    assert sorted(path.name for path in settings.cache.iterdir()) == ["kubeconfig"]


def test_where_nothing_is_broken_nothing_would_be_hit(stand: Stand) -> None:
    _, settings, servers = stand
    lines = dry_run(NOTHING, settings)
    assert "would hit: nothing" in lines
    assert not [line for line in lines if line.startswith("nodes")]
    asked_only(servers)


def test_the_seed_is_that_of_the_settings(stand: Stand) -> None:
    _, settings, _ = stand
    for seed in (3, 4):
        assert dry_run(KILL, settings.model_copy(update={"seed": seed}))[0].endswith(f"seed {seed}")


def test_it_is_refused_where_the_run_would_be(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, settings, servers = stand
    cluster.ready = 1
    with pytest.raises(UsageError, match="scheduler 1/2 Ready"):
        dry_run(KILL, settings)
    cluster.ready, cluster.allow = 2, "false"
    with pytest.raises(UsageError, match="is not labelled airflow-chaos/allow=true"):
        dry_run(KILL, settings)
    cluster.allow = "true"
    text = KILL.read_text(encoding="utf-8").replace('"pods": 2', '"pods": 1')
    narrow = tmp_path / "scheduler-kill.json"
    narrow.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="kill_pods would hit 2 pods, and at most 1 may be hit"):
        dry_run(narrow, settings)
    shutil.copy(KILL, tmp_path / "unbound.json")
    with pytest.raises(UsageError, match="no experiment 'unbound'"):
        dry_run(tmp_path / "unbound.json", settings)
    monkeypatch.setattr(calibrate, "known", lambda _: None)
    with pytest.raises(UsageError, match="run harness calibrate"):
        dry_run(KILL, settings)
    asked_only(servers)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ((), "chaos_workload that Airflow knows is without a version"),
        (("airflow-chaos-v00000000",), "chaos_workload that Airflow knows is airflow-chaos-v00000000"),
    ],
)
def test_a_load_of_another_version_is_refused(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tags: tuple[str, ...], said: str
) -> None:
    _, settings, servers = stand
    monkeypatch.setitem(AIRFLOW, "/api/v2/dags", dags(*tags)["/api/v2/dags"])
    with pytest.raises(UsageError, match=said) as caught:
        dry_run(NOTHING, settings)
    assert dagfiles.tag() in str(caught.value)
    assert "harness dags export" in str(caught.value)
    asked_only(servers)
