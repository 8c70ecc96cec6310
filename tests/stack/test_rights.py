"""A harness that may do no more than its Role allows, and needs all of it.

A ServiceAccount gets what `harness rbac` prints for some experiments, and nothing else. One of them runs to its end so;
what it asks the API for is compared with what it was given. Then each right is taken away in turn.
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

from harness import rights
from harness.errors import UsageError
from harness.experiment import Experiment, load
from harness.kube import Kube, Right
from harness.outcome import Verdict
from harness.preflight import enter
from harness.run import conduct
from harness.settings import ROOT, Settings
from harness.stack.kubectl import kubectl
from harness.testing.selection import cases
from harness.wait import until
from tests.stack.test_commands import call

pytestmark = pytest.mark.stack
HOME, NAME = "airflow-chaos-test", "rights-test"
RUN = ROOT / "experiments" / "scheduler-kill.json"
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?"
    r"(?:/(?P<resource>[a-z0-9]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[a-z]+))?)?)?"
)


def quick() -> list[Experiment]:
    return [load(case.path) for case in cases() if case.quick]


def every_role() -> list[Any]:
    """One run is enough for each change; those of all roles take half an hour."""
    return [pytest.param(one, id=one.name, marks=[] if one.name == RUN.stem else pytest.mark.roles) for one in quick()]


def give(settings: Settings, limited: Settings, some: list[Right]) -> None:
    """The account gets these rights in the place of those that it had, and the cluster knows it."""
    kubectl(settings, "apply", "--filename=-", stdin=rights.manifests(some, f"{HOME}/{NAME}"))
    every, kube = rights.needed(quick(), settings), Kube(limited)
    wanted = [right for right in every if not covered(right, some)]
    until(lambda: kube.denied(every), lambda denied: denied == wanted, what="the rights in force", timeout=20)


def take_all(settings: Settings) -> None:
    for namespace in {right.namespace for right in rights.needed(quick(), settings)}:
        kind, where = ("role", [f"--namespace={namespace}"]) if namespace else ("clusterrole", [])
        kubectl(settings, "delete", f"{kind}/{NAME}", f"{kind}binding/{NAME}", *where, "--ignore-not-found")


@pytest.fixture(scope="module")
def account(settings: Settings) -> Iterator[str]:
    """A token of the account, which may do nothing yet."""
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
    kubectl(settings, "apply", "--filename=-", stdin=json.dumps(home))
    kubectl(settings, "apply", "--filename=-", stdin=rights.manifests([], f"{HOME}/{NAME}"))
    try:
        yield kubectl(settings, "create", "token", NAME, f"--namespace={HOME}", "--duration=2h").strip()
    finally:
        take_all(settings)
        kubectl(settings, "delete", "namespace", HOME, "--wait=false")


@pytest.fixture
def limited(settings: Settings, account: str, tmp_path: Path) -> Settings:
    """Our cluster, as the account sees it; calibrated as before."""
    there = settings.model_copy(update={"cache": tmp_path / "cache", "reports": tmp_path / "reports"})
    there.cache.mkdir()
    (there.cache / "calibration.json").symlink_to(settings.cache / "calibration.json")
    config: dict[str, Any] = yaml.safe_load(settings.kubeconfig.read_text(encoding="utf-8"))
    for user in config["users"]:
        user["user"] = {"token": account}
    there.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
    return there


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[Right]:
    """The rights that calls of this process need, as they are made."""
    found: set[Right] = set()
    send = client.ApiClient.call_api

    def recorded(self: client.ApiClient, method: str, url: str, *rest: Any, **named: Any) -> Any:
        found.update(used(method, url.removeprefix(self.configuration.host)))
        return send(self, method, url, *rest, **named)

    monkeypatch.setattr(client.ApiClient, "call_api", recorded)
    return found


def used(method: str, url: str) -> Iterator[Right]:
    path, _, query = url.partition("?")
    match = PATH.fullmatch(path)
    if match is None or "authorization.k8s.io" in path:  # what everybody may ask
        return
    group, namespace, resource, name, sub = match.group("group", "namespace", "resource", "name", "sub")
    if resource is None and namespace is None:  # whether there is such an API
        return
    if resource is None:
        resource, name = "namespaces", namespace
    verb = VERBS.get(method) or ("watch" if "watch=" in query else "get" if name else "list")
    kind = f"{resource}/{sub}" if sub else resource
    yield Right(namespace or "", group or "", kind, verb, name or "")


def covered(one: Right, by: list[Right]) -> bool:
    return one in by or one._replace(name="") in by


@pytest.mark.parametrize("experiment", every_role())
def test_a_run_needs_exactly_what_its_role_gives(
    limited: Settings, settings: Settings, asked: set[Right], experiment: Experiment
) -> None:
    """The server refuses whatever was not given; and what was given is all used, but for the guard's right, which
    clusters of others are asked with."""
    given = rights.needed([experiment], settings)
    give(settings, limited, given)
    result = conduct(ROOT / "experiments" / f"{experiment.name}.json", limited)
    assert result.outcome.verdict is Verdict.PASS, result.folder
    assert not [right for right in asked if not covered(right, given)]
    used_ones = asked | {right._replace(name="") for right in asked}
    assert {(right.verb, right.resource) for right in given if right not in used_ones} <= {("get", "namespaces")}


@pytest.mark.parametrize("right", rights.needed(quick(), Settings()), ids=str)
def test_each_right_that_is_taken_away_is_named(limited: Settings, settings: Settings, right: Right) -> None:
    give(settings, limited, [one for one in rights.needed(quick(), settings) if one != right])
    for experiment in (one for one in quick() if right in rights.needed([one], settings)):
        with pytest.raises(UsageError, match=re.escape(f"does not let us {right}; have")):
            enter(experiment, limited)


def test_all_that_are_missing_are_named_at_once_and_nothing_is_touched(limited: Settings, settings: Settings) -> None:
    take_all(settings)
    give(settings, limited, [])
    code, said = call("harness", "run", str(RUN), AIRFLOW_CHAOS_CACHE=str(limited.cache))
    assert code == 64, said
    assert all(str(right) in said for right in rights.needed([load(RUN)], settings)), said
    assert not limited.reports.exists()
