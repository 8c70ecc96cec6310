"""The installed wheel does all that a checkout does, in a directory that has nothing of it."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.settings import ROOT
from harness.stack import recipes
from tests.wheel import Wheel, install

WRITTEN = {"docs", "README.md"}  # what only a checkout has: its own pages
STRANGERS = {
    "pytest.ini": "[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n",
    "conftest.py": """
import pytest

def pytest_addoption(parser):
    for name in ("--seed", "--stack", "--target", "--profile", "--repeat", "--part"):
        parser.addoption(name, default="mine")

@pytest.fixture
def settings(request):
    return request.config.getoption("--seed")
""",
    "test_own.py": """
import sys

def test_own(settings):
    assert settings == "mine"
    loaded = {name for name in sys.modules if name.partition(".")[0] == "harness"}
    assert loaded == {"harness", "harness.testing", "harness.testing.plugin"}
    assert "pydantic" not in sys.modules
""",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    return install(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def wheel(installed: Wheel) -> Iterator[Wheel]:
    """In an empty directory each time."""
    yield installed
    shutil.rmtree(installed.there)
    installed.there.mkdir()


def files(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """By name: what is in each, and whether it is a program."""
    found = (path for path in (folder.rglob("*") if folder.is_dir() else [folder]) if path.is_file())
    kept = (path for path in found if "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): (path.read_bytes(), bool(path.stat().st_mode & 0o100)) for path in kept}


def test_it_carries_what_the_code_reads_of_a_checkout(wheel: Wheel) -> None:
    shipped = wheel.package / "shipped"
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "harness").rglob("*.py"))
    named = set(re.findall(r'(?:ROOT / |here\()"([^"/]+)', code)) - WRITTEN
    assert named >= {"dags", "deploy", "experiments", "images", "known.yaml", "slo.yaml"}
    assert named | {"pyproject.toml", "uv.lock"} <= {path.name for path in shipped.iterdir()}  # these two fetch Go
    for path in shipped.iterdir():
        if path.name not in WRITTEN:
            assert files(path) == files(ROOT / path.name), path.name
    assert files(wheel.package / "report") == files(ROOT / "harness" / "report")
    assert recipes.load(shipped / "images").keys == recipes.load().keys
    assert (shipped / "docs" / "runs.csv").read_bytes() == (ROOT / "docs" / "runs.csv").read_bytes()


def test_it_says_what_is_missing_and_changes_nothing(wheel: Wheel) -> None:
    done = wheel.call("airflow-chaos", "doctor", AIRFLOW_CHAOS_CACHE=str(wheel.there / "cache"))
    assert "calibration" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0 or "error: " in done.stderr  # on a machine that is too small
    assert not list(wheel.there.iterdir())


def test_it_judges_the_run_that_it_carries(wheel: Wheel) -> None:
    done = wheel.call("harness", "check", "examples/runs/scheduler-kill")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS scheduler-kill on celery" in done.stdout
    assert not list(wheel.there.iterdir())


def test_an_experiment_of_ones_own_begins_in_the_working_directory(wheel: Wheel) -> None:
    made = wheel.call("harness", "new", "rainy-day")
    path = wheel.there / "experiments" / "rainy-day.json"
    assert made.stdout.startswith(f"{path}\n"), made.stdout + made.stderr
    assert (wheel.there / "slo.yaml").read_bytes() == (ROOT / "slo.yaml").read_bytes()
    assert wheel.call("harness", "schema", "--publish").returncode == 0
    schema = path.parent / json.loads(path.read_text(encoding="utf-8"))["$schema"]
    assert schema.read_bytes() == (ROOT / "docs" / "schema" / "experiment.json").read_bytes()
    done = wheel.call("harness", "run", "experiments/scheduler-kill.json", "experiments/rainy-day.json")
    assert done.returncode == 64
    assert "rainy-day" in done.stderr
    assert "slo.yaml" in done.stderr
    assert not (wheel.there / "reports").exists()


def functions(kind: str) -> set[str]:
    """All that a file may call of ours, by the code itself."""
    code = (ROOT / "harness" / "chaos" / f"{kind}s.py").read_text(encoding="utf-8")
    return {one.name for one in ast.parse(code).body if isinstance(one, ast.FunctionDef) and one.name[0] != "_"}


def test_chaos_toolkit_discovers_every_action_and_probe(wheel: Wheel) -> None:
    done = wheel.call("chaos", "--no-version-check", "discover", "--no-install", "chaosairflow")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((wheel.there / "discovery.json").read_text(encoding="utf-8"))
    there = {(kind, name) for kind in ("action", "probe") for name in functions(kind)}
    assert {(one["type"], one["name"]) for one in found["activities"]} == there
    (kill,) = (one for one in found["activities"] if one["name"] == "kill_pods")
    assert kill["mod"] == "harness.chaos.actions"
    assert kill["doc"].startswith("SIGKILL every process")
    assert {one["name"]: one["type"] for one in kill["arguments"]}.items() >= {
        "pick": "string",
        "away_s": "number",
    }.items()
    assert kill["return_type"] == "list"


@pytest.fixture
def stranger(wheel: Wheel) -> Wheel:
    for name, text in STRANGERS.items():
        (wheel.there / name).write_text(text, encoding="utf-8")
    return wheel


def test_pytest_is_as_it_was_where_no_experiment_is_asked_for(stranger: Wheel) -> None:
    for words in ((), ("-m", "not chaos")):
        done = stranger.call("pytest", "-p", "no:cacheprovider", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "collected 1 item\n" in done.stdout
        assert "1 passed" in done.stdout


def test_pytest_offers_experiments_in_anybodys_repository(stranger: Wheel) -> None:
    raw = json.loads((ROOT / "experiments" / "null.json").read_text(encoding="utf-8"))
    (stranger.there / "experiments").mkdir()
    own = stranger.there / "experiments" / "null.json"
    own.write_text(json.dumps({**raw, "tags": ["no longer quick"]}), encoding="utf-8")
    done = stranger.call("pytest", "-p", "no:cacheprovider", "--collect-only", "-q", "-m", "chaos")
    assert done.returncode == 0, done.stdout + done.stderr
    names = re.findall(r"^experiments::test_experiment\[(.*)-on-celery-1\]$", done.stdout, re.MULTILINE)
    assert {"scheduler-kill", "webserver-kill"} <= set(names)
    assert "null" not in names
    assert len(names) == len(set(names)) == done.stdout.count("test_experiment")
    assert "warning" not in done.stdout
