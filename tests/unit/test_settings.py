"""What a user may set from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from harness import settings as module
from harness.errors import UsageError
from harness.settings import ROOT, Settings, here, home, publishing, resolved

NAMES = sorted(Settings.model_fields.keys() - {"target"})  # which is a file: tests/unit/target


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"AIRFLOW_CHAOS_{name.upper()}", raising=False)


def test_the_defaults_are_those_of_this_project() -> None:
    settings = Settings()
    assert (settings.reports, settings.slo_file) == (ROOT / "reports", ROOT / "slo.yaml")
    assert (ROOT / "harness" / "settings.py").is_file()
    assert settings.slo_file.is_file()
    assert (settings.stack, settings.images) == ("celery", "auto")


@pytest.mark.parametrize("name", NAMES)
def test_everything_can_be_set_by_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = getattr(Settings(), name)
    chosen = {
        "images": "build",
        "seed": "7",
        "profile": "defaults",
        "brake_limit": "0.5",
        "vantage": "123",
        "skip_slow": "True",
    }
    value = chosen.get(name, "12345" if isinstance(default, int) else "somewhere-else")
    monkeypatch.setenv(f"AIRFLOW_CHAOS_{name.upper()}", value)
    found = getattr(Settings(), name)
    assert (",".join(found) if isinstance(found, tuple) else str(found)) == value
    if default is not None:
        assert type(getattr(Settings(), name)).__mro__[-2] is type(default).__mro__[-2]


@pytest.mark.parametrize(("name", "value"), [("IMAGES", "sometimes"), ("HTTP_PORT", "eighty"), ("LEDGER_PORT", "")])
def test_what_cannot_be_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW_CHAOS_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_what_stands_is_named_by_its_stack_and_its_profile() -> None:
    assert Settings(stack="local").deployment == "local"
    assert Settings(stack="local", profile="defaults").deployment == "local-defaults"


def test_the_users_own_kubeconfig_is_never_ours(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path, cluster="mine")
    assert settings.kubeconfig.parent == tmp_path
    assert settings.context == "kind-mine"


def test_settings_do_not_change_under_way() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().stack = "local"  # type: ignore[misc]


def test_in_a_checkout_all_is_the_checkouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slo.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert home() == ROOT
    assert here("slo.yaml") == ROOT / "slo.yaml"
    assert publishing()


def test_where_the_package_is_installed_a_users_own_files_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INSTALLED", True)
    monkeypatch.chdir(tmp_path)
    assert (Settings().reports, Settings().slo_file) == (tmp_path / "reports", ROOT / "slo.yaml")
    (tmp_path / "slo.yaml").touch()
    assert Settings().slo_file == tmp_path / "slo.yaml"
    assert here("known.yaml") == ROOT / "known.yaml"
    with pytest.raises(UsageError, match="in a checkout"):
        publishing()
    assert not publishing(asked=False)


def test_what_is_not_here_is_looked_for_in_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("experiments", "null.json")
    assert resolved(path) == ROOT / path
    path.parent.mkdir()
    path.touch()
    assert resolved(path) == path
    assert resolved(Path("experiments", "none.json")) == Path("experiments", "none.json")
    assert resolved(tmp_path / "none.json") == tmp_path / "none.json"


def test_a_working_directory_that_is_gone_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INSTALLED", True)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="working directory"):
        Settings.of()
