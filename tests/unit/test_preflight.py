"""Who may come in, and what a history says of the suite that recorded it."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import rights
from harness.errors import UsageError
from harness.experiment import check
from harness.kube import Right
from harness.preflight import enter, suite_version
from harness.settings import Settings
from tests.unit.kube.cluster import settings_for
from tests.unit.kube.coordination import REVIEWS, reviewed
from tests.unit.loopback import Reply, Request, Server, serving
from tests.unit.plans import experiment

RELEASED = version("airflow-chaos")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "harness").mkdir()
    for name in ("slo.yaml", "harness/judge.py", "README.md"):
        (tmp_path / name).write_text("then", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_stands_behind_the_version(repository: Path) -> None:
    here = f"{RELEASED}+{git(repository, 'rev-parse', '--short=8', 'HEAD')}"
    assert suite_version(repository) == here
    (repository / "README.md").write_text("now", encoding="utf-8")
    assert suite_version(repository) == here
    (repository / "harness" / "judge.py").write_text("now", encoding="utf-8")
    assert suite_version(repository) == f"{here}.changed"


def test_a_folder_inside_of_another_repository_has_no_commit(repository: Path) -> None:
    assert suite_version(repository / "harness") == RELEASED


def test_where_git_cannot_tell_the_version_is_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere", encoding="utf-8")
    assert suite_version(tmp_path) == RELEASED
    monkeypatch.setenv("PATH", str(tmp_path))
    assert suite_version(tmp_path) == RELEASED


OURS = "kind-airflow-chaos"
ONE = check("scheduler-kill", experiment())
NEEDED = rights.needed([ONE], Settings())


class Gate:
    """A cluster that does not give some rights, with namespaces that are labelled, or not."""

    def __init__(self, denied: Collection[Right] = (), label: str = "true") -> None:
        self.denied = denied
        self.label = label

    def __call__(self, request: Request) -> Reply:
        if request.path == REVIEWS:
            return reviewed(request, lambda asked: _right(asked) not in self.denied)
        return Reply(200, {"kind": "Namespace", "metadata": {"labels": {"airflow-chaos/allow": self.label}}})


def _right(asked: dict[str, str]) -> Right:
    resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
    words = (asked.get("group", ""), resource, asked["verb"], asked.get("name", ""))
    return Right(asked.get("namespace", ""), *words)


def entered(tmp_path: Path, gate: Gate, context: str) -> Server:
    with serving(gate) as server:
        enter(ONE, settings_for(tmp_path, server.url, context=context))
        return server


@pytest.mark.parametrize("context", [OURS, "theirs"])
def test_who_has_every_right_comes_in_and_changes_nothing(tmp_path: Path, context: str) -> None:
    server = entered(tmp_path, Gate(), context)
    assert {(r.method, r.path) for r in server.asked} - {("POST", REVIEWS)} <= {("GET", "/api/v1/namespaces/airflow")}


@settings(max_examples=10)
@given(st.data())
def test_all_that_is_missing_is_named_at_once(data: st.DataObject) -> None:
    denied = data.draw(st.sets(st.sampled_from(NEEDED), min_size=1))
    with TemporaryDirectory() as folder, pytest.raises(UsageError) as said:
        entered(Path(folder), Gate(denied), OURS)
    listed = str(said.value).partition("does not let us ")[2].rpartition("; have ")[0]
    assert listed.split("; ") == [str(right) for right in sorted(denied)]
    assert said.value.exit_code == 64
    assert "harness rbac" in str(said.value)


def test_elsewhere_a_lease_may_be_done_without_and_nothing_else(tmp_path: Path) -> None:
    entered(tmp_path, Gate(rights.claim("airflow")), "theirs")
    with pytest.raises(UsageError, match="does not let us delete pods in airflow; have"):
        entered(tmp_path, Gate([*rights.claim("airflow"), Right.of("airflow", "delete pods")]), "theirs")


def test_where_nobody_allows_faults_no_rights_are_asked_for(tmp_path: Path) -> None:
    denied = [right for right in NEEDED if right.resource != "namespaces"]
    with pytest.raises(UsageError, match="is not labelled airflow-chaos/allow=true"):
        entered(tmp_path, Gate(denied, label="no"), "theirs")
