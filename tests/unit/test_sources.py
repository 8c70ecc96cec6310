"""Experiments stand in JSON or in YAML, and say the same in both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from harness import allowed, settings, sources
from harness.errors import UsageError
from harness.experiment import load, name_of
from harness.settings import ROOT
from harness.tables import MOST
from tests.unit.plans import experiment

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@hypothesis(max_examples=60)
@given(json_values)
def test_yaml_says_what_json_says(folder: Path, value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    (folder / "x.yaml").write_text(text, encoding="utf-8", newline="")
    assert sources.read(folder / "x.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize("ending", ["yaml", "yml"])
def test_an_experiment_in_yaml_is_the_same(tmp_path: Path, ending: str) -> None:
    raw = experiment(on={"kubernetes": {"every_s": 20}})
    (tmp_path / "x.json").write_text(json.dumps(raw), encoding="utf-8")
    (tmp_path / f"y.{ending}").write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    one, other = load(tmp_path / "x.json"), load(tmp_path / f"y.{ending}")
    assert (other.raw, other.plan, other.file) == (one.raw, one.plan, f"y.{ending}")
    allowed.check(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", r"x\.yaml:2: 'a' was already given in line 1"),
        ("a: [\n", r"x\.yaml:2: not valid YAML"),
        ("title: x\non: {kubernetes: {}}\n", r"x\.yaml:2: the key 'on' is not read as text; put it in quotes"),
        ("a: 2026-01-01\n", r"x\.yaml:1: '2026-01-01' is read as timestamp; put it in quotes"),
        ("a: !!binary aGk=\n", r"x\.yaml:1: 'aGk=' is read as binary"),
        ("[a]: 1\n", r"x\.yaml:1: the key that is no single word is not read as text"),
        ("a: &a [*a]\n", r"x\.yaml:1: a table holds itself"),
        ("a: !!python/object/apply:os.system [id]\n", r"x\.yaml"),
        ("- a\n", r"x\.yaml:1: an experiment is a JSON object"),
        ("", r"x\.yaml:1: an experiment is a JSON object"),
        ("a: !!int x\n", r"x\.yaml: not YAML that can be read"),
    ],
)
def test_what_yaml_reads_as_something_else_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        load(tmp_path / "x.yaml")


def test_a_short_text_does_not_become_a_long_one(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    (tmp_path / "x.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UsageError, match=f"more than {MOST} values"):
        load(tmp_path / "x.yaml")


def test_the_experiments_of_a_folder_are_those_of_either_format(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.json", "c.yml", "notes.md"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert [path.name for path in sources.files(tmp_path)] == ["a.json", "b.yaml", "c.yml"]
    assert sources.named("c", tmp_path).name == "c.yml"
    assert sources.named("d", tmp_path).name == "d.json"
    (tmp_path / "a.yaml").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="two experiments of one name"):
        sources.files(tmp_path)


def test_a_users_own_take_the_place_of_the_suites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INSTALLED", True)
    monkeypatch.chdir(tmp_path)
    suites = sources.files()
    assert suites == sources.files(sources.FOLDER) != []
    (tmp_path / "experiments").mkdir()
    for name in ("null.yaml", "rainy-day.json"):
        (tmp_path / "experiments" / name).write_text("title: Mine", encoding="utf-8")
    assert sources.named("null") == tmp_path / "experiments" / "null.yaml"
    assert sources.named("scheduler-kill") == ROOT / "experiments" / "scheduler-kill.json"
    assert sources.named("sunny-day") == tmp_path / "experiments" / "sunny-day.json"
    assert {path.stem for path in sources.files()} == {path.stem for path in suites} | {"rainy-day"}
    assert name_of("Mine") == "null"
