"""Another release in the place of one: what is due is marked, all get the image, a Job migrates, and what runs is asked
of each pod; whoever comes after a harness that was killed in between brings it to its end."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import leftovers, release
from harness.chaos.aims import Aims
from harness.chaos.context import Context
from harness.errors import FaultError, FaultRefused, UsageError
from harness.experiment import check as check_experiment
from harness.history import History
from harness.judge.faults import targets
from harness.judge.proofs import doubt
from harness.judge.sightings import Sightings
from harness.judge.upgrade import check
from harness.kube import STACK_LABEL, UPGRADED, Kube, KubeError
from harness.kube.releases import UPGRADE, repository
from harness.outcome import Verdict
from harness.safety import Blast
from harness.slo import Bound
from tests.unit.chaos.replacing import acting
from tests.unit.kube.cluster import Json, container, deployment, listing, namespace, pod
from tests.unit.kube.execing import execed
from tests.unit.loopback import Reply, Request
from tests.unit.plans import activity, experiment

NAME = "registry.example/apache/airflow"
OLD, NEW = f"{NAME}:3.2.2-python3.11", f"{NAME}:3.3.2-python3.11"
TAG = "3.3.2-python3.11"
REVISIONS = {OLD: "1d66", NEW: "d2f4"}
OTHER = "registry.example/redis:7"
DEPLOYED = {"api-server": 2, "dag-processor": 1, "redis": 1}
STATEFUL = {"worker": 1}
AIRFLOWS = {"api-server": 2, "dag-processor": 1, "worker": 1}
STACK = "celery-previous"
WIDE = Blast(pods=4, share=1.0, seconds=60)


class Cluster:
    """Three workloads of one release and one of something else. A new image replaces all pods at once. `stays` is a
    workload whose pods do not, `fails` says whether the Job gives up, and from `breaks` on nothing is changed."""

    def __init__(self, *, stays: str = "", fails: bool = False, breaks: str = "", deaf: str = "") -> None:
        self.stays, self.fails, self.breaks, self.deaf = stays, fails, breaks, deaf
        self.images = {name: OTHER if name == "redis" else OLD for name in (*DEPLOYED, *STATEFUL)}
        self.labels = {name: {STACK_LABEL: STACK} for name in self.images}
        self.marks: dict[str, str] = {}
        self.jobs = {"migrate": OLD}
        self.bodies: dict[str, Json] = {}
        self.pods = {
            f"{name}-{n}": (name, self.images[name])
            for name, count in (DEPLOYED | STATEFUL).items()
            for n in range(count)
        }
        self.done: list[str] = []

    def __call__(self, request: Request) -> Reply:
        *_, kind, name = request.path.split("/")
        if name == "exec":
            return self._asked(kind, request.query["command"][-1])
        if request.method in ("PATCH", "POST") and self.breaks == kind:
            return Reply(500, {"kind": "Status", "status": "Failure"})
        if request.method == "PATCH":
            return self._patched(name, request.body)
        if request.method == "POST":
            return self._made(request.body)
        there = {
            "deployments": [self._workload(one) for one in DEPLOYED],
            "statefulsets": [self._workload(one) for one in STATEFUL],
            "pods": [self._pod(one) for one in self.pods],
            "jobs": [self._job(one) for one in self.jobs],
            "nodes": [],
        }
        return Reply(200, listing("Any", there[name]) if name in there else namespace())

    def _asked(self, name: str, script: str) -> Reply:
        image = self.pods[name][1]
        if name == self.deaf:
            return execed(["false"])
        if "alembic_version" in script:
            return execed(["echo", REVISIONS[NEW if NEW in self.jobs.values() and not self.fails else OLD]])
        return execed(["echo", image.rpartition(":")[2].partition("-")[0]])

    def _patched(self, name: str, body: Any) -> Reply:
        said = body["metadata"]
        for word, image in said.get("annotations", {}).items():
            if word == UPGRADE:
                self.done.append(f"mark {name}" if image else f"unmark {name}")
                self.marks = {k: v for k, v in {**self.marks, name: image}.items() if v}
        self.labels[name] |= said.get("labels", {})
        pods = body.get("spec", {}).get("template", {}).get("spec", {})
        for kind, some in pods.items():
            assert [one["name"] for one in some] == ["wait-for-migrations" if kind == "initContainers" else "main"]
        if pods and self.images[name] != pods["containers"][0]["image"]:
            self.images[name] = pods["containers"][0]["image"]
            self.done.append(f"roll {name}")
            if name != self.stays:
                kept = {one: about for one, about in self.pods.items() if about[0] != name}
                count = (DEPLOYED | STATEFUL)[name]
                self.pods = kept | {f"{name}-new-{n}": (name, self.images[name]) for n in range(count)}
        return Reply(200, self._workload(name))

    def _made(self, body: Json) -> Reply:
        name = body["metadata"]["name"]
        assert name not in self.jobs
        self.jobs[name], self.bodies[name] = body["spec"]["template"]["spec"]["containers"][0]["image"], body
        self.done.append(f"job {name}")
        return Reply(201, body)

    def _job(self, name: str) -> Json:
        labels = {"component": "migrate", STACK_LABEL: STACK}
        own = {"controller-uid": "u", "batch.kubernetes.io/job-name": name}
        image = self.jobs[name]
        waiting = {"name": "wait-for-migrations", "image": image}
        spec = {"restartPolicy": "OnFailure", "containers": [{"name": "main", "image": image}]}
        failed = {"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}
        status: Json = {"succeeded": 1} if not (self.fails and image == NEW) else {"conditions": [failed]}
        return {
            "metadata": {"name": name, "namespace": "airflow", "labels": labels},
            "spec": {
                "backoffLimit": 6,
                "template": {"metadata": {"labels": labels | own}, "spec": spec | {"initContainers": [waiting]}},
            },
            "status": status,
        }

    def _workload(self, name: str) -> Json:
        count = (DEPLOYED | STATEFUL)[name]
        raw = deployment(name, name, ready=count, desired=count)
        raw["metadata"] |= {"annotations": {UPGRADE: self.marks[name]} if name in self.marks else {}}
        raw["metadata"]["labels"] = self.labels[name]
        image = self.images[name]
        raw["spec"]["template"]["spec"] = {
            "containers": [{"name": "main", "image": image}, {"name": "beside", "image": OTHER}],
            "initContainers": [{"name": "wait-for-migrations", "image": image}],
        }
        return raw

    def _pod(self, name: str) -> Json:
        workload, image = self.pods[name]
        raw = pod(name, component=workload, containers=[container("main", {"running": {"startedAt": AT}})])
        stateful = workload in STATEFUL
        owner = {"kind": "StatefulSet" if stateful else "ReplicaSet", "uid": "u", "apiVersion": "v1"}
        owner["name"] = workload if stateful else f"{workload}-h"
        raw["metadata"] |= {"ownerReferences": [{**owner, "controller": True}]}
        raw["metadata"]["labels"]["pod-template-hash"] = "h"
        raw["spec"]["containers"][0]["image"] = image
        return raw


AT = "2026-01-01T00:00:00Z"


def standing(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch, blast: Blast = WIDE
) -> AbstractContextManager[Context]:
    return acting(cluster, folder, monkeypatch, DEPLOYED | STATEFUL, blast)


def bring(context: Context, within_s: float = 10.0) -> Any:
    return release.upgrade(context, "airflow", TAG, within_s)


def left(context: Context) -> list[str]:
    return leftovers.find(context.kube, context.settings, context.namespaces)


def repair(context: Context) -> list[str]:
    return leftovers.repair(context.kube, context.settings, context.namespaces)


def doubted(history: History) -> set[str | None]:
    return {doubt(target, Sightings(history)) for target in targets(history)}


ROLLS = [f"roll {name}" for name in ("api-server", "dag-processor", "worker")]
BOUNDS = {name: Bound(name, 60.0, "s", "a test") for name in ("upgrade.migrated", "upgrade.complete")}


def test_it_is_marked_rolled_migrated_and_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    with standing(cluster, tmp_path, monkeypatch) as context:
        bring(context)
        assert cluster.done == ["mark api-server", *ROLLS, "job migrate-upgrade"]
        assert left(context) == ["airflow/api-server is not what it was"]
        assert repair(context) == ["airflow/api-server is not what it was"]
        assert (left(context), repair(context)) == ([], [])
        history = History.read(context.recorder.path)
    assert cluster.done[-1] == "unmark api-server"
    assert len(cluster.done) == 6  # what was done is not done again
    assert cluster.images == {"redis": OTHER, **dict.fromkeys(AIRFLOWS, NEW)}
    assert {cluster.labels[name][STACK_LABEL] for name in AIRFLOWS} == {STACK + UPGRADED}
    assert [f.phase for f in history.faults] == ["begin", *["injected"] * 4, *["proved"] * 4, "ended"]
    assert doubted(history) == {None}
    assert [(one.name, one.verdict) for one in check(history, BOUNDS)] == [(name, Verdict.PASS) for name in BOUNDS]
    assert "1d66 → d2f4" in check(history, BOUNDS)[0].because
    assert "3.2.2 → 3.3.2" in check(history, BOUNDS)[1].because


def test_the_job_is_the_old_one_with_the_new_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    with standing(cluster, tmp_path, monkeypatch) as context:
        bring(context)
    body = cluster.bodies["migrate-upgrade"]
    pods = body["spec"]["template"]
    assert pods["metadata"]["labels"] == {"component": "migrate", STACK_LABEL: STACK}
    assert body["metadata"]["labels"] == {"component": "migrate", STACK_LABEL: STACK + UPGRADED}
    assert [pods["spec"][kind][0]["image"] for kind in ("containers", "initContainers")] == [NEW, NEW]
    assert body["spec"]["backoffLimit"] == 6


@pytest.mark.parametrize(
    "breaks",
    ["deployments", "statefulsets", "airflow", "nothing"],
    ids=["marked", "half of them rolled", "all rolled, and no Job made", "all done"],
)
def test_what_a_killed_harness_had_begun_is_brought_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    """Whatever was the last that it did: the mark, one workload, all of them."""
    cluster = Cluster()
    with standing(cluster, tmp_path, monkeypatch) as context:
        context.kube.change.releases.owe("airflow", NEW)
        cluster.breaks = breaks
        with nullcontext() if breaks == "nothing" else pytest.raises(KubeError):
            context.kube.change.releases.bring("airflow", NEW)
        cluster.breaks = ""
        for found in (["airflow/api-server is not what it was"], []):
            assert leftovers.heal(Kube(context.settings), context.settings, context.namespaces) == found
    assert {cluster.images[name] for name in AIRFLOWS} == {NEW}
    assert cluster.jobs == {"migrate": OLD, "migrate-upgrade": NEW}
    assert sorted(one for one in cluster.done if one.startswith(("roll", "job"))) == ["job migrate-upgrade", *ROLLS]


def test_a_migration_that_gives_up_is_no_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing(Cluster(fails=True, stays="dag-processor"), tmp_path, monkeypatch) as context:
        bring(context, 1.0)
        history = History.read(context.recorder.path)
    assert doubted(history) != {None}
    assert {one.verdict for one in check(history, BOUNDS)} == {Verdict.INVALID}


def test_a_pod_of_the_old_release_is_no_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing(Cluster(stays="worker"), tmp_path, monkeypatch) as context:
        bring(context, 3.0)
        history = History.read(context.recorder.path)
    assert f"not every pod had {NEW} in time" in doubted(history)


def test_who_does_not_say_which_release_it_is_proves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing(Cluster(deaf="dag-processor-new-0"), tmp_path, monkeypatch) as context:
        bring(context)
        history = History.read(context.recorder.path)
    assert doubted(history) == {"airflow/dag-processor-new-0 was not heard to say which release ran after"}


def test_what_would_reach_too_far_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    with standing(cluster, tmp_path, monkeypatch, Blast(pods=3, share=1.0, seconds=60)) as context:
        with pytest.raises(FaultRefused, match="4 pods, and at most 3 may be hit"):
            bring(context)
        assert [one.name for one in release.aimed(context.kube, "airflow", TAG)] == [
            "api-server-0",
            "api-server-1",
            "dag-processor-0",
            "worker-0",
        ]
    assert (cluster.done, cluster.jobs) == ([], {"migrate": OLD})


def test_a_dry_run_says_by_name_what_would_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, step = Cluster(), activity("action", "harness.chaos.actions", "upgrade", tag=TAG, within_s=9.0)
    with standing(cluster, tmp_path, monkeypatch) as context:
        one = check_experiment("x", experiment() | {"method": [step]})
        (aim,) = Aims(one, context.kube, context.settings, ("airflow",)).now()
    names = ("api-server-0", "api-server-1", "dag-processor-0", "worker-0")
    assert str(aim) == f"upgrade: {', '.join(f'airflow/{name}' for name in names)}"
    assert cluster.done == []


def test_what_is_there_already_is_no_aim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        standing(Cluster(), tmp_path, monkeypatch) as context,
        pytest.raises(FaultError, match=r"runs .*:3\.2\.2-python3\.11 already"),
    ):
        release.aimed(context.kube, "airflow", "3.2.2-python3.11")


def test_nothing_that_could_migrate_is_no_ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    cluster.jobs = {}
    with (
        standing(cluster, tmp_path, monkeypatch) as context,
        pytest.raises(FaultError, match="no Job in airflow is labelled component=migrate"),
    ):
        release.aimed(context.kube, "airflow", TAG)


def test_the_release_of_others_is_left_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    with standing(cluster, tmp_path, monkeypatch) as context:
        context.kube.ours = False
        with pytest.raises(UsageError, match="is not ours"):
            release.aimed(context.kube, "airflow", TAG)
    assert cluster.done == []


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("docker.io/apache/airflow:3.3.2", "docker.io/apache/airflow"),
        ("localhost:5000/airflow:1", "localhost:5000/airflow"),
        ("localhost:5000/airflow", ""),
        ("airflow", ""),
        ("a/b:1@sha256:00", ""),
        ("a/b@sha256:00", ""),
        ("", ""),
    ],
)
def test_an_image_is_known_by_its_name_without_its_tag(image: str, name: str) -> None:
    assert repository(image) == name
