"""Debian's package sources, moved to another suite, and what a machine without an engine is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.settings import Settings
from harness.stack import engine
from harness.stack.engine import Engine, _deb822, other_suite

DEBIAN = """\
# the archive
Types: deb
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"""
SECURITY = """\
Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main"""
VENDOR = """\
Types: deb
URIs: http://vendor.example/apt
Suites: stable
Components: contrib"""

words = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)


def fields(stanza: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in stanza.splitlines())


def test_the_archive_is_kept_and_moved_to_the_other_suite() -> None:
    moved = other_suite("\n\n".join([VENDOR, DEBIAN, SECURITY]), "bookworm", "trixie")
    assert fields(moved) == {
        "Types": "deb",
        "URIs": "http://archive.example/debian",
        "Suites": "trixie",
        "Components": "main",
        "Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg",
    }


@pytest.mark.parametrize("sources", ["", VENDOR, SECURITY, DEBIAN.replace("bookworm", "bookworms")])
def test_without_the_machines_own_suite_nothing_is_fetched(sources: str) -> None:
    with pytest.raises(UsageError, match="no source for Debian's suite bookworm"):
        other_suite(sources, "bookworm", "trixie")


@given(st.lists(st.lists(words, min_size=1, max_size=3), min_size=1, max_size=5), st.integers(0, 4))
def test_every_stanza_of_the_suite_is_moved_and_no_other(suites: list[list[str]], place: int) -> None:
    codename = suites[place % len(suites)][0]
    stanzas = [f"Types: deb\nURIs: u{n}\nSuites: {' '.join(some)}" for n, some in enumerate(suites)]
    moved = [fields(stanza) for stanza in other_suite("\n \n".join(stanzas), codename, "NEW").strip().split("\n\n")]
    assert [m["URIs"] for m in moved] == [f"u{n}" for n, some in enumerate(suites) if codename in some]
    assert {m["Suites"] for m in moved} == {"NEW"}


@pytest.mark.parametrize(
    ("line", "stanza"),
    [
        ("deb http://a/debian bookworm main", {"URIs": "http://a/debian", "Suites": "bookworm", "Components": "main"}),
        ("deb http://a b main contrib", {"URIs": "http://a", "Suites": "b", "Components": "main contrib"}),
        (
            "deb [arch=amd64 signed-by=/k.gpg] http://a b main",
            {"URIs": "http://a", "Suites": "b", "Components": "main", "Signed-By": "/k.gpg"},
        ),
        ("deb [arch=amd64] http://a b main", {"URIs": "http://a", "Suites": "b", "Components": "main"}),
    ],
)
def test_a_one_line_source_becomes_a_stanza(line: str, stanza: dict[str, str]) -> None:
    assert fields(_deb822(line)) == {"Types": "deb", **stanza}


@pytest.mark.parametrize("line", ["", "# deb http://a b main", "deb-src http://a b main", "deb http://a"])
def test_what_is_no_source_of_packages_is_left_out(line: str) -> None:
    assert _deb822(line) == ""


def test_one_line_sources_can_be_moved_too() -> None:
    listed = "deb http://a/debian bookworm main\ndeb http://v/apt stable main\n"
    assert fields(other_suite(_deb822(listed), "bookworm", "trixie"))["Suites"] == "trixie"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Engine(True, True, True), "it will be used"),
        (Engine(True, False, False), "it will be used"),
        (Engine(False, True, True), "it will be started"),
        (Engine(False, False, True), "it will be unpacked"),
        (Engine(False, False, False), "install Docker and start it"),
    ],
)
def test_the_plan_says_what_will_be_done(found: Engine, said: str) -> None:
    assert said in found.plan()


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which no engine is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.usefixtures("empty_path")
def test_no_engine_is_seen_where_none_is(tmp_path: Path) -> None:
    found = engine.look(Settings(cache=tmp_path / "cache"))
    assert (found.running, found.installed) == (False, False)


def test_an_installed_engine_that_does_not_answer_is_seen(tmp_path: Path, empty_path: Path) -> None:
    for name, text in (("dockerd", "#!/bin/sh\n"), ("docker", "#!/bin/sh\nexit 1\n")):
        (empty_path / name).write_text(text, encoding="utf-8")
        (empty_path / name).chmod(0o755)
    found = engine.look(Settings(cache=tmp_path / "cache"))
    assert (found.running, found.installed) == (False, True)


@pytest.mark.usefixtures("empty_path")
def test_a_machine_that_is_not_debian_is_told_to_install_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="install Docker and start it"):
        engine.ensure(Settings(cache=tmp_path / "cache"))


def test_our_programs_come_first_on_path_and_once(tmp_path: Path, empty_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache")
    for name in ("bin", "sbin"):
        (settings.cache / "engine" / "usr" / name).mkdir(parents=True)
    engine.use(settings)
    engine.use(settings)
    usr = settings.cache / "engine" / "usr"
    assert os.environ["PATH"].split(os.pathsep) == [str(usr / "bin"), str(usr / "sbin"), str(empty_path)]


def test_debians_plugin_is_called_by_its_path(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path)
    assert engine.buildx(settings) == ["docker", "buildx"]
    plugin = tmp_path / "engine" / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-buildx"
    plugin.parent.mkdir(parents=True)
    plugin.touch()
    assert engine.buildx(settings) == [str(plugin)]


@pytest.mark.parametrize(("ci", "alone"), [("true", True), ("1", True), ("YES", True), ("", False), ("0", False)])
def test_ci_says_that_nobody_is_there(ci: str, alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", ci)
    assert engine.unattended() is alone
