"""What a user writes is described as it is read: our own files are valid, and what is refused is not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml

from harness import mutant, sources
from harness.commands.schemas import SCHEMAS, folder, schema
from harness.commands.writing import text
from harness.settings import ROOT
from harness.timetables import PATH
from tests.unit.plans import experiment


def problems(name: str, value: Any) -> list[str]:
    found = jsonschema.Draft202012Validator(schema(name)).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_published_is_current(name: str) -> None:
    """Made again by `harness schema --publish`."""
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert (folder() / f"{name}.json").read_text(encoding="utf-8") == text(name)


@pytest.mark.parametrize("path", [*sources.files(), *sources.files(sources.EXAMPLES)], ids=lambda path: path.stem)
def test_our_experiments_are_valid_and_name_their_schema(path: Any) -> None:
    raw = sources.read(path)
    assert problems("experiment", raw) == []
    assert problems("block", raw["extensions"][0]) == []
    assert (path.parent / raw["$schema"]).resolve() == folder() / "experiment.json"


def test_our_tables_are_valid() -> None:
    for name in ("slo", "known"):
        said = (ROOT / f"{name}.yaml").read_text(encoding="utf-8")
        assert problems(name, yaml.safe_load(said)) == []
        assert said.splitlines()[0] == f"# yaml-language-server: $schema=docs/schema/{name}.json"
    assert problems("schedules", json.loads(PATH.read_text(encoding="utf-8"))) == []
    for path in mutant.FOLDER.glob(f"*/{mutant.FILE}"):
        assert problems("mutant", yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def method(**change: Any) -> Callable[[Any], None]:
    return lambda raw: raw["method"][0]["provider"].update(change)


def plan(**change: Any) -> Callable[[Any], None]:
    return lambda raw: raw["extensions"][0].update(change)


@pytest.mark.parametrize(
    "spoil",
    [
        method(func="kill_postman"),
        method(arguments={}),
        method(arguments={"selector": "a=b", "pick": "some"}),
        method(arguments={"selector": "a=b", "surprise": 1}),
        plan(component="postman"),
        plan(surprise=1),
        plan(phases={"baseline_s": 1, "recovery_s": 5, "cooldown_s": 5}),
        lambda raw: raw["extensions"].clear(),
        lambda raw: raw["controls"].clear(),
        lambda raw: raw["method"][0].update(background=True),
        lambda raw: raw.pop("title"),
    ],
)
def test_what_is_refused_is_not_valid(spoil: Callable[[Any], None]) -> None:
    raw = experiment()
    assert problems("experiment", raw) == []
    spoil(raw)
    assert problems("experiment", raw)


def test_what_others_provide_is_not_described() -> None:
    raw = experiment()
    raw["method"].append({"type": "probe", "name": "n", "provider": {"type": "process", "path": "date"}})
    raw["extensions"].append({"name": "other", "anything": 1})
    assert problems("experiment", raw) == []


BOUND = {"limit": 1, "unit": "s", "origin": "so it is"}


@pytest.mark.parametrize("spoil", [{"unit": "ms"}, {"limit": -1}, {"limit": "1"}, {"origin": ""}, {"more": 1}])
def test_a_bound_has_a_limit_its_unit_and_an_origin(spoil: dict[str, Any]) -> None:
    good = {"tuned": {"every": {"rollback.time": BOUND}, "celery": {"null": {"rollback.time": BOUND}}}}
    assert problems("slo", good) == []
    for place in (("every",), ("celery", "null")):
        bad: Any = copy.deepcopy(good)
        table = bad["tuned"]
        for key in place:
            table = table[key]
        table["rollback.time"].update(spoil)
        assert problems("slo", bad)
    assert problems("slo", {"tuned": {"every": {"rollback.tune": BOUND}}})
    assert problems("slo", {"tunned": {}})
