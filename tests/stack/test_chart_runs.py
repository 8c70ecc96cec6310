"""Runs against a deployment that is not ours: the look-alike of the official chart with two of each, alone on the
cluster, by an account that has the Role of `harness rbac` and no more.

What its owner does is what docs/target.md asks for, command by command. Each run leaves its verdict below
`reports/chart`, of which docs/chart.md tells (`python -m tests.stack.chart_page`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import dagfiles, ledgers, rights
from harness.chaos.undoing import wait_until_whole
from harness.experiment import load
from harness.kube import Kube
from harness.outcome import Outcome, Verdict
from harness.settings import Settings
from harness.stack.kubectl import kubectl
from harness.target import Agent, LedgerAt, Login, Target, written
from harness.target.file import read
from harness.testing.selection import cases
from tests.stack import chart
from tests.stack.test_commands import call
from tests.stack.test_ledger import ENV as LEDGER
from tests.stack.test_ledger import HOME, forwarded

pytestmark = [pytest.mark.stack, pytest.mark.foreign, pytest.mark.long]
VARIANT = "chart-like-ha"
AGENTS = "airflow-chaos-agent-test"
RUNNER = f"{chart.NAMESPACE}/runner"
ENV = LEDGER | {"CHART_PASSWORD": "admin"}
ALLOWED = {"airflow-chaos/allow": "true"}
# What is about an ingress or a database of ours: the chart has neither an ingress controller nor these labels.
NOT_THERE = frozenset({"ingress-kill", "metadata-db-restart", "broker-restart"})
QUICK = tuple(case.path for case in cases() if case.quick and case.path.stem not in NOT_THERE)
# A run whose load or fault was not as it should have been says nothing about the chart.
OWED = ("evidence.fault", "evidence.complete")


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Two cores carry one Airflow at a time, so ours has no pods meanwhile."""
    ours = [(name, what) for name in settings.aim.namespaces for what in ("deployments", "statefulsets")]
    before = {where: _replicas(settings, *where) for where in ours}
    try:
        for (namespace, kind), found in before.items():
            for name in found:
                kubectl(settings, "scale", f"{kind}/{name}", "--replicas=0", f"--namespace={namespace}")
        yield
    finally:
        for (namespace, kind), found in before.items():
            for name, count in found.items():
                kubectl(settings, "scale", f"{kind}/{name}", f"--replicas={count}", f"--namespace={namespace}")
        wait_until_whole(Kube(settings), settings.namespace, 300)


def _replicas(settings: Settings, namespace: str, kind: str) -> dict[str, int]:
    raw = json.loads(kubectl(settings, "get", kind, f"--namespace={namespace}", "--output=json"))
    return {one["metadata"]["name"]: one["spec"]["replicas"] for one in raw["items"]}


def namespace(settings: Settings, name: str, **labels: str) -> None:
    raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": ALLOWED | labels}}
    kubectl(settings, "apply", "--filename=-", stdin=json.dumps(raw))


def values() -> dict[str, Any]:
    """What `harness dags export` and `harness ledger install` say to put into values.yaml."""
    head = [line[1:].removeprefix(" ") for line in dagfiles.config_map().splitlines() if line.startswith("#")]
    mounts: dict[str, Any] = yaml.safe_load("\n".join(head).split("\n\n", 1)[1])
    reads = {"envName": ledgers.VARIABLE, "secretName": ledgers.SECRET, "secretKey": ledgers.URL}
    return mounts | {"secret": [reads]}


@dataclass(frozen=True)
class Given:
    """What the owner of the look-alike has: the cluster as its administrator, and the target's file."""

    settings: Settings
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "mine.yaml"

    def put(self, target: Target) -> None:
        self.file.write_text(written(target, ()), encoding="utf-8")

    def harness(self, *words: str, timeout: float = 300, **env: str) -> str:
        code, said = call("harness", *words, timeout=timeout, **(ENV | env))
        assert code == 0, said
        return said

    def prepare(self) -> None:
        """The namespaces, the ledger and the DAGs, before Airflow's pods come, which need both."""
        namespace(self.settings, chart.NAMESPACE)
        namespace(self.settings, AGENTS, **{"pod-security.kubernetes.io/enforce": "privileged"})
        aim = self.settings.aim
        there = {"name": "chart", "namespace": chart.NAMESPACE, "context": aim.context, "kubeconfig": aim.kubeconfig}
        self.put(Target.model_validate(there))
        self.harness("ledger", "install", "--target", str(self.file))
        dags = self.harness("dags", "export", "--format", "configmap")
        kubectl(self.settings, "apply", f"--namespace={chart.NAMESPACE}", "--filename=-", stdin=dags)

    def aim(self, host: str) -> None:
        """The file that `discover` writes, completed by hand, with a kubeconfig of an account that may do what
        `harness rbac` prints and nothing else."""
        aim = self.settings.aim
        where = ("--context", aim.context, "--namespace", chart.NAMESPACE, "--kubeconfig", aim.kubeconfig)
        self.harness("target", "discover", *where, "--output", str(self.file), "--force")
        found = read(self.file)
        completed = {
            "name": "chart",
            "login": Login(env="CHART_PASSWORD"),
            "ledger": LedgerAt(host=host, port=ledgers.HERE, secret=ledgers.SECRET, key=ledgers.PASSWORD),
            "nodes": "agent",
            "agent": Agent(namespace=AGENTS),
            "machine": "here",
        }
        target = found.model_copy(update=completed)
        self.put(target)
        asked = rights.needed([load(path) for path in QUICK], Settings.of(target=str(self.file)))
        kubectl(self.settings, "apply", "--filename=-", stdin=rights.manifests(asked, RUNNER))
        limited = chart.kubeconfig(self.settings, self.folder / "kubeconfig", RUNNER)
        self.put(target.model_copy(update={"kubeconfig": str(limited)}))


@pytest.fixture(scope="module")
def given(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    found = Given(settings, tmp_path_factory.mktemp("chart"))
    try:
        with alone(settings):
            chart.up(settings, VARIANT, values(), found.prepare)
            with forwarded(settings) as host:
                found.aim(host)
                yield found
    finally:
        kubectl(settings, "delete", "namespace", AGENTS, HOME, "--ignore-not-found")
        chart.down(settings)


@pytest.mark.parametrize("path", QUICK, ids=lambda path: path.stem)
def test_a_run_is_judged_as_one_of_ours_is(given: Given, path: Path) -> None:
    reports = given.settings.reports / "chart"
    code, said = call(
        "harness", "run", str(path), "--target", str(given.file), timeout=600, AIRFLOW_CHAOS_REPORTS=str(reports), **ENV
    )
    assert code in {verdict.exit_code for verdict in Verdict}, said
    newest = max(reports.glob(f"{path.stem}-*/verdict.json"))
    outcome = Outcome.load(newest)
    assert code == outcome.verdict.exit_code, said
    checks = {check.name: check.verdict for check in outcome.checks}
    assert {name: checks[name] for name in OWED} == dict.fromkeys(OWED, Verdict.PASS), said


def test_the_account_sees_no_other_namespace(given: Given) -> None:
    where = ("--context", given.settings.aim.context, "--namespace", given.settings.namespace)
    code, said = call("harness", "audit", *where, "--kubeconfig", str(given.folder / "kubeconfig"))
    assert code == 64, said
    assert "may not be listed" in said
