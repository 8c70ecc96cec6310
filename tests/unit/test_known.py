"""A known failure explains itself and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.known import Known, load
from harness.settings import ROOT
from harness.testing.selection import cases

GOOD = """\
worker-hang:
  celery:
    checks: [tasks.duplicated]
    issue: https://github.com/apache/airflow/issues/1
    because: it is so
"""


@pytest.fixture
def known(tmp_path: Path) -> Known:
    path = tmp_path / "known.yaml"
    path.write_text(GOOD, encoding="utf-8")
    found = load(path, "worker-hang", "celery")
    assert found is not None
    assert load(path, "worker-hang", "local") is None
    assert load(path, "worker-kill", "celery") is None
    return found


def test_what_is_known_is_explained(known: Known) -> None:
    assert known.explains(["tasks.duplicated"], [])


@pytest.mark.parametrize(
    ("failed", "doubted"),
    [
        ([], []),
        ([], ["tasks.duplicated"]),
        (["tasks.lost"], []),
        (["tasks.duplicated", "tasks.lost"], []),
        (["tasks.duplicated"], ["tasks.lost"]),
    ],
)
def test_nothing_else_is(known: Known, failed: list[str], doubted: list[str]) -> None:
    assert not known.explains(failed, doubted)


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert load(tmp_path / "known.yaml", "worker-hang", "celery") is None
    (tmp_path / "known.yaml").write_text("# nothing\n", encoding="utf-8")
    assert load(tmp_path / "known.yaml", "worker-hang", "celery") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", r"known.yaml:1: not valid YAML"),
        ("- a", r"known.yaml: the file: Input should be a valid dictionary"),
        (GOOD.replace("    because: it is so\n", ""), "known.yaml: worker-hang → celery → because: Field required"),
        (GOOD.replace("[tasks.duplicated]", "[]"), "known.yaml: worker-hang → celery → checks"),
        (GOOD.replace("https://github.com", "nowhere"), "known.yaml: worker-hang → celery → issue"),
        (GOOD + "    more: 1\n", "known.yaml: worker-hang → celery → more"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        load(path, "worker-hang", "celery")


def test_what_is_known_is_of_experiments_that_there_are() -> None:
    there = {(case.path.stem, case.stack) for case in cases()}
    known = [at for at in there if load(ROOT / "known.yaml", *at) is not None]
    assert ("all-webservers-down", "celery") in known
    text = (ROOT / "known.yaml").read_text(encoding="utf-8")
    assert text.count("    issue:") == len(known)
