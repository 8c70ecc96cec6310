"""Without a cluster it is said whether an experiment would be taken, and which bounds are its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import bounds, slo
from harness.commands import skeleton
from harness.commands.validate import validate
from harness.errors import UsageError
from harness.experiment import load
from harness.settings import ROOT, Settings

HERE = Settings(slo_file=ROOT / "slo.yaml")
SHIPPED = sorted((ROOT / "experiments").glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_bound_of_a_shipped_experiment_is_listed_once_with_its_origin(path: Path) -> None:
    for stack in slo.stacks(HERE.slo_file, "tuned", path.stem):
        there = HERE.model_copy(update={"stack": stack})
        said = validate(path, there)
        listed = [line.split()[0] for line in said if line.startswith("  ")]
        assert sorted(listed) == sorted(bounds.owed(load(path), there))
        assert all(": " in line for line in said if line.startswith("  "))


def test_its_own_bounds_come_first_and_are_counted() -> None:
    said = validate(ROOT / "experiments" / "worker-term.json", HERE)
    own = slo.own(HERE.slo_file, "celery", "worker-term")
    assert said[1].endswith(f": {len(own)}")
    assert {line.split()[0] for line in said[2 : 2 + len(own)]} == own
    assert said[2 + len(own)].startswith("bounds that it shares")


def test_a_new_experiment_shares_them_all(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(
        HERE.slo_file.read_text(encoding="utf-8").replace("    worker-term:", "    new-one: {}\n    worker-term:", 1),
        encoding="utf-8",
    )
    path = skeleton.make("new-one", "worker", "json", tmp_path)
    said = validate(path, HERE.model_copy(update={"slo_file": tmp_path / "slo.yaml"}))
    assert said[0].startswith("new-one.json is valid on celery; it may hit at most ")
    assert said[1].endswith(": none")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"selector": "tier=airflow"}, "hold_s"), ({"selector": "tier=airflow", "hold_s": -1}, "hold_s")],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, arguments: dict[str, object], named: str) -> None:
    path = skeleton.make("new-one", "worker", "json", tmp_path)
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["method"][0]["provider"] |= {"func": "hang_pods", "arguments": arguments}
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(UsageError, match=rf"new-one\.json: method\[0\]\.provider.*{named}"):
        validate(path, HERE)


def test_a_bound_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="new-one"):
        validate(skeleton.make("new-one", "worker", "json", tmp_path), HERE)
