"""The planted defects are well formed, and what is not is refused with its file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml

from harness import experiment, slo
from harness.bounds import owed
from harness.errors import UsageError
from harness.mutant import PLAIN, PLANTED, SHARED, Kind, Mutant, every, share
from harness.process import run
from harness.settings import ROOT, Settings

MUTANTS = every()
GOOD = {
    "title": "There is one",
    "class": "redundancy",
    "stack": "celery",
    "experiment": "null",
    "check": "redundancy.workers",
}


def kept(folder: Path, **other: object) -> Path:
    place = folder / "one"
    place.mkdir(exist_ok=True)
    (place / "mutant.yaml").write_text(yaml.safe_dump({**GOOD, **other}), encoding="utf-8")
    (place / "kustomization.yaml").write_text("kind: Component\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.counts], ids=lambda mutant: mutant.name)
def test_each_names_a_check_that_its_experiment_owes_on_its_stack(mutant: Mutant) -> None:
    one = experiment.load(ROOT / "experiments" / f"{mutant.experiment}.json")
    assert mutant.stack in slo.stacks(ROOT / "slo.yaml", "tuned", mutant.experiment)
    here = owed(one.at(mutant.stack, "tuned"), Settings(stack=mutant.stack))
    assert mutant.check in here.keys() | PLAIN


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.counts], ids=lambda mutant: mutant.name)
def test_each_that_counts_is_planted_somewhere(mutant: Mutant) -> None:
    assert len(f"{mutant.stack}-mutant-{mutant.name}") <= 63, "the value of a label holds no more"
    if mutant.of_the_suite:
        assert (mutant.folder / PLANTED).is_file()
        return
    said = yaml.safe_load((mutant.folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert said["kind"] == "Component"
    assert said.get("patches") or said.get("configMapGenerator")


def test_there_are_enough_of_every_class() -> None:
    counted = [m for m in MUTANTS if m.counts]
    assert len(counted) >= 45
    assert {m.kind for m in counted} == set(get_args(Kind))
    assert len([m for m in counted if m.quick]) == 3


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if (m.folder / PLANTED).is_file()], ids=lambda m: m.name)
def test_what_is_planted_takes_hold_when_its_module_is_imported(mutant: Mutant) -> None:
    """Airflow is not here, so of its modules only the names are known."""
    imports = "import importlib; [importlib.import_module(n) for n in names]; assert not planted.PATCHES"
    code = (
        f"import sys, planted; names = list(planted.PATCHES); print(*names); {imports if mutant.of_the_suite else ''}"
    )
    env = {"PYTHONPATH": os.pathsep.join(map(str, (SHARED, mutant.folder))), "PYTHONDONTWRITEBYTECODE": "1"}
    names = run([sys.executable, "-c", code], timeout=60, env=env, cwd=ROOT).split()
    assert names
    assert {name.split(".")[0] for name in names} <= ({"harness"} if mutant.of_the_suite else {"airflow", "kombu"})


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"check": "tasks.odd"}, "nothing is called 'tasks.odd'"),
        ({"also": ["tasks.odd"]}, "nothing is called 'tasks.odd'"),
        ({"experiment": "none-such"}, "there is no 'none-such'"),
        ({"class": "other"}, "class"),
        ({"title": ""}, "title"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_not_as_it_must_be_is_refused(tmp_path: Path, other: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=rf"one/mutant\.yaml: .*{why}"):
        every(folder=kept(tmp_path, **other))


def test_a_name_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no mutant two; there are: one"):
        every(["two"], kept(tmp_path))


def test_a_changed_mutant_is_another_one(tmp_path: Path) -> None:
    (before,) = every(folder=kept(tmp_path))
    (tmp_path / "one" / "kustomization.yaml").write_text("kind: Component\npatches: []\n", encoding="utf-8")
    (after,) = every(folder=tmp_path)
    assert before.digest != after.digest


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_the_parts_make_the_whole(parts: int) -> None:
    shared = [share(MUTANTS, f"{k}/{parts}") for k in range(1, parts + 1)]
    assert sorted(m.name for part in shared for m in part) == sorted(m.name for m in MUTANTS)


@pytest.mark.parametrize("part", ["0/1", "2/1", "1", "a/b", "1/", "-1/2"])
def test_no_such_part_is_refused(part: str) -> None:
    with pytest.raises(UsageError, match="--part"):
        share(MUTANTS, part)
