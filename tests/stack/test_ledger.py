"""A ledger beside an Airflow of others, and the DAGs as a package: what a pod signs there is read here, and nothing of
it stays. The standing stack plays the Airflow; its own ledger is another one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from harness import dagfiles, ledgers
from harness.kube import Kube
from harness.ledger import Ledger
from harness.observe.ledger import STREAM, mark_of
from harness.settings import ROOT, Settings
from harness.stack import recipes
from harness.stack.access import open_access
from harness.stack.kubectl import control_plane, kubectl
from harness.target import Target
from harness.wait import until
from tests.stack.test_commands import call

pytestmark = [pytest.mark.stack, pytest.mark.foreign]
HOME = "airflow-chaos-ledger-test"
ENV = {"AIRFLOW_CHAOS_LEDGER_NAMESPACE": HOME}
SIGNER = "airflow-chaos-signer"
SIGNS = """
from types import SimpleNamespace as Some
from uuid import UUID
from ledger_marks import attempt
task = Some(id=UUID(int=7), task_id="work", map_index=-1, try_number=1)
with attempt({"ti": task, "dag_run": Some(run_id="test-1")}):
    pass
"""


@pytest.fixture
def there(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """The standing stack, as a file describes it; whatever becomes of the test, nothing of it stays."""
    url = open_access(settings, Kube(settings)).base_url
    target = settings.aim.model_copy(update={"name": "ledger-test", "url": url, "ledger": None, "nodes": "closed"})
    found = settings.model_copy(update={"target": target, "ledger_namespace": HOME})
    yield found
    manifests = Kube(found).manifests
    manifests.delete("Pod", settings.namespace, SIGNER)
    manifests.delete("ConfigMap", settings.namespace, dagfiles.NAME)
    ledgers.remove(found)


def file(folder: Path, target: Target) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(target.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    return path


def signer(settings: Settings) -> dict[str, Any]:
    """A pod like that of a task, which has the DAGs of the package and the ledger's URL from the Secret."""
    pod: dict[str, Any] = yaml.safe_load(
        (ROOT / "deploy" / "components" / "kubernetes" / "pod.yaml").read_text(encoding="utf-8")
    )
    pod["metadata"] = {"name": SIGNER, "namespace": settings.namespace}
    (container,) = pod["spec"]["containers"]
    del container["envFrom"]
    container["image"] = recipes.load().images["airflow"].published
    container["command"] = ["python", "-c", SIGNS]
    secret = {"secretKeyRef": {"name": ledgers.SECRET, "key": ledgers.URL}}
    container["env"] = [
        {"name": ledgers.VARIABLE, "valueFrom": secret},
        {"name": "PYTHONPATH", "value": "/opt/airflow/dags"},
    ]
    (dags,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "dags"]
    dags["configMap"] = {"name": dagfiles.NAME}
    return pod


def sign(settings: Settings, kube: Kube) -> None:
    about = yaml.safe_load(dagfiles.config_map())
    about["metadata"]["namespace"] = settings.namespace
    kube.manifests.apply(about)
    kube.manifests.apply(signer(settings))

    def phase() -> str:
        return str((kube.manifests.read("Pod", settings.namespace, SIGNER) or {})["status"].get("phase"))

    ended = until(
        phase, lambda said: said in ("Succeeded", "Failed"), what="the end of the pod that signs", timeout=120
    )
    assert ended == "Succeeded", kube.manifests.log(settings.namespace, SIGNER, 50)


@contextmanager
def forwarded(settings: Settings) -> Iterator[str]:
    """The address at which the ledger answers meanwhile, by the command that `install` prints: from the node, since it
    has kubectl, and this machine need not."""
    node = control_plane(settings)
    words = f"kubectl --kubeconfig=/etc/kubernetes/admin.conf --namespace={HOME} port-forward --address=0.0.0.0"
    until_told = f"{words} service/{ledgers.NAME} {ledgers.HERE}:{ledgers.PORT} & cat; kill $!"
    line = subprocess.Popen(
        ["docker", "exec", "--interactive", node, "sh", "-c", until_told],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    path = "--output=jsonpath={.status.addresses[?(@.type=='InternalIP')].address}"
    assert line.stdin
    assert line.stdout
    try:
        assert line.stdout.readline().startswith("Forwarding from")
        yield kubectl(settings, "get", "node", node, path).strip()
    finally:
        line.stdin.close()
        line.stdout.close()
        line.wait(30)


def test_what_a_pod_signs_is_read_and_nothing_stays(there: Settings, kube: Kube, tmp_path: Path) -> None:
    target = there.target
    assert target
    path = file(tmp_path, target)
    code, said = call("harness", "ledger", "install", "--target", str(path), timeout=300, **ENV)
    assert code == 0, said
    password = kube.secret(there.namespace, ledgers.SECRET)[ledgers.PASSWORD]
    assert password not in said
    sign(there, kube)

    with forwarded(there) as host:
        at = ledgers.seen_from_here().model_copy(update={"host": host})
        reached = there.model_copy(update={"target": target.model_copy(update={"ledger": at})})
        ledger = open_access(reached, kube).ledger
        assert ledger

        def signed() -> list[tuple[str, str]]:
            marks = [mark_of(fields, 0)[1] for _, fields in ledger.connect(5).xrange(STREAM)]
            return [(mark.dag_run, mark.mark) for mark in marks]

        assert signed() == [("test-1", "start"), ("test-1", "end")]
        with pytest.raises(redis.AuthenticationError):
            Ledger(at.port, "wrong", at.host).connect(5).ping()

        code, said = call("harness", "ledger", "install", "--target", str(path), timeout=300, **ENV)
        assert code == 0, said
        assert kube.secret(there.namespace, ledgers.SECRET)[ledgers.PASSWORD] == password
        assert len(signed()) == 2  # by the same pod

    code, said = call("harness", "ledger", "remove", "--target", str(path), timeout=300, **ENV)
    assert code == 0, said
    assert kube.manifests.read("Namespace", "", HOME) is None
    assert kube.secret(there.namespace, ledgers.SECRET) == {}
    code, said = call("harness", "ledger", "remove", "--target", str(path), timeout=60, **ENV)
    assert (code, said.strip()) == (0, "nothing was there")


def test_the_ledger_of_our_own_stack_is_not_taken_for_it(there: Settings, tmp_path: Path) -> None:
    assert there.target
    code, said = call("harness", "ledger", "install", "--target", str(file(tmp_path, there.target)), timeout=60)
    assert code == 64, said
    assert "exists and is not a ledger of airflow" in said


def test_what_airflow_has_read_is_of_this_version(settings: Settings, kube: Kube) -> None:
    door = open_access(settings, kube).airflow(10)
    try:
        ours = [dag for dag in door.dags() if "airflow-chaos" in dag.words]
    finally:
        door.close()
    assert {"chaos_workload", "chaos_noop", "sched_interval"} <= {dag.dag_id for dag in ours}
    assert {dagfiles.version_in(dag.words) for dag in ours} == {dagfiles.tag()}
