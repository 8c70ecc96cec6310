"""Which deployment `harness audit` looks at, and whose runs count for it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from harness.commands.auditing import audit
from harness.errors import UsageError
from harness.history import History
from harness.outcome import Outcome, Verdict
from harness.trends.trend import keep
from tests.unit.audit import objects
from tests.unit.builders import meta

Json = dict[str, Any]


def released(name: str) -> list[Json]:
    """The Deployments of Airflow, as a release of this name has them."""
    made = copy.deepcopy([one for one in objects.deployment().values() if one["kind"] == "Deployment"])
    for one in made:
        one["metadata"]["name"] = f"{name}-{one['metadata']['name']}"
        for labels in (one["metadata"]["labels"], one["spec"]["template"]["metadata"]["labels"]):
            labels["release"] = name
    return made


def write(tmp_path: Path, *names: str) -> Path:
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all([one for name in names for one in released(name)]), encoding="utf-8")
    return path


def states(path: Path, capsys: pytest.CaptureFixture[str], namespace: str = "") -> dict[str, str]:
    with pytest.raises(typer.Exit):
        audit(path, namespace=namespace, form="json")
    return {one["rule"]: one["state"] for one in json.loads(capsys.readouterr().out)}


def test_several_releases_are_refused_until_one_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "etl", "ml")
    with pytest.raises(UsageError, match=r"several releases .*say --namespace=data/etl or --namespace=data/ml"):
        audit(path, namespace="data")
    assert states(path, capsys, "data/ml")
    with pytest.raises(UsageError, match="there is no Airflow"):
        audit(path, namespace="data/other")


@pytest.mark.parametrize(("release", "state"), [("celery", "to be shown"), ("etl", "shown")])
def test_runs_on_a_stack_of_ours_show_nothing_of_a_release_of_that_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, release: str, state: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CHAOS_REPORTS", str(tmp_path / "reports"))
    outcome = Outcome(run_id="a", experiment="webserver-kill", stack=release, verdict=Verdict.PASS, checks=())
    keep(History.of([meta(wall="2999-01-01T00:00:00.000Z", run_id="a")]), outcome, tmp_path / "reports")
    assert states(write(tmp_path, release), capsys)["api-server-alone"] == state
