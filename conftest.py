"""Options and fixtures only. `pytest -m chaos` and `-m stack` need a standing stack (`make up`)."""

from __future__ import annotations

import io
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis
from rich.console import Console

from harness import console, ending
from harness.outcome import Outcome
from harness.settings import Settings

# How long an example takes says nothing on a machine that is shared.
hypothesis.register_profile("patient", deadline=None)
hypothesis.load_profile("patient")

RESULTS = pytest.StashKey[list[tuple[Path, Outcome, str]]]()
CONSOLE = pytest.StashKey[Console | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos", "experiments on the real cluster")
    group.addoption("--stack", action="append", default=[], metavar="NAME", help="on this stack; may be given again")
    group.addoption("--profile", choices=("tuned", "defaults"), help="of settings, and of bounds")
    group.addoption("--part", default="1/1", metavar="K/N", help="every N-th experiment from the K-th on")
    group.addoption("--repeat", type=int, default=1, metavar="N", help="each experiment so many times")
    group.addoption("--seed", type=int, metavar="S", help="of each experiment's first run")
    allowing = "let experiments run this too; may be given again"
    group.addoption("--allow-providers", action="append", default=[], metavar="NAME", help=allowing)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []
    config.stash[CONSOLE] = _console(config)


def _console(config: pytest.Config) -> Console | None:
    """Where progress goes: past pytest's capture. With -q, and in a worker of xdist, nowhere."""
    if config.get_verbosity() < 0 or hasattr(config, "workerinput") or not config.pluginmanager.has_plugin("terminal"):
        return None
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        descriptor = os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)
    width = os.get_terminal_size(descriptor).columns if os.isatty(descriptor) else None
    return console.SafeConsole(file=os.fdopen(descriptor, "w", encoding="utf-8", errors="replace"), width=width)


def pytest_unconfigure(config: pytest.Config) -> None:
    if where := config.stash.get(CONSOLE, None):
        where.file.close()


@pytest.fixture(scope="session")
def settings(pytestconfig: pytest.Config) -> Settings:
    """The settings of the standing stack, as every command reads them."""
    said = {name: pytestconfig.getoption(f"--{name}") for name in ("profile", "seed")}
    said["allow_providers"] = pytestconfig.getoption("--allow-providers") or None
    return Settings.model_validate({name: value for name, value in said.items() if value is not None})


@pytest.fixture
def chaos_results(request: pytest.FixtureRequest) -> list[tuple[Path, Outcome, str]]:
    """Where an experiment leaves its folder, its outcome and what is known of it, for the table at the end."""
    return request.config.stash[RESULTS]


@pytest.fixture(scope="session")
def chaos_console(pytestconfig: pytest.Config) -> Console | None:
    """Where an experiment shows how it goes; nowhere where nothing is to be shown."""
    return pytestconfig.stash[CONSOLE]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One table of all experiments, and what was not passed; with -v, every check."""
    results = config.stash[RESULTS]
    if not results:
        return
    floors = ending.floors(Settings().reports)
    rows = [ending.row(outcome, folder, floors, remark) for folder, outcome, remark in results]
    text = io.StringIO()
    colours = terminalreporter.hasmarkup
    console.show(rows, config.get_verbosity() > 0, console.SafeConsole(file=text, width=120, force_terminal=colours))
    terminalreporter.section("experiments")
    terminalreporter.write(text.getvalue())
