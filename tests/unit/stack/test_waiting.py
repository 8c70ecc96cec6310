"""Which revision a pod waits for before it starts: the newest of the migrations in its own image, read from them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.settings import ROOT


@pytest.fixture(scope="module")
def wait() -> ModuleType:
    """The script itself; the driver of the database, which images have, is not asked for anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "psycopg2", ModuleType("psycopg2"))
        spec = importlib.util.spec_from_file_location("wait", ROOT / "deploy" / "base" / "airflow" / "wait.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def migration(name: str, below: tuple[str, ...]) -> str:
    """As Alembic writes it: what it builds on is nothing, a name, or several."""
    said = "None" if not below else repr(below[0]) if len(below) == 1 else repr(below)
    return f'"""{name}\n\nRevises: x\n"""\nrevision = "{name}"\ndown_revision = {said}\nbranch_labels = None\n'


names = st.lists(st.text("0123456789abcdefg", min_size=4, max_size=12), min_size=1, max_size=12, unique=True)


@given(names, st.randoms(use_true_random=False))
def test_the_newest_are_those_that_nothing_builds_on(wait: ModuleType, every: list[str], chance: object) -> None:
    below = {name: tuple(chance.sample(every[:n], min(n, chance.randint(0, 2)))) for n, name in enumerate(every)}  # type: ignore[attr-defined]
    with TemporaryDirectory() as folder:
        for name, some in below.items():
            Path(folder, f"{name}.py").write_text(migration(name, some), encoding="utf-8")
        found = wait.newest(Path(folder))
    assert found == set(every) - {one for some in below.values() for one in some}
    assert found


def test_typed_ones_are_read_as_well(wait: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('revision: str = "a1"\ndown_revision: str | None = None\n', encoding="utf-8")
    (tmp_path / "b.py").write_text("revision = 'b2'\ndown_revision = 'a1'\nrevisions = ['c3']\n", encoding="utf-8")
    assert wait.newest(tmp_path) == {"b2"}


def test_an_image_without_migrations_is_told_of(
    wait: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "airflow"
    (package / "migrations" / "versions").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="no migrations of Airflow below"):
        wait.of_this_image()
    (package / "migrations" / "versions" / "a.py").write_text(migration("a1", ()), encoding="utf-8")
    assert wait.of_this_image() == {"a1"}
