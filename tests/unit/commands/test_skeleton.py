"""A new experiment is valid as it is, and once it has the bounds that it lacks it can be run."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml
from chaoslib.experiment import ensure_experiment_is_valid

from harness import allowed, bounds
from harness.commands import skeleton
from harness.commands.schemas import schema
from harness.errors import UsageError
from harness.experiment import load
from harness.settings import ROOT, Settings
from harness.slo import shared


@pytest.mark.parametrize("component", get_args(skeleton.Component))
@pytest.mark.parametrize("form", get_args(skeleton.Form))
def test_it_is_valid_whatever_it_is_about(tmp_path: Path, component: skeleton.Component, form: skeleton.Form) -> None:
    path = skeleton.make("broker-bad-day", component, form, tmp_path)
    assert path == tmp_path / f"broker-bad-day.{form}"
    found = load(path)
    allowed.check(found)
    ensure_experiment_is_valid(found.raw)
    jsonschema.validate(found.raw, schema("experiment"))
    assert found.plan.component == component


def test_with_the_bounds_that_it_lacks_it_can_be_run(tmp_path: Path) -> None:
    settings = Settings(slo_file=ROOT / "slo.yaml")
    path = skeleton.make("new-one", "scheduler", "json", tmp_path)
    said = skeleton.lacking(path, settings)
    assert said.splitlines()[:3] == ["tuned:", "  celery:", "    new-one:"]
    filled = yaml.safe_load(said.replace("limit: ,", "limit: 7,").replace('origin: ""', 'origin: "so it is"'))
    every = yaml.safe_load((ROOT / "slo.yaml").read_text(encoding="utf-8"))["tuned"]
    (tmp_path / "slo.yaml").write_text(
        yaml.safe_dump(
            {"tuned": {"every": every["every"], "celery": {**every["celery"], **filled["tuned"]["celery"]}}}
        ),
        encoding="utf-8",
    )
    found = bounds.owed(load(path), Settings(slo_file=tmp_path / "slo.yaml"))
    own = filled["tuned"]["celery"]["new-one"]
    assert own.keys() == found.keys() - shared(settings.slo_file, "tuned", "celery")
    assert {found[name].limit for name in own} == {7}


def test_without_any_it_is_said_that_there_are_none_to_fill_in(tmp_path: Path) -> None:
    settings = Settings(slo_file=ROOT / "slo.yaml")
    said = skeleton.lacking(skeleton.make("new-one", "worker", "yaml", tmp_path), settings)
    assert yaml.safe_load(said) == {"tuned": {"celery": {"new-one": {}}}}


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a--b", "-a", "a.json", "ä"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a name for an experiment"):
        skeleton.make(name, "scheduler", "json", tmp_path)


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    skeleton.make("a", "scheduler", "json", tmp_path)
    with pytest.raises(UsageError, match=r"there is .*a\.json already"):
        skeleton.make("a", "worker", "yaml", tmp_path)
