"""What is laid down and what is not: refused before anything is changed, replaced when it is over, removed without a
trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import OutOfReach, UsageError
from harness.experiment import check
from harness.job import install, objects
from harness.job.objects import Order
from harness.settings import Settings
from harness.target import Target
from tests.unit.job.cluster import JOBS, Laid, laid
from tests.unit.plans import SELECTOR, activity, experiment

QUIET = experiment(component="none", blast=None) | {"method": []}
IMAGE = "registry.example/harness:k"


def order(folder: Path, raw: dict[str, Any] = QUIET, **more: Any) -> Order:
    path = folder / "small.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    return Order((path,), **{"image": IMAGE, **more})


def nothing(_: str) -> None:
    pass


def test_all_of_it_is_there_afterwards_and_gone_when_it_is_removed(tmp_path: Path) -> None:
    cluster = Laid()
    with laid(tmp_path, cluster) as (settings, _, _):
        assert install.install(order(tmp_path), settings, nothing) == []
        assert set(cluster.kinds) == {
            "Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ConfigMap",
            "PersistentVolumeClaim", "Job",
        }  # fmt: skip
        said = install.remove(settings, nothing, volume=False)
        assert "Job airflow-chaos/airflow-chaos" in said
        assert cluster.kinds == ["Namespace", "PersistentVolumeClaim"]
        install.remove(settings, nothing, volume=True)
        assert cluster.kinds == []
        assert install.remove(settings, nothing, volume=True) == []


def test_a_namespace_that_is_not_ours_stays(tmp_path: Path) -> None:
    cluster = Laid()
    with laid(tmp_path, cluster) as (settings, _, _):
        install.install(order(tmp_path), settings, nothing)
        cluster.objects["/api/v1/namespaces/airflow-chaos"]["metadata"]["labels"] = {}
        install.remove(settings, nothing, volume=True)
        assert cluster.kinds == ["Namespace"]


def test_nothing_is_laid_down_where_faults_are_not_allowed(tmp_path: Path) -> None:
    cluster = Laid(allowed=False)
    with laid(tmp_path, cluster) as (settings, _, server):
        with pytest.raises(UsageError, match="not labelled airflow-chaos/allow=true"):
            install.install(order(tmp_path), settings, nothing)
        assert {one.method for one in server.asked} == {"GET"}


@pytest.mark.parametrize("home", ["airflow", "ingress", "airflow-chaos-ledger"])
def test_it_does_not_stand_in_what_it_breaks_or_believes(tmp_path: Path, home: str) -> None:
    with laid(tmp_path, Laid()) as (settings, kube, server):
        there = settings.model_copy(update={"job_namespace": home})
        with pytest.raises(UsageError, match=f"would stand in {home}"):
            install.aim(there, kube)
        with pytest.raises(UsageError, match=f"would stand in {home}"):
            install.install(order(tmp_path), there, nothing)
        assert {one.method for one in server.asked} == {"GET"}


def test_an_experiment_about_its_own_namespace_is_refused(tmp_path: Path) -> None:
    with laid(tmp_path, Laid()) as (settings, _, server):
        with pytest.raises(UsageError, match="small is about airflow-chaos, where the harness itself would stand"):
            install.install(
                order(
                    tmp_path,
                    QUIET
                    | {"extensions": experiment(component="none", blast=None, watch=["airflow-chaos"])["extensions"]},
                ),
                settings,
                nothing,
            )
        assert {one.method for one in server.asked} == {"GET"}


def test_what_cannot_be_done_there_is_named_and_alone_it_is_refused(tmp_path: Path) -> None:
    there = Settings(
        target=Target(
            name="t",
            context="c",
            namespace="airflow",
            url="http://10.0.0.1",
            login={"secret": "s", "key": "k"},
            ledger={"host": "10.0.0.2", "port": 1},
        )
    )
    off = activity("action", "harness.chaos.actions", "stop_node", selector=SELECTOR, hold_s=10)
    kills = check("kills", experiment(blast={"pods": 9, "share": 1, "nodes": 1, "seconds": 60}) | {"method": [off]})
    quiet = check("quiet", QUIET)
    can, skipped = install.sorted_out([kills, quiet], there)
    assert can == [quiet]
    assert len(skipped) == 1
    assert skipped[0].startswith("kills: the target t: stop_node needs ")
    with pytest.raises(OutOfReach, match=r"nothing of this can be run in the cluster: kills: the target t"):
        install.sorted_out([kills], there)


def test_a_node_that_is_not_there_and_an_image_that_no_node_has_are_refused(tmp_path: Path) -> None:
    with laid(tmp_path, Laid()) as (settings, _, server):
        with pytest.raises(UsageError, match="there is no node moon; there are: control-plane, worker"):
            install.install(order(tmp_path, node="moon"), settings, nothing)
        assert {one.method for one in server.asked} == {"GET"}
    target = Target(name="t", context="c", namespace="airflow")
    with pytest.raises(UsageError, match="name it with --image"):
        install._nodes(Settings(target=target))


def test_a_job_at_work_is_left_alone_and_one_that_ended_is_replaced(tmp_path: Path) -> None:
    cluster = Laid()
    with laid(tmp_path, cluster) as (settings, kube, _):
        install.install(order(tmp_path), settings, nothing)
        job = cluster.objects[f"{JOBS}/airflow-chaos"]
        assert install.look(kube.manifests, "airflow-chaos").state == "waiting"
        cluster.pod("p-1", job["metadata"]["uid"], "Running")
        with pytest.raises(UsageError, match=r"already at work \(p-1\)"):
            install.install(order(tmp_path), settings, nothing)
        job["status"] = {"conditions": [{"type": "Failed", "status": "True", "message": "exit code 1"}]}
        install.install(order(tmp_path), settings, nothing)
        assert "status" not in cluster.objects[f"{JOBS}/airflow-chaos"]


def test_a_job_beside_a_cronjob_is_refused_and_a_new_schedule_is_not(tmp_path: Path) -> None:
    cluster = Laid()
    with laid(tmp_path, cluster) as (settings, kube, _):
        install.install(order(tmp_path, schedule="0 3 * * *"), settings, nothing)
        seen = install.look(kube.manifests, "airflow-chaos")
        assert (seen.kind, seen.state, seen.because) == ("CronJob", "scheduled", "0 3 * * *")
        with pytest.raises(UsageError, match="a CronJob is there"):
            install.install(order(tmp_path), settings, nothing)
        install.install(order(tmp_path, schedule="@daily"), settings, nothing)
        assert install.look(kube.manifests, "airflow-chaos").because == "@daily"


def test_rights_that_are_no_longer_needed_are_taken_back(tmp_path: Path) -> None:
    cluster = Laid()
    with laid(tmp_path, cluster) as (settings, kube, _):
        wide = {
            "apiVersion": "v1", "kind": "Role",
            "metadata": {"name": objects.ACCOUNT, "namespace": "kube-system", "labels": objects.MANAGED},
        }  # fmt: skip
        kube.manifests.apply(wide)
        theirs = {**wide, "metadata": {"name": "airflow-chaos", "namespace": "kube-system", "labels": {}}}
        kube.manifests.apply(theirs)
        install.install(order(tmp_path), settings, nothing)
        left = [path for path in cluster.objects if "/kube-system/" in path]
        assert left == ["/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/airflow-chaos"]


def test_what_stands_there_is_said_of_the_newest_pod(tmp_path: Path) -> None:
    cluster = Laid()
    with laid(tmp_path, cluster) as (settings, kube, _):
        assert install.look(kube.manifests, "airflow-chaos").state == "none"
        install.install(order(tmp_path), settings, nothing)
        job = cluster.objects[f"{JOBS}/airflow-chaos"]
        uid = job["metadata"]["uid"]
        cluster.pod("old", uid, "Failed")
        cluster.pod("of-another", "another", "Running")
        pulls = {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
        cluster.pod("new", uid, "Pending", containerStatuses=[pulls])
        seen = install.look(kube.manifests, "airflow-chaos")
        assert (seen.pod, seen.state, seen.because, seen.node) == ("new", "waiting", "no such image", "control-plane")
        ended = {"state": {"terminated": {"exitCode": 2}}}
        cluster.pod("newest", uid, "Failed", containerStatuses=[ended])
        cluster.log = ["INVALID a", "INVALID over 1 experiments"]
        job["status"] = {"conditions": [{"type": "Failed", "status": "True", "message": "it failed"}]}
        seen = install.look(kube.manifests, "airflow-chaos")
        assert (seen.state, seen.code, seen.because) == ("ended", 2, "it failed")
        assert seen.lines == ("INVALID a", "INVALID over 1 experiments")
