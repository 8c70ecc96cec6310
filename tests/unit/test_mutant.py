"""The planted defects are well formed, and what is not is refused with its file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness import experiment, slo
from harness.bounds import owed
from harness.errors import UsageError
from harness.mutant import FOLDER, PLAIN, every, share
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


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_names_a_check_that_its_experiment_owes_on_its_stack(mutant: object) -> None:
    found = next(m for m in MUTANTS if m is mutant)
    one = experiment.load(ROOT / "experiments" / f"{found.experiment}.json")
    assert found.stack in slo.stacks(ROOT / "slo.yaml", "tuned", found.experiment)
    here = owed(one.at(found.stack, "tuned"), Settings(stack=found.stack))
    assert found.check in here.keys() | PLAIN


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_is_a_component_of_its_own(mutant: object) -> None:
    found = next(m for m in MUTANTS if m is mutant)
    said = yaml.safe_load((FOLDER / found.name / "kustomization.yaml").read_text(encoding="utf-8"))
    assert said["kind"] == "Component"
    assert said.get("patches") or said.get("configMapGenerator")
    assert len(f"{found.stack}-mutant-{found.name}") <= 63, "the value of a label holds no more"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"check": "tasks.odd"}, "nothing is called 'tasks.odd'"),
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
