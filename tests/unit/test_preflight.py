"""What a history says of the suite that recorded it."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.preflight import suite_version

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
