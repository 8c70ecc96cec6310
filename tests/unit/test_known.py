"""A known failure explains itself and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.known import Known, load
from harness.outcome import Check, Outcome, Verdict
from harness.settings import ROOT
from tests.chaos.selection import cases

GOOD = """\
worker-hang:
  celery:
    checks: [tasks.duplicated]
    issue: https://github.com/apache/airflow/issues/1
    because: it is so
"""


def outcome(**verdicts: Verdict) -> Outcome:
    checks = tuple(
        Check(name=f"tasks.{name}", verdict=verdict, measure=1.0, limit=0.0, unit="count", origin="o", because="b")
        for name, verdict in verdicts.items()
    )
    worst = max((c.verdict for c in checks), key=[Verdict.PASS, Verdict.INVALID, Verdict.FAIL].index)
    return Outcome(run_id="r", experiment="worker-hang", stack="celery", verdict=worst, checks=checks)


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
    assert known.explains(outcome(duplicated=Verdict.FAIL, lost=Verdict.PASS))


@pytest.mark.parametrize(
    "verdicts",
    [
        {"duplicated": Verdict.PASS},
        {"duplicated": Verdict.INVALID},
        {"lost": Verdict.FAIL},
        {"duplicated": Verdict.FAIL, "lost": Verdict.FAIL},
        {"duplicated": Verdict.FAIL, "lost": Verdict.INVALID},
    ],
)
def test_nothing_else_is(known: Known, verdicts: dict[str, Verdict]) -> None:
    assert not known.explains(outcome(**verdicts))


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
