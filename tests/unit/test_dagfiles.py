"""The DAGs as a package: whole, of a version that cannot lie, and over nothing that is not an earlier one."""

from __future__ import annotations

import ast
import json
import runpy
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness import dagfiles
from harness.errors import StorageError, UsageError
from harness.settings import ROOT
from tests.unit.test_cli import Call, call

__all__ = ["call"]
DAGS = ROOT / "dags"
CODE = sorted(path.name for path in DAGS.iterdir() if path.suffix in (".py", ".json"))


def version(folder: Path) -> str:
    """As a DAG that lies there works it out."""
    return str(runpy.run_path(str(folder / "dags_version.py"))["TAGS"][-1])


def test_every_file_counts() -> None:
    assert sorted(dagfiles.names()) == CODE
    assert version(DAGS) == dagfiles.tag()


@given(st.sampled_from(CODE), st.booleans())
def test_what_is_changed_or_missing_makes_another_version(name: str, gone: bool) -> None:
    tag = runpy.run_path(str(DAGS / "dags_version.py"))["tag"]
    with pytest.MonkeyPatch.context() as patch:
        read, there = Path.read_bytes, Path.is_file
        patch.setattr(Path, "read_bytes", lambda self: read(self) + (b" " if self.name == name else b""))
        patch.setattr(Path, "is_file", lambda self: there(self) and not (gone and self.name == name))
        assert tag(DAGS) != dagfiles.tag()
        assert tag(DAGS).startswith("airflow-chaos-v")


@pytest.mark.parametrize("name", [name for name in CODE if name.startswith("chaos_")])
def test_each_dag_bears_it(name: str) -> None:
    tree = ast.parse((DAGS / name).read_text(encoding="utf-8"))
    made = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("DAG", "dag")
    ]
    assert made
    for one in made:
        (tags,) = (word.value for word in one.keywords if word.arg == "tags")
        assert "TAGS" in {node.id for node in ast.walk(tags) if isinstance(node, ast.Name)}


def test_an_export_is_whole_and_of_the_same_version(tmp_path: Path, call: Call) -> None:
    there = tmp_path / "new" / "dags"
    code, out, _ = call("dags", "export", str(there))
    assert code == 0
    assert dagfiles.tag() in out
    assert sorted(path.name for path in there.iterdir()) == sorted(
        [*CODE, ".airflowignore", "README.md", "airflow-chaos-dags.json"]
    )
    assert (
        version(there) == dagfiles.tag() == json.loads((there / dagfiles.LIST).read_text(encoding="utf-8"))["version"]
    )
    said = (there / "README.md").read_text(encoding="utf-8")
    assert "AIRFLOW_CHAOS_LEDGER" in said
    assert "`redis`" in said


def test_another_export_replaces_the_first_and_what_that_alone_had(tmp_path: Path) -> None:
    dagfiles.export(tmp_path)
    (tmp_path / "chaos_noop.py").write_text("changed", encoding="utf-8")
    (tmp_path / "chaos_former.py").touch()
    listed = json.loads((tmp_path / dagfiles.LIST).read_text(encoding="utf-8"))
    listed["files"].append("chaos_former.py")
    (tmp_path / dagfiles.LIST).write_text(json.dumps(listed), encoding="utf-8")
    for folder in (".git", "__pycache__"):
        (tmp_path / folder).mkdir()
    dagfiles.export(tmp_path)
    assert version(tmp_path) == dagfiles.tag()
    assert not (tmp_path / "chaos_former.py").exists()
    assert (tmp_path / ".git").is_dir()


@pytest.mark.parametrize("name", ["etl.py", "chaos_noop.py", "README.md"])
def test_what_others_have_there_is_not_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("theirs", encoding="utf-8")
    with pytest.raises(UsageError, match=rf"holds what no export wrote: {name}; name an empty folder"):
        dagfiles.export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "theirs"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": ["../etl.py"]}'])
def test_a_list_that_is_none_makes_nothing_ours(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    (tmp_path / "etl.py").touch()
    (folder / dagfiles.LIST).write_text(text, encoding="utf-8")
    (folder / "mine.py").touch()
    with pytest.raises(UsageError, match="holds what no export wrote"):
        dagfiles.export(folder)
    assert (tmp_path / "etl.py").exists()


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        dagfiles.export(tmp_path / "x")
    with pytest.raises(StorageError):
        dagfiles.export(tmp_path / "x" / "y")


def test_the_config_map_holds_the_same_files(tmp_path: Path, call: Call) -> None:
    code, out, _ = call("dags", "export", "--format", "configmap")
    assert code == 0
    made = yaml.safe_load(out)
    assert made["metadata"]["labels"]["airflow-chaos/dags"] == dagfiles.tag()
    for name, text in made["data"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert version(tmp_path) == dagfiles.tag()
    values = yaml.safe_load("\n".join(line[2:] for line in out.splitlines()[3:] if line.startswith("# ")))
    mounted = [one["subPath"] for one in values["volumeMounts"] if one["mountPath"].startswith("/opt/airflow/dags/")]
    assert sorted(mounted) == sorted(made["data"])


def test_more_than_a_config_map_holds_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "dags"
    shutil.copytree(DAGS, copy)
    (copy / "schedules.json").write_text("x" * dagfiles.MOST, encoding="utf-8")
    monkeypatch.setattr(dagfiles, "FOLDER", copy)
    with pytest.raises(UsageError, match="and a ConfigMap has 1000000; export them to a folder"):
        dagfiles.config_map()


@pytest.mark.parametrize("words", [(), ("somewhere", "--format", "configmap")])
def test_either_a_folder_or_a_manifest(call: Call, words: tuple[str, ...]) -> None:
    code, _, err = call("dags", "export", *words)
    assert code == 64
    assert "one of the two" in err
