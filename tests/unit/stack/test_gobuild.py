"""Which programs a go.mod names, which compiler is new enough, and that no half result is ever left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import CommandFailed
from harness.process import run
from harness.settings import Settings
from harness.stack import gobuild
from harness.stack.gobuild import _new_enough, _packages
from harness.stack.recipes import FOLDER, Programs, Table, load

HEAD = "module example\n\ngo 1.26\n\n"
KEYS = {"programs/thing": "0123456789abcdef"}
GO = """#!/bin/sh
[ "$1" = version ] && { echo go version go1.99.0 linux/amd64; exit; }
for word; do case $word in */bin/) out=$word ;; esac; done
echo "$PWD $*" >"${out}thing"
"""


def packages(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "go.mod").write_text(HEAD + text, encoding="utf-8")
    return _packages(tmp_path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["."]),
        ("require a.example/b v1.0.0\n", ["."]),
        ("tool a.example/b/cmd/c\n", ["a.example/b/cmd/c"]),
        ("tool a.example/b\ntool a.example/c\n", ["a.example/b", "a.example/c"]),
        ("tool (\n\ta.example/b\n\ta.example/c\n)\n\nrequire (\n\tx.example/y v1\n)\n", ["a.example/b", "a.example/c"]),
        ("require (\n\tx.example/tool v1\n)\n", ["."]),
    ],
)
def test_what_is_compiled_is_what_go_mod_names(tmp_path: Path, text: str, names: list[str]) -> None:
    assert packages(tmp_path, text) == names


module = st.from_regex(r"[a-z]{1,8}\.example(/[a-z]{1,8}){0,3}", fullmatch=True)


@given(st.lists(module, min_size=1, max_size=5, unique=True), st.booleans())
def test_both_forms_of_tool_lines_name_the_same(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], block: bool
) -> None:
    listed = "".join(f"\t{name}\n" for name in names)
    text = f"tool (\n{listed})\n" if block else "".join(f"tool {name}\n" for name in names)
    assert packages(tmp_path_factory.mktemp("go"), text) == names


def test_every_shipped_group_compiles_something_of_its_own_module_graph() -> None:
    for name in load().programs:
        text = (FOLDER / name / "go.mod").read_text(encoding="utf-8")
        for package in _packages(FOLDER / name):
            known = [line.split()[0] for line in text.replace("require ", "").splitlines() if " v" in line]
            assert package == "." or any(f"{package}/".startswith(f"{m}/") for m in known), (name, package)


def program(folder: Path, name: str, text: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("said", "enough"),
    [
        ("go version go1.26 linux/amd64", True),
        ("go version go1.26.6 linux/amd64", True),
        ("go version go2.0 linux/amd64", True),
        ("go version go1.100.1 linux/arm64", True),
        ("go version go1.25.9 linux/amd64", False),
        ("go version go1.9 linux/amd64", False),
        ("nothing of the kind", False),
    ],
)
def test_a_compiler_is_taken_where_it_is_new_enough(tmp_path: Path, said: str, enough: bool) -> None:
    assert _new_enough(program(tmp_path, "go", f"#!/bin/sh\necho '{said}'\n")) is enough


def test_a_compiler_that_is_not_there_or_fails_is_not_taken(tmp_path: Path) -> None:
    assert not _new_enough(str(tmp_path / "go"))
    assert not _new_enough(program(tmp_path, "go", "#!/bin/sh\necho go version go1.99; exit 1\n"))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A table of one program group, in a folder of its own, and a compiler that writes what it was told."""
    (tmp_path / "images" / "thing").mkdir(parents=True)
    (tmp_path / "images" / "thing" / "go.mod").write_text(HEAD + "tool a.example/thing\n", encoding="utf-8")
    monkeypatch.setattr(gobuild, "FOLDER", tmp_path / "images")
    program(tmp_path / "bin", "go", GO)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return Table(load().base, {"thing": Programs(ldflags="-X a=b")}, {}, KEYS)


def test_a_row_is_compiled_once_and_its_older_results_removed(tmp_path: Path, table: Table) -> None:
    settings = Settings(cache=tmp_path / "cache")
    place = settings.cache / "programs"
    for name in ("thing-ffffffffffffffff", "thing-else-0123456789abcdef", "other-0123456789abcdef"):
        (place / name).mkdir(parents=True)
    assert not gobuild.stands(settings, table, "thing")
    built = gobuild.build(settings, table, "thing")
    assert gobuild.stands(settings, table, "thing")
    said = (built / "bin" / "thing").read_text(encoding="utf-8")
    assert said.startswith(str(tmp_path / "images" / "thing"))
    assert "-ldflags -s -w -X a=b" in said
    assert said.endswith("a.example/thing\n")
    kept = {"other-0123456789abcdef", "thing-else-0123456789abcdef", "thing-0123456789abcdef"}
    assert {path.name for path in place.iterdir()} == kept
    program(tmp_path / "bin", "go", "#!/bin/sh\nexit 1\n")
    assert gobuild.build(settings, table, "thing") == built


def test_a_failed_compilation_leaves_no_result_and_can_be_tried_again(tmp_path: Path, table: Table) -> None:
    settings = Settings(cache=tmp_path / "cache")
    program(tmp_path / "bin", "go", GO + "exit 1\n")
    with pytest.raises(CommandFailed, match="go build"):
        gobuild.build(settings, table, "thing")
    assert not gobuild.stands(settings, table, "thing")
    program(tmp_path / "bin", "go", GO)
    assert (gobuild.build(settings, table, "thing") / "bin" / "thing").is_file()


def test_what_the_compiler_kept_can_be_dropped_though_it_is_read_only(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache")
    module = settings.cache / "go" / "mod" / "m@v1"
    module.mkdir(parents=True)
    (module / "f.go").touch(mode=0o444)
    module.chmod(0o555)
    gobuild.drop_caches(settings)
    assert not (settings.cache / "go").exists()
    gobuild.drop_caches(settings)


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount takes root")
def test_what_another_command_still_uses_is_left(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache")
    used = settings.cache / "go" / "mod"
    used.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "none", str(used)], timeout=10)
    try:
        gobuild.drop_caches(settings)
        assert used.is_dir()
    finally:
        run(["umount", str(used)], timeout=10)
    gobuild.drop_caches(settings)
    assert not (settings.cache / "go").exists()
